/** Two server processes on the same data, on one machine: each sees at once what the other does, and no work is done twice. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { GenericTaskStore } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import type { Effect } from '../support/effects.ts';
import type { JsonMap, McpPeer } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';
import {
  bundleCrashServer,
  CrashServerProcess,
  type CrashServerPrograms,
  readEffects,
  type ServerData,
} from './crash-server-process.ts';
import { durableBackends, type OpenDurable } from './durable-backends.ts';

/** Of the process that is killed. */
const SHORT_LEASE_MS = 1_500;
/** A lease is renewed when a third of it is over: here, eight seconds before it would be lost. */
const RENEWED_LEASE_MS = 12_000;

let programs: CrashServerPrograms;

beforeAll(async () => {
  programs = await bundleCrashServer();
});

afterAll(() => programs.dispose());

/** Until when the run of the task has it. */
async function leaseEnd({ address, owner: subject }: ServerData, taskId: string): Promise<number | undefined> {
  const opened = await openBackend(parseBackendAddress(address));
  try {
    const { tasks } = await new GenericTaskStore({ backend: opened.backend }).list(
      { issuer: 'crash test', subject },
      { limit: 100 },
    );
    return tasks.find(({ id }) => id === taskId)?.run.lease?.until;
  } finally {
    await opened.close();
  }
}

