/** A server that dies and is started again, and what it takes to have many of them do so. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JournalEntry, Outcome } from '../../src/engine/journal.ts';
import { present } from '../../src/present.ts';
import { type Effect, LOST_LEASE } from '../support/effects.ts';
import type { McpPeer, RpcMessage } from '../support/mcp-requests.ts';
import { recordedOutcomes } from '../support/recorded.ts';
import { PATIENCE_MS } from '../support/until.ts';
import {
  bundleCrashServer,
  type CrashPlan,
  CrashServerProcess,
  type CrashServerPrograms,
  type ServerData,
} from './crash-server-process.ts';
import type { OpenDurable } from './durable-backends.ts';

/** A run must be over by then; usually it takes three seconds. */
export const RUN_LIMIT_MS = 2 * PATIENCE_MS;
export const POLL_EVERY_MS = 60;
/** Of a process that will be killed. */
const SHORT_LEASE_MS = 1_000;

/** A server that is started again whenever it has died; the first process, or the first two, may be told where to die. */
export class Supervised {
  readonly #data: ServerData;
  readonly #plans: CrashPlan[];
  #process: CrashServerProcess;
  #over = false;
  kills = 0;
  readonly pids: number[] = [];
  complaints = '';

  constructor(data: ServerData, plans: readonly CrashPlan[]) {
    this.#data = data;
    this.#plans = [...plans];
    this.#process = this.#start();
  }

  #start(): CrashServerProcess {
    const plan = this.#plans.shift();
    const process = new CrashServerProcess(
      this.#data,
      plan?.at === undefined ? { plan } : { plan, leaseMs: SHORT_LEASE_MS },
    );
    this.pids.push(process.pid);
    void process.exited.then(() => {
      this.complaints += process.stderr;
      if (this.#over) return;
      this.kills += 1;
      this.#process = this.#start();
    });
    return process;
  }

  /** Asks until a server answers, whichever process that is. */
  async ask(work: (peer: McpPeer) => Promise<RpcMessage | undefined>): Promise<RpcMessage> {
    const deadline = performance.now() + RUN_LIMIT_MS;
    for (;;) {
      try {
        const answer = await work(await this.#process.peer());
        if (answer !== undefined) return answer;
      } catch (error) {
        // No connection, or one that broke off: nobody knows whether the request arrived.
        if (performance.now() > deadline) throw new Error('The server does not answer any more.', { cause: error });
      }
      await delay(POLL_EVERY_MS);
    }
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#process.kill();
  }
}

export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}

/** At most `count` of the numbers from 1 to `last`, evenly. */
export function sample(last: number, count: number): number[] {
  if (last <= count) return Array.from({ length: last }, (_, index) => index + 1);
  return Array.from({ length: count }, (_, index) => 1 + Math.round((index * (last - 1)) / (count - 1)));
}

export interface RunReport {
  readonly kills: number;
  readonly boundaries: readonly string[];
  readonly faults: readonly string[];
}

/** Goes a way with a server that may die on it, ends it, and says what is wrong with what came of it. */
export type Travel = (server: Supervised, data: ServerData) => Promise<readonly string[]>;

/** Runs of one way, each with a name, and so an owner, of its own. */
export class CrashRuns {
  readonly #travel: Travel;
  #programs: Promise<CrashServerPrograms> | undefined;
  #runs = 0;

  constructor(travel: Travel) {
    this.#travel = travel;
  }

  async dispose(): Promise<void> {
    await (await this.#programs)?.dispose();
  }

  /** As many runs as it takes: one may be over before a late boundary, of which heartbeats and polls make more or fewer. */
  async runKilled(backend: string, durable: OpenDurable, first: number, ...others: number[]): Promise<RunReport> {
    for (let at = first; ; at = Math.ceil(at / 2)) {
      const report = await this.run(backend, durable, [at, ...others]);
      if (report.kills > 0 || report.faults.length > 0 || at === 1) return report;
    }
  }

  /** One run, with the first processes killed at these boundaries. */
  async run(backend: string, durable: OpenDurable, crashesAt: readonly (number | undefined)[]): Promise<RunReport> {
    this.#programs ??= bundleCrashServer();
    this.#runs += 1;
    const name = `run ${this.#runs}`;
    const trace = join(durable.folder, `${name}.boundaries`);
    const data = {
      programs: await this.#programs,
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
      faults.push(...(await this.#travel(server, data)));
      if (server.complaints !== '') faults.push(`the server complained: ${server.complaints}`);
    } catch (error) {
      faults.push(error instanceof Error ? error.message : String(error));
    } finally {
      await server.end();
    }
    const boundaries = (await readFile(trace, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    return { kills: server.kills, boundaries, faults };
  }
}

/** What a run has left of its steps. */
export interface StepTraces {
  readonly log: readonly JournalEntry[];
  readonly effects: readonly Effect[];
  readonly pids: readonly number[];
}

/** `isResult`: whether a recorded outcome is the one that the run's result was made of. */
export function faultsInStep(
  name: string,
  { log, effects, pids }: StepTraces,
  isResult: (outcome: Outcome) => boolean,
): string[] {
  const recorded = recordedOutcomes(log, 'step').filter(
    ({ ask, outcome }) => ask.name === name && outcome.kind === 'ok',
  );
  const [first] = recorded;
  if (first === undefined || recorded.length > 1) return [`I3: step ${name} has ${recorded.length} outcomes`];
  const runs = effects.filter((effect) => effect.name === name);
  const tooOften = pids.filter((pid) => {
    const lost = effects.filter((effect) => effect.name === LOST_LEASE && effect.pid === pid).length;
    return runs.filter((run) => run.pid === pid).length > 1 + lost;
  });
  const checks: (readonly [holds: boolean, fault: string])[] = [
    [isResult(first.outcome), `I3: the result of step ${name} is not the recorded one`],
    [runs.length > 0, `step ${name} has an outcome and never ran`],
    [runs.every(({ at }) => at <= first.at), `EXEC-1: step ${name} ran after its outcome was recorded`],
    [tooOften.length === 0, `step ${name} ran more than once in one process`],
  ];
  return checks.flatMap(([holds, fault]) => (holds ? [] : [fault]));
}
