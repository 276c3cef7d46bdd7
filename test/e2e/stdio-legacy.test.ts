/** Tasks of revision 2025-11-25 over stdio: processes that a host of that era starts, asks, answers and kills. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { taskIdIn } from '../support/legacy-client.ts';
import { StdioProcess } from './stdio-process.ts';

const TOOLS = fileURLToPath(new URL('./stdio-tools.ts', import.meta.url));
const HOST = { era: '2025-11-25', capabilities: { elicitation: {} } } as const;

let folder: string;
const started: StdioProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stdio-2025-'));
});

afterEach(() => Promise.all(started.splice(0).map((process) => process.end())));

afterAll(() => rm(folder, { recursive: true }));

/** A process on the file of that name. */
function start(name: string): StdioProcess {
  const args = ['--tools', TOOLS, '--backend', `sqlite:${join(folder, `${name}.sqlite`)}`];
  const process = new StdioProcess(args, { ...HOST, env: { STDIO_LOG: join(folder, `${name}.log`) } });
  started.push(process);
  return process;
}

describe('a host of the 2025 era', () => {
  test('makes a task, is asked on the way to its result, and answers by a message of its own [DX-4 LEG-4 LEG-2]', async () => {
    const { peer } = start('task');
    expect(await peer.initialize()).toMatchObject({ capabilities: { tasks: { list: {}, cancel: {} } } });
    const { task } = await peer.result('tools/call', { name: 'ask', arguments: {}, task: {} });
    const taskId = taskIdIn(task);

    peer.request('result', 'tasks/result', { taskId });
    const seen = [await peer.next()];
    while (seen.at(-1)?.method !== 'elicitation/create') seen.push(await peer.next());
    peer.send({ id: seen.at(-1)?.id, result: { action: 'accept', content: { name: 'Ada' } } });
    while (seen.at(-1)?.id !== 'result') seen.push(await peer.next());

    expect(seen.at(-1)?.result).toMatchObject({ content: [{ text: 'You are Ada.' }] });
    expect(seen.filter(({ method }) => method === 'elicitation/create')).toHaveLength(1);
    expect(await peer.result('tasks/list')).toMatchObject({ tasks: [{ taskId, status: 'completed' }] });
  });

  test('is asked again in the process that follows one that was killed [DX-4 LEG-4]', async () => {
    const first = start('killed');
    await first.peer.initialize();
    const { task } = await first.peer.result('tools/call', { name: 'ask', arguments: {}, task: {} });
    const taskId = taskIdIn(task);
    const asked = async ({ peer }: typeof first) => {
      for (;;) {
        peer.request('poll', 'tasks/get', { taskId });
        for (let next = await peer.next(); next.id !== 'poll'; next = await peer.next()) {
          if (next.method === 'elicitation/create') return next;
        }
      }
    };
    await asked(first);
    await first.end();

    const second = start('killed');
    await second.peer.initialize();
    const question = await asked(second);
    second.peer.send({ id: question.id, result: { action: 'decline' } });

    expect(await second.peer.result('tasks/result', { taskId })).toMatchObject({
      content: [{ text: 'You are undefined.' }],
    });
  });

  test('is asked within a plain call, and finds the tools for tasks [DX-4 MOD-6]', async () => {
    const { peer } = start('plain');
    await peer.initialize();
    const { tools } = await peer.result('tools/list');
    expect(JSON.stringify(tools)).toContain('task_status');

    peer.request('call', 'tools/call', { name: 'ask', arguments: {} });
    let next = await peer.next();
    while (next.method !== 'elicitation/create') next = await peer.next();
    peer.send({ id: next.id, result: { action: 'accept', content: { name: 'Ada' } } });
    while (next.id !== 'call') next = await peer.next();

    expect(next.result).toMatchObject({ content: [{ text: 'You are Ada.' }] });
  });
});