describe.each(durableBackends)('two servers on one $name', ({ open }) => {
  let durable: OpenDurable;
  let data: ServerData;
  let a: CrashServerProcess;
  let b: CrashServerProcess;
  let peerA: McpPeer;
  let peerB: McpPeer;

  beforeAll(async () => {
    durable = await open();
    data = { programs, address: await durable.address(), owner: 'pair', effects: join(durable.folder, 'pair.effects') };
    a = new CrashServerProcess(data);
    b = new CrashServerProcess(data);
    [peerA, peerB] = await Promise.all([a.peer(), b.peer()]);
  });

  afterAll(async () => {
    await Promise.all([a.kill(), b.kill()]);
    expect(a.stderr + b.stderr).toBe('');
    await durable.dispose();
  });

  const effectsOf = async (task: string): Promise<Effect[]> =>
    (await readEffects(data.effects)).filter((effect) => effect.task === task);

  const ended = (peer: McpPeer, task: string): Promise<JsonMap> =>
    until('the end', async () => {
      const state = await peer.task(task);
      return ['completed', 'failed', 'cancelled'].includes(state['status'] as string) ? state : undefined;
    });

  test('a task that one has created is readable from the other at once [I1 LIFE-6]', async () => {
    for (let round = 0; round < 20; round += 1) {
      const [creator, reader] = round % 2 === 0 ? [peerA, peerB] : [peerB, peerA];

      const task = await creator.createTask('steps', { count: 1, stepMs: 0 });

      expect((await reader.task(task))['taskId']).toBe(task);
    }
  });

  test('20 tasks run each of their steps once and come to one end, whichever process is asked [I3 I7 EXEC-4]', async () => {
    const names = ['step 0', 'step 1', 'step 2'];
    const tasks = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? peerA : peerB).createTask('steps', { count: 3, stepMs: 30 }),
      ),
    );

    const seen = await Promise.all(tasks.map(async (task) => [await ended(peerA, task), await ended(peerB, task)]));

    for (const [index, [fromA, fromB]] of seen.entries()) {
      expect(fromA?.['status']).toBe('completed');
      expect(fromB).toEqual(fromA);
      expect((await effectsOf(tasks[index] ?? '')).map(({ name }) => name)).toEqual(names);
    }
  });

  test('work that lasts keeps its lease, and is never taken over from a process that lives [EXEC-4 I3 I7]', async () => {
    const working = new CrashServerProcess(data, { leaseMs: RENEWED_LEASE_MS });
    const task = await (await working.peer()).createTask('endless');
    const first = await until('a lease', () => leaseEnd(data, task));

    // Each poll by the other process would heal the task, were it overdue.
    await until('a later lease', async () => {
      expect((await peerB.task(task))['status']).toBe('working');
      return ((await leaseEnd(data, task)) ?? 0) >= first + RENEWED_LEASE_MS / 3;
    });
    await peerB.result('tasks/cancel', { taskId: task });
    await until('the signal', async () => (await effectsOf(task)).some(({ name }) => name === 'aborted'));
    await working.kill();

    expect(new Set((await effectsOf(task)).map(({ pid }) => pid))).toEqual(new Set([working.pid]));
  });

  // By its next heartbeat: see test/unit/runtime/running/held-task.test.ts.
  test('cancelling at one aborts the handler in the other [EXEC-5 I2]', async () => {
    const task = await peerA.createTask('endless');
    await until('the handler', async () => (await effectsOf(task)).length > 0);

    await peerB.result('tasks/cancel', { taskId: task });

    const aborted = await until('the signal', async () =>
      (await effectsOf(task)).find(({ name }) => name === 'aborted'),
    );
    expect(aborted.pid).toBe(a.pid);
    expect((await peerA.task(task))['status']).toBe('cancelled');
    expect((await peerB.task(task))['result']).toBeUndefined();
  });

  test('an answer given to one is used by the task that the other runs [EXEC-3 I4]', async () => {
    const task = await peerA.createTask('journey');
    const requests = await until('two questions', async () => {
      const asked = Object.entries(
        ((await peerB.task(task))['inputRequests'] ?? {}) as Record<string, { params: { message: string } }>,
      );
      return asked.length === 2 ? asked : undefined;
    });

    for (const [key, { params }] of requests) {
      const content = { [params.message]: `${params.message} by way of b` };
      await peerB.result('tasks/update', { taskId: task, inputResponses: { [key]: { action: 'accept', content } } });
    }

    const end = (await ended(peerA, task)) as { result?: { content?: { text: string }[] } };
    expect(JSON.parse(end.result?.content?.[0]?.text ?? '{}')).toMatchObject({
      left: 'left by way of b',
      right: 'right by way of b',
    });
  });

  test('listening at one shows the changes that the other makes, up to the end [MOD-3]', async () => {
    const task = await peerA.createTask('journey');
    const events = await peerB.listen({ taskIds: [task] });
    expect((await events.message()).method).toBe('notifications/subscriptions/acknowledged');
    const statuses: string[] = [];
    const next = async () => {
      const { method, params } = await events.message();
      expect(method).toBe('notifications/tasks');
      statuses.push(params?.['status'] as string);
      return params ?? {};
    };

    let params = await next();
    while (params['status'] !== 'input_required') params = await next();
    const answers = Object.entries(params['inputRequests'] as Record<string, { params: { message: string } }>).map(
      ([key, request]) => [key, { action: 'accept', content: { [request.params.message]: 'x' } }],
    );
    await peerA.result('tasks/update', { taskId: task, inputResponses: Object.fromEntries(answers) });
    while (params['status'] !== 'completed') params = await next();

    expect(params).toMatchObject({ taskId: task, status: 'completed' });
    expect(statuses.indexOf('input_required')).toBeLessThan(statuses.indexOf('completed'));
    await events.leave();
  });

  test('when the process that runs a task is killed, another goes on after its lease, with no step done twice but the torn one [EXEC-1 EXEC-4 I3 I5]', async () => {
    const killed = new CrashServerProcess(data, { leaseMs: SHORT_LEASE_MS });
    const task = await (await killed.peer()).createTask('steps', { count: 8, stepMs: 150 });
    await until('the third step', async () => (await effectsOf(task)).length >= 3);
    await killed.kill();

    const end = await ended(peerB, task);

    expect(end['status']).toBe('completed');
    const effects = await effectsOf(task);
    const takenOver = effects.filter(({ pid }) => pid !== killed.pid);
    expect(takenOver.length).toBeGreaterThan(0);
    // The killed process ran some, another the rest; only the step that was torn is in both.
    const torn = effects.filter(
      ({ name, pid }) => pid === killed.pid && takenOver.some((other) => other.name === name),
    );
    expect(torn.length).toBeLessThanOrEqual(1);
    expect(effects).toHaveLength(8 + torn.length);
    expect(new Set(effects.map(({ name }) => name)).size).toBe(8);
  });
});
