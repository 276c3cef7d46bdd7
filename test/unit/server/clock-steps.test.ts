/** A wall clock that is put back ten minutes under a running server: waits, leases and queue go on as if it had not been. */
import { afterEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { type Clock, steadyNow } from '../../../src/clock.ts';
import type { RunState } from '../../../src/domain/task.ts';
import { createTaskServer, type TaskServer } from '../../../src/server/create-task-server.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { credentials, McpPeer } from '../../support/mcp-requests.ts';
import { eventually, Gate } from '../runtime/runtime-under-test.ts';

const TEN_MINUTES_MS = 600_000;

const waits = defineTaskTool({
  name: 'waits',
  description: 'Waits for half a minute.',
  inputSchema: z.object({}),
  run: async (_args, task) => {
    await task.wait('pause', { seconds: 30 });
    return { content: [] };
  },
});
const retries = defineTaskTool({
  name: 'retries',
  description: 'Succeeds the second time.',
  inputSchema: z.object({}),
  run: async (_args, task) => {
    await task.step(
      'flaky',
      async () => {
        attempts += 1;
        if (attempts === 1) throw new Error('not yet');
      },
      { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 20 } }) },
    );
    return { content: [] };
  },
});
let gate = new Gate();
const works = defineTaskTool({
  name: 'works',
  description: 'Works until it may end.',
  inputSchema: z.object({}),
  run: async () => {
    await gate.pass();
    return { content: [] };
  },
});
let attempts = 0;

/** The timers of a real machine do not follow the wall clock, and `steadyNow` is what the system's clock is made with. */
class SteppedClock implements Clock {
  readonly real = new ManualClock();
  readonly now: () => number;
  #offsetMs = 0;

  constructor() {
    this.now = steadyNow(
      () => this.real.now() + this.#offsetMs,
      () => this.real.now(),
    );
  }

  after(delayMs: number, action: () => void) {
    return this.real.after(delayMs, action);
  }

  stepBack(ms: number): void {
    this.#offsetMs -= ms;
  }
}

let server: TaskServer;

async function serve() {
  const clock = new SteppedClock();
  const backend = new MemoryBackend({ clock });
  const tools = [waits, retries, works];
  server = createTaskServer({ name: 's', version: '1', tools, backend, clock, random: manualRandom(1) });
  await server.start();
  return { clock, backend, peer: new McpPeer(server.fetch, credentials('alice')) };
}

async function runOf(taskId: string): Promise<RunState | undefined> {
  const { tasks } = await server.store.list({ issuer: 'unspecified', subject: 'client alice' }, { limit: 10 });
  return tasks.find(({ id }) => id === taskId)?.run;
}

afterEach(async () => {
  gate.open();
  await server.drain();
  gate = new Gate();
  attempts = 0;
});

describe('after the wall clock was put back ten minutes', () => {
  test.each(['waits', 'retries'])('a task that %s goes on after the time that was meant [EXEC-8 I5]', async (name) => {
    const { clock, peer } = await serve();
    const taskId = await peer.createTask(name, {});
    await clock.real.advance(1000);
    await eventually(async () => ((await runOf(taskId))?.dueAt ?? 0) > clock.now());

    clock.stepBack(TEN_MINUTES_MS);
    await clock.real.advance(40_000);

    await eventually(async () => (await peer.task(taskId)).status === 'completed');
  });

  test('a new task runs at once [EXEC-8]', async () => {
    const { clock, peer } = await serve();
    clock.stepBack(TEN_MINUTES_MS);

    const taskId = await peer.createTask('works', {});
    await clock.real.advance(1000);
    gate.open();

    await eventually(async () => (await peer.task(taskId)).status === 'completed');
  });

  test('a run that goes on keeps its task, with a lease that is no longer than ever [EXEC-4]', async () => {
    const { clock, peer } = await serve();
    const taskId = await peer.createTask('works', {});
    await clock.real.advance(1000);

    clock.stepBack(TEN_MINUTES_MS);
    await clock.real.advance(120_000);

    const run = await runOf(taskId);
    expect(run).toMatchObject({ epoch: 1, lease: { holder: expect.any(String) } });
    expect((run?.lease?.until ?? 0) - clock.now()).toBeLessThanOrEqual(30_000);
    gate.open();

    await eventually(async () => (await peer.task(taskId)).status === 'completed');
  });
});
