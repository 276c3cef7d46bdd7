/** What escapes from a tool ends its task, and nothing else; what is no task's is the host's. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../../../scripts/syntax.ts';
import { PATIENCE_MS } from '../../../support/until.ts';

const module = (path: string) => JSON.stringify(pathToFileURL(join(REPOSITORY_ROOT, path)).href);

/** A process of its own, as the guard is one of a process. It prints each task's status and reason when all have ended. */
async function runInProcess(body: string) {
  const file = join(await mkdtemp(join(tmpdir(), 'stray-')), 'program.ts');
  writeFileSync(
    file,
    `import { createTaskServer, createLineLogger, defineTaskTool, systemClock } from ${module('src/index.ts')};
import { MemoryBackend } from ${module('src/backends/memory.ts')};
import * as z from ${module('node_modules/zod/index.js')};
const tool = (name, run) => defineTaskTool({ name, description: 'd', inputSchema: z.object({}), run: async (_args, task) => ((await run(task)), { content: [] }) });
async function run(tools, strayErrors) {
  const logger = createLineLogger('warn', systemClock, (line) => process.stderr.write(line));
  const server = createTaskServer({ name: 'x', version: '1', tools, backend: new MemoryBackend(), allowAnonymous: true, logger, strayErrors });
  await server.start();
  const owner = { issuer: 'anonymous', subject: 'anonymous' };
  const lifetime = { runDeadlineMs: 60_000, retentionMs: 60_000 };
  const tasks = await Promise.all(tools.map(async ({ name }) => (await server.store.create({ owner, tool: name, arguments: {}, lifetime, pollIntervalMs: 100, maxAttempts: 3 })).stored.task));
  await Promise.all(tasks.map((task) => server.runTask(task)));
  for (const task of tasks) {
    const { task: now } = await server.store.get(task);
    console.log([now.tool, now.status, now.error?.json?.data?.reason].join(' ').trim());
  }
}
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const endless = () => new Promise(() => {});
${body}
process.exit(0);
`,
  );
  const node = join(REPOSITORY_ROOT, 'node_modules/.bin/node');
  const { stdout, stderr, status } = spawnSync(node, [file], { encoding: 'utf8', timeout: PATIENCE_MS });
  return { lines: stdout.trim().split('\n'), stderr, status };
}

describe('an error that nobody handles', () => {
  test('in a promise that a tool let go, or in its timer, fails that task alone, with its stack in the log [EXEC-18]', async () => {
    const { lines, stderr, status } = await runInProcess(`
await run([
  tool('rejects', async (task) => { void (async () => { await later(10); throw new Error('let go'); })(); await task.step('work', endless); }),
  tool('throws', async (task) => { setTimeout(() => { throw new Error('in a timer'); }, 10); await task.step('work', endless); }),
  tool('bystander', async (task) => { await task.step('work', () => later(200)); }),
], 'exit');`);

    expect(status).toBe(0);
    expect(lines).toEqual(['rejects failed stray_error', 'throws failed stray_error', 'bystander completed']);
    expect(stderr).toMatch(/Error: let go\n\s+at /);
    expect(stderr).toMatch(/Error: in a timer\n\s+at /);
  });

  test('and is no task’s ends the process as ever, unless it was told to log it [EXEC-18]', async () => {
    const body = (mode: string) => `
const running = run([tool('bystander', (task) => task.step('work', () => later(500)))], '${mode}');
await later(100);
void Promise.reject(new Error('the host’s own'));
await running;`;

    const exits = await runInProcess(body('exit'));
    expect(exits.status).toBe(1);
    expect(exits.stderr).toMatch(/the host’s own/);
    const logs = await runInProcess(body('log'));
    expect(logs.status).toBe(0);
    expect(logs.lines).toEqual(['bystander completed']);
    expect(logs.stderr).toMatch(/belongs to no task.*the host’s own/);
  });
});
