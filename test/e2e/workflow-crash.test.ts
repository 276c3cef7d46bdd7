/**
 * A server with a workflow on its way is killed with `kill -9` at each boundary of its own code, and started again on the same
 * data. Whatever the boundary: the prompt has one task, the workflow arrives with the same result, each call that was
 * answered counts, and no step whose outcome was recorded ran again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { JournalEntry } from '../../src/engine/journal.ts';
import { GenericTaskStore, type Task } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { type Effect, LOST_LEASE } from '../support/effects.ts';
import {
  IDEMPOTENCY_KEY,
  type JsonMap,
  type McpPeer,
  RELATED_TASK_KEY,
  type RpcMessage,
} from '../support/mcp-requests.ts';
import { readEffects, type ServerData } from './crash-server-process.ts';
import { durableBackends, type OpenDurable } from './durable-backends.ts';
import {
  CrashRuns,
  faultsInStep,
  inParallel,
  POLL_EVERY_MS,
  RUN_LIMIT_MS,
  type Supervised,
  sample,
} from './supervised-server.ts';

/** For all of them, on a machine that has other things to do. */
const ALL_RUNS_LIMIT_MS = 30 * 60_000;
/** Most of a run is waiting: for leases and for waits of the task. */
const AT_ONCE = 12;
/** A call is answered without waiting for its recording after a second: one that took less has been recorded. */
const SURELY_RECORDED_MS = 900;
const SIGNER = 'Ada';
/** By the step of the workflow, or of the tool that it runs: what notes that it ran. */
const NOTED = ['begin', 'far before', 'far after', 'join', 'end'];

interface Expedition {
  readonly taskId: string;
  readonly carriedBy: string;
  readonly final: JsonMap;
  /** Every value that was sent with the plain call, in order. */
  readonly sent: readonly string[];
}

/** What a careful client does: repeats what was not answered, and nothing else. Throws when a promise is broken. */
async function travel(server: Supervised, key: string): Promise<Expedition> {
  const meta = { [IDEMPOTENCY_KEY]: key };
  const prompt = resultOf(
    await server.ask(async (peer) => (await peer.ask('prompts/get', { name: 'expedition' }, { meta })).message),
  )['_meta'] as JsonMap;
  const taskId = prompt['task_id'] as string;
  const sent: string[] = [];
  const [, carriedBy] = await Promise.all([take(server, taskId, sent), carry(server, taskId, key)]);
  const deadline = performance.now() + RUN_LIMIT_MS;
  for (;;) {
    const task = resultOf(await server.ask(async (peer) => (await peer.ask('tasks/get', { taskId })).message));
    if (task['status'] !== 'working' && task['status'] !== 'input_required')
      return { taskId, carriedBy, final: task, sent };
    if (performance.now() > deadline) throw new Error(`I5: the workflow does not arrive: ${JSON.stringify(task)}`);
    for (const inputKey of Object.keys((task['inputRequests'] ?? {}) as object)) {
      const inputResponses = { [inputKey]: { action: 'accept', content: { signer: SIGNER } } };
      resultOf(await server.ask(async (peer) => (await peer.ask('tasks/update', { taskId, inputResponses })).message));
    }
    await delay(POLL_EVERY_MS);
  }
}

function resultOf({ result, error }: RpcMessage): JsonMap {
  if (result === undefined) throw new Error(`A promise is broken: ${JSON.stringify(error)}`);
  return result;
}

const relatedTo = (taskId: string) => ({ [RELATED_TASK_KEY]: { taskId } });

/** The plain call, until one has surely been recorded. */
async function take(server: Supervised, taskId: string, sent: string[]): Promise<void> {
  await server.ask(async (peer: McpPeer) => {
    const value = `left, try ${sent.length + 1}`;
    sent.push(value);
    const began = performance.now();
    const { message } = await peer.call('take', { value }, { meta: relatedTo(taskId) });
    if (message?.error !== undefined) throw new Error(`The call was refused: ${JSON.stringify(message.error)}`);
    return performance.now() - began < SURELY_RECORDED_MS ? message : undefined;
  });
}

/** The call that becomes a task, of which there is one however often it is repeated. */
async function carry(server: Supervised, taskId: string, key: string): Promise<string> {
  const meta = { ...relatedTo(taskId), [IDEMPOTENCY_KEY]: `${key} carry` };
  const created = resultOf(
    await server.ask(async (peer) => (await peer.call('carry', { value: 'right' }, { meta })).message),
  );
  const carriedBy = created['taskId'] as string;
  // Polls are what brings a task on whose process was killed: its client follows it to its end.
  const ended = await server.ask(async (peer) => {
    const { message } = await peer.ask('tasks/get', { taskId: carriedBy });
    return message?.result?.['status'] === 'working' ? undefined : message;
  });
  if (resultOf(ended)['status'] !== 'completed') throw new Error(`The carried task ended as ${JSON.stringify(ended)}`);
  return carriedBy;
}

interface Stored {
  readonly tasks: readonly Task[];
  readonly log: readonly JournalEntry[];
}

async function readStore({ address, owner: subject }: ServerData, taskId: string): Promise<Stored> {
  const opened = await openBackend(parseBackendAddress(address));
  try {
    const store = new GenericTaskStore({ backend: opened.backend });
    const { tasks } = await store.list({ issuer: 'crash test', subject }, { limit: 10 });
    const task = tasks.find(({ id }) => id === taskId);
    if (task === undefined) throw new Error(`I1: there is no task ${taskId} any more`);
    return { tasks, log: (await store.log.read(task)).entries as unknown as JournalEntry[] };
  } finally {
    await opened.close();
  }
}

