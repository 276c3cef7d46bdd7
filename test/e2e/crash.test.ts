/**
 * A real server is killed with `kill -9` at each boundary of its own code, before and after every write and
 * every hand-over to the queue, while a task is on its way; then it is started again on the same data. Whatever
 * the boundary: what a client was promised holds, the task arrives, and no step whose outcome was recorded
 * ran again.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { JournalEntry } from '../../src/engine/journal.ts';
import type { Owner, Task } from '../../src/index.ts';
import { GenericTaskStore } from '../../src/index.ts';
import { present } from '../../src/present.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { type Effect, LOST_LEASE } from '../support/effects.ts';
import { IDEMPOTENCY_KEY, type JsonMap } from '../support/mcp-requests.ts';
import { recordedOutcomes } from '../support/recorded.ts';
import { bundleCrashServer, type CrashServerPrograms, readEffects, type ServerData } from './crash-server-process.ts';
import { durableBackends, type OpenDurable } from './durable-backends.ts';
import { inParallel, POLL_EVERY_MS, RUN_LIMIT_MS, Supervised, sample } from './supervised-server.ts';

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
    const recorded = recordedOutcomes(stored.log, 'step').filter(
      ({ ask, outcome }) => ask.name === name && outcome.kind === 'ok',
    );
    const runs = effects.filter((effect) => effect.name === name);
    const [first] = recorded;
    check(recorded.length === 1, `I3: step ${name} has ${recorded.length} outcomes`);
    check(
      first?.outcome.kind === 'ok' && first.outcome.value === nonces[name],
      `I3: the result of step ${name} is not the recorded one`,
    );
    check(
      runs.every(({ at }) => at <= (first?.at ?? 0)),
      `EXEC-1: step ${name} ran after its outcome was recorded`,
    );
    check(runs.length >= 1, `step ${name} has an outcome and never ran`);
    for (const pid of pids) {
      const inThisProcess = runs.filter((run) => run.pid === pid).length;
      const lost = effects.filter((effect) => effect.name === LOST_LEASE && effect.pid === pid).length;
      check(inThisProcess <= 1 + lost, `step ${name} ran ${inThisProcess} times in one process`);
    }
  }
  return faults;
}

interface RunReport {
  readonly kills: number;
  readonly boundaries: readonly string[];
  readonly faults: readonly string[];
}

let runs = 0;
let programs: CrashServerPrograms;

beforeAll(async () => {
  programs = await bundleCrashServer();
});

afterAll(() => programs.dispose());

/** As many journeys as it takes: one may be over before a late boundary, of which heartbeats and polls make more or fewer. */
async function runKilled(
  backend: string,
  durable: OpenDurable,
  first: number,
  ...others: number[]
): Promise<RunReport> {
  for (let at = first; ; at = Math.ceil(at / 2)) {
    const report = await run(backend, durable, [at, ...others]);
    if (report.kills > 0 || report.faults.length > 0 || at === 1) return report;
  }
}

/** One journey, with the first processes killed at these boundaries. */
async function run(
  backend: string,
  durable: OpenDurable,
  crashesAt: readonly (number | undefined)[],
): Promise<RunReport> {
  runs += 1;
  const name = `run ${runs}`;
  const trace = join(durable.folder, `${name}.boundaries`);
  const data = {
    programs,
    address: await durable.address(),
    owner: name,
    effects: join(durable.folder, `${name}.effects`),
  };
  const plans = crashesAt.map((at, index) => ({
    backend,
    trace: index === 0 ? trace : `${trace} ${index}`,
    ...present({ at }),
  }));
  const server = new Supervised(data, plans);
  const faults: string[] = [];
  try {
    const journey = await travel(server, name);
    await server.end();
    faults.push(...faultsOf(journey, await readStore(data), await readEffects(data.effects), server.pids));
    if (server.complaints !== '') faults.push(`the server complained: ${server.complaints}`);
  } catch (error) {
    faults.push(error instanceof Error ? error.message : String(error));
  } finally {
    await server.end();
  }
  const boundaries = (await readFile(trace, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  return { kills: server.kills, boundaries, faults };
}

describe.each(durableBackends.map((backend) => ({ ...backend, points: backend.local ? 120 : 16 })))(
  'a server on $name',
  ({ name, open, points }) => {
    let durable: OpenDurable;
    let boundaries: readonly string[] = [];

    beforeAll(async () => {
      durable = await open();
      const counted = await run(name, durable, [undefined]);
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

        const reports = await inParallel(chosen, AT_ONCE, (at) => runKilled(name, durable, at));

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
          runKilled(name, durable, ...pair),
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
