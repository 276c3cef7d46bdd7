/**
 * Engines that go away under a running server and come back: requests are refused with what to do, handlers go on, and
 * when the engine is back so is everything else, without any client. All troubles at once, each with a server and data
 * of its own.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { defineTaskTool, type LogFields, type Logger, startLocalServer } from '../../src/index.ts';
import { McpPeer, type RpcError, type RpcMessage } from '../support/mcp-requests.ts';
import { connectOfficialClient } from '../support/official-client.ts';
import { PATIENCE_MS, until } from '../support/until.ts';
import { TROUBLES, type Trouble } from './engines-away.ts';

/** Does not fit into the room that a page has left, nor into a task's head. */
const LARGE = 'x'.repeat(20_000);
const SLEEP_SECONDS = 2;

interface Seen {
  /** What a call, and a poll, were answered while the engine was away. */
  readonly refusedCall: RpcError | undefined;
  readonly polled: { readonly error?: RpcError | undefined; readonly status: unknown };
  /** How often each piece of code ran. */
  readonly counts: Readonly<Record<string, number>>;
  readonly statuses: readonly unknown[];
  readonly results: readonly unknown[];
  /** What a call that was kept open all the while was answered. */
  readonly plain: RpcMessage | undefined;
  /** Of the task whose handler was at work. */
  readonly run: { readonly epoch: number; readonly crashes: number };
  readonly reasons: readonly string[];
  readonly afterwards: unknown;
  readonly awayMs: number;
  /** From when the engine was there again until both tasks had ended. */
  readonly recoveredMs: number;
}

class NotedLines implements Logger {
  readonly lines: { readonly message: string; readonly fields: LogFields }[] = [];
  debug = () => {};
  info = (message: string, fields: LogFields = {}) => void this.lines.push({ message, fields });
  warn = this.info;
  error = this.info;

  has(message: string, task: string): boolean {
    return this.lines.some((line) => line.message === message && line.fields['task'] === task);
  }
}

async function goThrough({ open, smallWrites }: Trouble): Promise<Seen> {
  const counts: Record<string, number> = {};
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  const { promise: mayFinish, resolve: finish } = Promise.withResolvers<void>();
  const working = defineTaskTool({
    name: 'working',
    description: 'Is in the middle of a step when the engine goes away.',
    inputSchema: z.object({ ballast: z.string().default('') }),
    run: async (_args, task) => {
      count('handler');
      await task.step('first', async () => count('first'));
      const slow = await task.step('slow', async () => {
        count('slow');
        await mayFinish;
        return LARGE;
      });
      await task.variables.set('length', slow.length);
      await task.step('last', async () => count('last'));
      return { content: [{ type: 'text', text: JSON.stringify(await task.variables.get('length')) }] };
    },
  });
  const sleeping = defineTaskTool({
    name: 'sleeping',
    description: 'Is to wake up while the engine is away.',
    inputSchema: z.object({}),
    run: async (_args, task) => {
      await task.step('before', async () => count('before'));
      await task.wait('sleep', { seconds: SLEEP_SECONDS });
      await task.step('after', async () => count('after'));
      return { content: [{ type: 'text', text: 'awake' }] };
    },
  });

  const engine = await open();
  const logger = new NotedLines();
  const server = await startLocalServer({
    name: 'away',
    version: '1',
    tools: [working, sleeping],
    backend: engine.backend,
    port: 0,
    allowAnonymous: true,
    plainCallWaitMs: PATIENCE_MS,
    logger,
    leaseTimes: { leaseMs: 30_000, heartbeatMs: 1_000 },
  });
  const peer = new McpPeer((request) => fetch(new Request(server.url, request)));
  try {
    const atWork = await peer.createTask('working');
    await until('the slow step', () => counts['slow'] === 1);
    const asleep = await peer.createTask('sleeping');
    await until('the wait', async () => counts['before'] === 1 && (await runOf(server, asleep)).lease === undefined);
    const plain = peer.call('sleeping', {}, { declares: false });
    await until('the plain call', () => counts['before'] === 2);

    await engine.begin();
    const beganAt = performance.now();
    finish();
    const [call, poll] = await Promise.all([
      peer.call('working', { ballast: LARGE }),
      peer.ask('tasks/get', { taskId: atWork }),
    ]);
    await until('the run to notice', () => logger.has('Storage is away; a run waits for it', atWork));
    if (smallWrites !== true)
      await until('the wait to end', () => logger.has('A run failed unexpectedly', asleep) || counts['after'] === 1);
    await engine.end();
    const backAt = performance.now();
    const awayMs = backAt - beganAt;
    // Only the log: nobody asks the server anything.
    await until('both to end', () => [atWork, asleep].every((task) => logger.has('Task ended', task)));
    const recoveredMs = performance.now() - backAt;

    const ended = [await peer.task(atWork), await peer.task(asleep)];
    await using official = await connectOfficialClient(server.url, 'away');
    const execution = await official.session.callTool('sleeping', { arguments: {} });
    return {
      refusedCall: call.message?.error,
      polled: { error: poll.message?.error, status: poll.message?.result?.['status'] },
      counts,
      statuses: ended.map(({ status }) => status),
      plain: (await plain).message,
      results: ended.map(({ result }) => (result as { content?: unknown } | undefined)?.content),
      run: await runOf(server, atWork),
      reasons: logger.lines.flatMap(({ fields }) => (typeof fields['reason'] === 'string' ? [fields['reason']] : [])),
      afterwards: await execution.result(),
      awayMs,
      recoveredMs,
    };
  } finally {
    await server.close();
    await engine.close();
  }
}

