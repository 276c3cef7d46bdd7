/** A worker of a world: a runner with the program as its tool, in a process that may die. */
import type { JsonValue } from '../../../src/domain/json.ts';
import { present } from '../../../src/present.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { Looker } from '../../../src/runtime/queues/looker.ts';
import { decodeCallbackToken } from '../../../src/runtime/running/callback-token.ts';
import { Runner } from '../../../src/runtime/running/runner.ts';
import type { TaskContext } from '../../../src/runtime/running/task-context.ts';
import type { RunnableTool } from '../../../src/runtime/running/tool.ts';
import type { ActingRun } from './actions-ledger.ts';
import type { QueuedDelivery } from './delivery-queue.ts';
import { runProgram, type Surroundings } from './handler.ts';
import type { Options, Program } from './program.ts';
import { never, type SimulatedProcess } from './simulated-process.ts';
import type { World } from './world.ts';

/** One run of the handler, as it was lived. */
export interface Live {
  readonly trace: string[];
  readonly epoch: number;
  /** How much of the trace rests on nothing but what was in the journal when it was last written. */
  durable: number;
  readonly isOldCode: boolean;
}

const RETRY_MS = 5_000;
const LEASE_MS = 30_000;

export class Worker {
  readonly process: SimulatedProcess;
  readonly inHand = new Set<QueuedDelivery>();
  readonly #world: World;
  readonly #program: Program;
  readonly #looker: Looker;
  isLooking = false;
  #runs = 0;
  /** By the epochs of their runs: a run that has lost its lease may learn of what it wrote after another one has begun here. */
  readonly #lives = new Map<number, Live>();

  constructor(world: World, process: SimulatedProcess, program: Program) {
    this.#world = world;
    this.process = process;
    this.#program = program;
    const { store, clock } = process;
    this.#looker = new Looker({
      store,
      queue: world.queue,
      clock,
      times: world.lookTimes,
      leaseMs: LEASE_MS,
      isGone: (holder) => world.isKnownToBeGone(holder),
    });
  }

  /** Looks at the agenda, as a server does every few seconds, and somebody on AWS every minute. */
  look(takeOverMs?: number): void {
    this.isLooking = true;
    const looked = this.#looker.look(present({ takeOverMs }));
    this.#world.inBackground(
      looked.finally(() => {
        this.isLooking = false;
      }),
    );
  }

  /** Runs the task; a delivery that fails comes again. */
  take(delivery: QueuedDelivery): void {
    const { queue, deliveries } = this.#world;
    queue.take(delivery);
    this.inHand.add(delivery);
    const holder = this.#nextHolder();
    void this.#runner(holder)
      .runTask(delivery.ref, delivery.meantFor)
      .then(
        () => {
          if (this.inHand.delete(delivery) && !this.process.isDead) deliveries.ended(holder);
        },
        () => {
          if (!this.inHand.delete(delivery)) return;
          // Storage was away: what was in time then comes later.
          deliveries.forget();
          queue.repeat(delivery, RETRY_MS);
        },
      );
  }

  /** What the run of that epoch has written is in the journal, and the run knows. */
  acknowledged(epoch: number): void {
    const live = this.#lives.get(epoch);
    if (live !== undefined) live.durable = live.trace.length;
  }

  /** Each delivery has a runner, and a name in leases, of its own, so that it is known which run does what. */
  #nextHolder(): string {
    this.#runs += 1;
    return `${this.process.name}/${this.#runs}`;
  }

  #runner(holder: string): Runner {
    const { store, clock, random } = this.process;
    return new Runner({
      store,
      queue: this.#world.queue,
      tools: new Map([[this.#world.toolName, this.#tool(holder)]]),
      holder,
      clock,
      random,
      graceMs: 0,
      isGone: (other) => this.#world.isKnownToBeGone(other),
    });
  }

  #tool(holder: string): RunnableTool {
    return {
      name: this.#world.toolName,
      run: (_args, task) => this.#run(task, holder),
      outcomeOf: (error) => ({ kind: 'result', result: { isError: true, text: String(error) } }),
    };
  }

  async #run(task: TaskContext, holder: string): Promise<JsonValue> {
    const run = this.#world.actingRun(holder);
    const isOldCode = this.#program !== this.#world.newestCode;
    const live: Live = { trace: [], epoch: run.epoch, durable: 0, isOldCode };
    this.#world.lives.push(live);
    this.#lives.set(run.epoch, live);
    const trace = await runProgram(this.#program, task, this.#surroundings(live, run, task));
    if (this.process.isDead) return never();
    return { trace };
  }

  #surroundings(live: Live, run: ActingRun, task: TaskContext): Surroundings {
    const world = this.#world;
    const look = async () => {
      if (this.process.isDead) await never();
    };
    return {
      workflow: {
        task,
        deliveries: { store: this.process.store, queue: world.queue, logger: silentLogger },
        act: look,
      },
      trace: live.trace,
      act: async (id, attempt, options) => {
        if (this.process.isDead) return never();
        const count = world.actions.begin({
          id,
          attempt,
          atMostOnce: options.atMostOnce === 1,
          run,
          isDecided: world.journal.isDecided(id, run.epoch, run.entries),
        });
        await this.#take(options);
        if (attempt <= (options.fails ?? 0)) throw failure(`${id} failed try ${attempt}`, options);
        return `${id} @${attempt}.${count}`;
      },
      look,
      submit: async (id, token, options) => {
        if (this.process.isDead) return never();
        const { key } = decodeCallbackToken(token);
        const end = world.journal.endOf(key);
        if (!world.heads.shown.has(key) && (end === undefined || end === 'open'))
          world.complain(`the token of ${id} left before anybody could complete the callback [I4]`);
        world.clients.receive(id, token);
        if ((options.fails ?? 0) > 0 && world.clients.submissions(id) <= 1) throw new Error(`${id} was not taken`);
        return undefined;
      },
      complain: (problem) => {
        if (!this.process.isDead) world.complain(problem);
      },
    };
  }

  #take({ takesMs = 0 }: Options): Promise<void> {
    if (takesMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.process.clock.after(takesMs, resolve);
    });
  }
}

function failure(message: string, { throwsText }: Options): unknown {
  return throwsText === 1 ? message : new Error(message);
}
