/** What clients and the log are told when the database file of a running server is deleted: nothing is accepted into nothing. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import { greet } from '../support/hostile-world.ts';
import { holdServer } from '../support/mcp-server.ts';
import { NotingLogger } from '../unit/runtime/runtime-under-test.ts';

const LOST = {
  code: -32603,
  message:
    'The database of this server was deleted or replaced while it was in use. ' +
    'Nothing is accepted until whoever runs the server has put it back or restarted the server.',
  data: { reason: 'storage_lost' },
};

let folder: string;
let backend: SqliteBackend;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-lost-'));
  backend = new SqliteBackend({ path: join(folder, 'tasks.db') });
});

afterEach(async () => {
  await backend.close();
  await rm(folder, { recursive: true, force: true });
});

test('every request that needs storage is told so, and each is an error in the log [STORE-8 I1]', async () => {
  const logger = new NotingLogger();
  const { peer, server } = holdServer([greet], { backend, logger });
  const taskId = await peer.createTask('greet', { name: 'Ada' });
  await rm(folder, { recursive: true });

  const answers = [
    await peer.call('greet', { name: 'Ada' }),
    await peer.call('greet', { name: 'Ada' }, { meta: { 'mcp-durable-tasks/idempotency-key': 'k' } }),
    await peer.ask('tasks/get', { taskId }),
    await peer.ask('tasks/cancel', { taskId }),
  ];

  for (const { message } of answers) expect(message?.error).toEqual(LOST);
  const errors = logger.lines.filter(({ level }) => level === 'error');
  expect(errors.map(({ fields }) => fields?.['code'])).toEqual(Array.from({ length: 4 }, () => 'storage_lost'));
  await expect(peer.result('tools/list', {})).resolves.toMatchObject({ tools: [{ name: 'greet' }] });

  logger.lines.length = 0;
  await server.start();
  await server.drain();
  expect(logger.lines).toContainEqual({
    level: 'error',
    message: 'Looking at the agenda failed',
    fields: expect.objectContaining({ code: 'storage_lost' }),
  });
  expect(logger.lines).toContainEqual({
    level: 'error',
    message: 'Removing what has expired failed',
    fields: expect.objectContaining({ code: 'lost', message: expect.stringContaining('tasks.db was deleted') }),
  });
});