async function runOf(server: Awaited<ReturnType<typeof startLocalServer>>, id: string) {
  const { tasks } = await server.tasks.store.list({ issuer: 'anonymous', subject: 'anonymous' }, { limit: 20 });
  const task = tasks.find((candidate) => candidate.id === id);
  if (task === undefined) throw new Error(`There is no task ${id}.`);
  return task.run;
}

const outcomes = new Map<Trouble, Promise<Seen>>();

beforeAll(() => {
  for (const trouble of TROUBLES) {
    const outcome = goThrough(trouble);
    // Whoever asks for it is told.
    outcome.catch(() => undefined);
    outcomes.set(trouble, outcome);
  }
});

describe.each(TROUBLES)('while $engine $trouble', (trouble) => {
  const { reason, reads = false, refusal = 'unavailable' } = trouble;
  let seen: Seen;

  beforeAll(async () => {
    seen = (await outcomes.get(trouble)) as Seen;
    if (process.env['SHOW_RECOVERY'] !== undefined)
      process.stderr.write(
        `${trouble.engine} ${trouble.trouble}: ${Math.round(seen.awayMs)} ms, then ${Math.round(seen.recoveredMs)} ms\n`,
      );
  });

  test('requests are refused with why and when to try again, and what can be read is [EXEC-22 SEC-3 OPS-3]', () => {
    const refused =
      refusal === 'unavailable'
        ? { code: -32000, data: { reason: 'unavailable', retryAfterMs: expect.any(Number) } }
        : { code: -32603, data: { reason: 'storage_lost' }, message: expect.stringContaining('put it back') };

    expect(seen.refusedCall).toMatchObject(refused);
    if (reads) expect(seen.polled).toEqual({ error: undefined, status: 'working' });
    else expect(seen.polled.error).toMatchObject(refused);
    expect(seen.reasons).toContainEqual(expect.stringMatching(reason));
  });

  test('a handler and a call that waits go on, and all goes on by itself after it, nothing twice [EXEC-1 EXEC-22 I3 I5 I12]', () => {
    expect(seen.statuses).toEqual(['completed', 'completed']);
    expect(seen.results).toEqual([[{ type: 'text', text: String(LARGE.length) }], [{ type: 'text', text: 'awake' }]]);
    expect(seen.counts).toMatchObject({ handler: 1, first: 1, slow: 1, last: 1 });
    expect(seen.run).toMatchObject({ epoch: 1, crashes: 0 });
    expect(seen.plain).toMatchObject({ result: { content: [{ type: 'text', text: 'awake' }] } });
    expect(seen.afterwards).toMatchObject({ status: 'completed' });
  });
});
