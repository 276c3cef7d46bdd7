/** Two server processes on the same data, on one machine: each sees at once what the other does, and no work is done twice. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Effect } from '../support/crash-server.ts';
import type { JsonMap, McpPeer } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';
import { CrashServerProcess, readEffects, type ServerData } from './crash-server-process.ts';
import { durableBackends, type OpenDurable } from './durable-backends.ts';

/** As the server has them. */
const LEASE_MS = 1_500;
const HEARTBEAT_MS = 300;
const GRACE_MS = 300;
/** For a poll, a process switch and a slow disk. */
const SLACK_MS = 1_000;

describe.each(durableBackends)('two servers on one $name', ({ open }) => {
  let durable: OpenDurable;
  let data: ServerData;
  let a: CrashServerProcess;
  let b: CrashServerProcess;
  let peerA: McpPeer;
  let peerB: McpPeer;

  beforeAll(async () => {
    durable = await open();
    data = { address: durable.address(), owner: 'pair', effects: join(durable.folder, 'pair.effects') };
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

  test('work that outlasts its lease is renewed, and never taken over from a process that lives [EXEC-4 I3 I7]', async () => {
    const task = await peerA.createTask('steps', { count: 1, stepMs: 2 * LEASE_MS + 500 });

    // Each poll by the other process would heal the task, were it overdue.
    const end = await ended(peerB, task);

    expect(end['status']).toBe('completed');
    expect((await effectsOf(task)).map(({ name, pid }) => [name, pid])).toEqual([['step 0', a.pid]]);
  });

  test('cancelling at one aborts the handler in the other within two heartbeats [EXEC-5 I2]', async () => {
    const task = await peerA.createTask('endless');
    await until('the handler', async () => ((await effectsOf(task)).length > 0 ? true : undefined));

    await peerB.result('tasks/cancel', { taskId: task });
    const cancelledAt = Date.now();

    const aborted = await until('the signal', async () =>
      (await effectsOf(task)).find(({ name }) => name === 'aborted'),
    );
    expect(aborted.pid).toBe(a.pid);
    expect(aborted.at - cancelledAt).toBeLessThan(2 * HEARTBEAT_MS + SLACK_MS);
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

  // Last, since process a is gone after it.
  test('when the process that runs a task is killed, the other goes on within the lease, with no step done twice but the torn one [EXEC-1 EXEC-4 I3 I5]', async () => {
    const task = await peerA.createTask('steps', { count: 8, stepMs: 150 });
    await until('the third step', async () => ((await effectsOf(task)).length >= 3 ? true : undefined));
    await a.kill();
    const killedAt = Date.now();

    const end = await ended(peerB, task);

    expect(end['status']).toBe('completed');
    const effects = await effectsOf(task);
    const takenOver = effects.filter(({ pid }) => pid === b.pid);
    expect((takenOver[0]?.at ?? 0) - killedAt).toBeLessThan(LEASE_MS + GRACE_MS + SLACK_MS);
    // Process a ran some, b the rest; only the step that was torn is in both.
    const torn = effects.filter(({ name, pid }) => pid === a.pid && takenOver.some((other) => other.name === name));
    expect(torn.length).toBeLessThanOrEqual(1);
    expect(effects).toHaveLength(8 + torn.length);
    expect(new Set(effects.map(({ name }) => name)).size).toBe(8);
  });
});