/** The output of each step of a workflow that has ended, by name. */
type Outputs = Readonly<Record<string, JsonMap>>;

/** What is wrong with a workflow that has ended; nothing, one hopes. */
function faultsOf(
  expedition: Expedition,
  stored: Stored,
  effects: readonly Effect[],
  pids: readonly number[],
): string[] {
  const { taskId, carriedBy, final, sent } = expedition;
  const { structuredContent } = (final['result'] ?? {}) as {
    structuredContent?: { steps: { name: string; status: string; output: JsonMap }[] };
  };
  const steps = structuredContent?.steps ?? [];
  if (final['status'] !== 'completed' || steps.length !== 6 || steps.some(({ status }) => status !== 'completed'))
    return [`the workflow ended as ${JSON.stringify(final)}`];
  const isOnce = stored.tasks.length === 2 && stored.tasks.some(({ id }) => id === carriedBy);
  const outputs: Outputs = Object.fromEntries(steps.map(({ name, output }) => [name, output]));
  const ran = effects.filter(({ task, name }) => task === taskId || name === LOST_LEASE);
  return [
    ...(isOnce ? [] : [`I3: one prompt and one call made ${stored.tasks.length} tasks`]),
    ...faultsInOutputs(outputs, sent),
    ...NOTED.flatMap((name) => {
      const nonce = nonceOf(name, outputs);
      const traces = { log: stored.log, effects: ran, pids };
      return faultsInStep(name, traces, (outcome) => JSON.stringify(outcome).includes(nonce));
    }),
  ];
}

/** What each step gave, and what it was given. */
function faultsInOutputs({ begin, far, left, right, join: joined, end }: Outputs, sent: readonly string[]): string[] {
  const value = left?.['value'];
  const given = { left: value, right: 'right', before: far?.['before'] };
  const isLeft = sent.length === 1 ? value === sent[0] : sent.includes(value as string);
  const checks: (readonly [holds: boolean, fault: string])[] = [
    [isLeft, `WF-5: step left has ${JSON.stringify(left)}, and ${JSON.stringify(sent)} was sent`],
    [right?.['value'] === 'right', `WF-5: the task that was carried out does not count: ${JSON.stringify(right)}`],
    [far?.['from'] === begin?.['nonce'], 'I3: step far was run with another outcome of step begin'],
    [
      JSON.stringify(joined?.['given']) === JSON.stringify(given),
      `step join was run with ${JSON.stringify(joined?.['given'])}, not with ${JSON.stringify(given)}`,
    ],
    [JSON.stringify(end?.['given']) === JSON.stringify({ signer: SIGNER }), 'I4: the answer to the question is lost'],
  ];
  return checks.flatMap(([holds, fault]) => (holds ? [] : [fault]));
}

/** What the run of this step gave that counts. */
function nonceOf(name: string, outputs: Outputs): string {
  if (name === 'far before') return outputs['far']?.['before'] as string;
  return outputs[name === 'far after' ? 'far' : name]?.['nonce'] as string;
}

const crashes = new CrashRuns(async (server, data) => {
  const expedition = await travel(server, data.owner);
  await server.end();
  const stored = await readStore(data, expedition.taskId);
  return faultsOf(expedition, stored, await readEffects(data.effects), server.pids);
});

afterAll(() => crashes.dispose());

describe.each(durableBackends.map((backend) => ({ ...backend, points: backend.local ? 16 : 4 })))(
  'a server with a workflow on $name',
  ({ name, open, points }) => {
    let durable: OpenDurable;
    let boundaries: readonly string[] = [];

    beforeAll(async () => {
      durable = await open();
      const counted = await crashes.run(name, durable, [undefined]);
      expect(counted.faults).toEqual([]);
      boundaries = counted.boundaries;
    });

    afterAll(() => durable.dispose());

    test(
      'that is killed at any boundary loses nothing and repeats nothing that was recorded [WF-2 WF-5 EXEC-1 I1 I3 I4 I5]',
      async () => {
        const chosen = sample(boundaries.length, points);

        const reports = await inParallel(chosen, AT_ONCE, (at) => crashes.runKilled(name, durable, at));

        const faults = reports.flatMap((report, index) =>
          report.faults.map((fault) => `killed at ${chosen[index]} (${report.boundaries.at(-1)}): ${fault}`),
        );
        expect(faults).toEqual([]);
        expect(boundaries.length).toBeGreaterThan(40);
        expect(reports.filter(({ kills }) => kills === 0)).toEqual([]);
      },
      ALL_RUNS_LIMIT_MS,
    );

    test(
      'that is killed again while it recovers does so too [WF-2 WF-5 EXEC-1 I1 I3 I4 I5]',
      async () => {
        const pairs = sample(boundaries.length, 6).map((first): [number, number] => [first, 5]);

        const reports = await inParallel(points < 20 ? pairs.slice(0, 2) : pairs, AT_ONCE, (pair) =>
          crashes.runKilled(name, durable, ...pair),
        );

        expect(reports.flatMap(({ faults }) => faults)).toEqual([]);
        expect(reports.some(({ kills }) => kills === 2)).toBe(true);
      },
      ALL_RUNS_LIMIT_MS,
    );
  },
);
