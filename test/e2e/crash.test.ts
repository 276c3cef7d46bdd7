/**
 * A real server is killed with `kill -9` at each boundary of its own code, before and after every write and
 * every hand-over to the queue, while a task is on its way; then it is started again on the same data. Whatever
 * the boundary: what a client was promised holds, the task arrives, and no step whose outcome was recorded
 * ran again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { JournalEntry, Outcome } from '../../src/engine/journal.ts';
import type { Owner, Task } from '../../src/index.ts';
import { GenericTaskStore } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import type { Effect } from '../support/effects.ts';
import { IDEMPOTENCY_KEY, type JsonMap } from '../support/mcp-requests.ts';
import { recordedOutcomes } from '../support/recorded.ts';
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
/** Most of a run is waiting: for leases and for a wait of the task. */
const AT_ONCE = 16;
const STEPS = ['begin', 'answered', 'branch 1', 'branch 2', 'branch 3', 'end'];
const TERMINAL = ['completed', 'failed', 'cancelled'];

interface Journey {
  readonly taskId: string;
  readonly final: JsonMap;
  /** Every content that was sent for a field, in order. */
  readonly sent: Readonly<Record<string, readonly string[]>>;
  /** How many had been sent when the first acknowledgement came. */
  readonly acknowledgedAt: Readonly<Record<string, number>>;
}

/** What a careful client does: repeats what was not acknowledged, and nothing else. Throws when a promise is broken. */
async function travel(server: Supervised, key: string): Promise<Journey> {
  const created = await server.ask(
    async (peer) => (await peer.call('journey', {}, { meta: { [IDEMPOTENCY_KEY]: key } })).message,
  );
  const taskId = created.result?.['taskId'] as string;
  if (created.result === undefined) throw new Error(`No task: ${JSON.stringify(created)}`);
  const sent: Record<string, string[]> = { left: [], right: [] };
  const acknowledgedAt: Record<string, number> = {};
  const deadline = performance.now() + RUN_LIMIT_MS;
  for (;;) {
    const { result, error } = await server.ask(async (peer) => (await peer.ask('tasks/get', { taskId })).message);
    if (result === undefined) throw new Error(`I1: an id that was returned does not resolve: ${JSON.stringify(error)}`);
    if (TERMINAL.includes(result['status'] as string)) return { taskId, final: result, sent, acknowledgedAt };
    if (performance.now() > deadline) throw new Error(`I5: the task does not arrive: ${JSON.stringify(result)}`);
    const requests = (result['inputRequests'] ?? {}) as Record<string, { params: { message: string } }>;
    for (const [inputKey, request] of Object.entries(requests)) {
      const field = request.params.message;
      if (acknowledgedAt[field] !== undefined) throw new Error(`I4: ${field} was acknowledged and is asked again`);
      const attempts = sent[field] ?? [];
      sent[field] = attempts;
      await server.ask(async (peer) => {
        const content = { [field]: `${field}, try ${attempts.length + 1}` };
        attempts.push(content[field] ?? '');
        const inputResponses = { [inputKey]: { action: 'accept', content } };
        const { message } = await peer.ask('tasks/update', { taskId, inputResponses });
        if (message?.error !== undefined) throw new Error(`An answer was refused: ${JSON.stringify(message.error)}`);
        return message;
      });
      acknowledgedAt[field] = attempts.length;
    }
    await delay(POLL_EVERY_MS);
  }
}

interface Stored {
  readonly tasks: readonly Task[];
  readonly task: Task;
  readonly result: { readonly content: readonly { readonly text: string }[] };
  readonly variables: JsonMap;
  readonly log: readonly JournalEntry[];
}

async function readStore({ address, owner: subject }: ServerData): Promise<Stored> {
  const opened = await openBackend(parseBackendAddress(address));
  try {
    const store = new GenericTaskStore({ backend: opened.backend });
    const owner: Owner = { issuer: 'crash test', subject };
    const { tasks } = await store.list(owner, { limit: 10 });
    const [task] = tasks;
    if (task?.result === undefined) throw new Error(`I5: nothing is stored as the end: ${JSON.stringify(tasks)}`);
    return {
      tasks,
      task,
      result: (await store.load(task, task.result)) as unknown as Stored['result'],
      variables: (await store.readVariables(task)) as JsonMap,
      log: (await store.log.read(task)).entries as unknown as JournalEntry[],
    };
  } finally {
    await opened.close();
  }
}

/** What is wrong with a journey that has ended; nothing, one hopes. */
function faultsOf(journey: Journey, stored: Stored, effects: readonly Effect[], pids: readonly number[]): string[] {
  const faults: string[] = [];
  const check = (holds: boolean, fault: string) => {
    if (!holds) faults.push(fault);
  };
  const { final, sent, acknowledgedAt } = journey;
  check(stored.tasks.length === 1, `I3: one call made ${stored.tasks.length} tasks`);
  check(final['status'] === 'completed', `the task ended as ${JSON.stringify(final)}`);
  const shown = (final['result'] as { content?: readonly { text: string }[] } | undefined)?.content?.[0]?.text;
  check(shown === stored.result.content[0]?.text, 'I2: the stored result is another than the one that was shown');
  const { left, right, nonces } = JSON.parse(stored.result.content[0]?.text ?? '{}') as {
    left: string;
    right: string;
    nonces: Record<string, string>;
  };
  for (const [field, value] of Object.entries({ left, right })) {
    check(sent[field]?.includes(value) === true, `I4: ${field} became ${value}, which nobody sent`);
    check(
      acknowledgedAt[field] !== 1 || value === sent[field]?.[0],
      `I4: the acknowledged answer to ${field} was lost`,
    );
  }
  const { phase, ballast, left: noted } = stored.variables;
  check(phase === 'done' && ballast === 'y'.repeat(5_000) && noted === left, 'variables are lost');

  const outcomes = recordedOutcomes(stored.log, 'question').map(({ key }) => key);
  check(outcomes.length === 2 && new Set(outcomes).size === 2, `I4: answers were used ${outcomes.length} times`);
  for (const name of STEPS) {
    const isResult = (outcome: Outcome) => outcome.kind === 'ok' && outcome.value === nonces[name];
    faults.push(...faultsInStep(name, { log: stored.log, effects, pids }, isResult));
  }
  return faults;
}

const crashes = new CrashRuns(async (server, data) => {
  const journey = await travel(server, data.owner);
  await server.end();
  return faultsOf(journey, await readStore(data), await readEffects(data.effects), server.pids);
});

afterAll(() => crashes.dispose());

describe.each(durableBackends.map((backend) => ({ ...backend, points: backend.local ? 120 : 16 })))(
  'a server on $name',
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

    test('passes many boundaries of each kind on the way', () => {
      const kinds = new Set(boundaries);

      expect(boundaries.length).toBeGreaterThan(40);
      for (const kind of ['putIfVersion', 'delete', 'addIfBelow', 'enqueue']) {
        expect(kinds).toContain(`before ${kind}`);
        expect(kinds).toContain(`after ${kind}`);
      }
    });

    test(
      'that is killed at any boundary loses nothing and repeats nothing that was recorded [EXEC-1 EXEC-4 STORE-8 I1 I2 I3 I4 I5]',
      async () => {
        const chosen = sample(boundaries.length, points);

        const reports = await inParallel(chosen, AT_ONCE, (at) => crashes.runKilled(name, durable, at));

        const faults = reports.flatMap((report, index) => {
          const at = chosen[index] ?? 0;
          return report.faults.map((fault) => `killed at ${at} (${report.boundaries.at(-1)}): ${fault}`);
        });
        expect(faults).toEqual([]);
        expect(reports.filter(({ kills }) => kills === 0)).toEqual([]);
      },
      ALL_RUNS_LIMIT_MS,
    );

    test(
      'that is killed again while it recovers does so too [EXEC-1 EXEC-4 I1 I2 I3 I4 I5]',
      async () => {
        const pairs = sample(boundaries.length, 6).flatMap((first) =>
          [3, 9].map((second): [number, number] => [first, second]),
        );

        const reports = await inParallel(points < 20 ? pairs.slice(0, 4) : pairs, AT_ONCE, (pair) =>
          crashes.runKilled(name, durable, ...pair),
        );

        expect(reports.flatMap(({ faults }) => faults)).toEqual([]);
        // The first pair is at the first boundary of all, after which the next process has the whole way before it.
        expect(pairs[0]).toEqual([1, 3]);
        expect(reports.some(({ kills }) => kills === 2)).toBe(true);
      },
      ALL_RUNS_LIMIT_MS,
    );
  },
);
