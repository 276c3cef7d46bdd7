/**
 * A random world with one task in it that is watched: workers that die and come back, a queue, clients that answer, cancel
 * and poll, time. Everything happens through the real runner and store, and everything that lands is held against the
 * ledgers. What happens next is drawn from the seed, whenever nothing goes on by itself.
 */
import type { RecordKey } from '../../../src/backends/backend.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import type { TaskRef } from '../../../src/domain/task.ts';
import { LOCAL_LOOK_TIMES, type LookTimes } from '../../../src/runtime/queues/looker.ts';
import { headsPartitions, logPartition } from '../../../src/store/keys.ts';
import { toolNameOf } from '../../../src/workflow/workflow-name.ts';
import { Seeded } from '../seeded.ts';
import { type ActingRun, ActionsLedger } from './actions-ledger.ts';
import { AgendaLedger } from './agenda-ledger.ts';
import { Clients, OWNER } from './clients.ts';
import { DeliveryLedger } from './delivery-ledger.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import { isQuiet, turnOfEventLoop } from './event-loop.ts';
import { type Head, HeadLedger } from './head-ledger.ts';
import { JournalLedger, type LandedEntry } from './journal-ledger.ts';
import { beforeTheChange, contains, type Program } from './program.ts';
import { type SharedWorld, SimulatedProcess } from './simulated-process.ts';
import { VirtualTime } from './virtual-time.ts';
import { type Live, Worker } from './worker.ts';
import type { WorldSettings } from './world-settings.ts';

/** After so many events nothing goes wrong any more; and after so many the world has no end. */
const FAULTY_EVENTS = 150;
const MOST_EVENTS = 20_000;
const LONG_MS = 24 * 3_600_000;
const RESTART_MS = [0, 1_000, 60_000];
const TAKE_OVER_MS = 60_000;
/** Until a delivery comes again whose worker has died. */
const VISIBILITY_MS = 31_000;

export interface WorldOptions {
  readonly program: Program;
  readonly settings: WorldSettings;
  readonly seed: number;
}

/** In which the heads of all tasks of the world's owner are. */
const HEADS = new Set(headsPartitions(OWNER));

type Event = readonly [weight: number, happen: () => void];

export class World {
  readonly problems: string[] = [];
  readonly time = new VirtualTime();
  readonly records: MemoryBackend;
  readonly chance: Seeded;
  readonly settings: WorldSettings;
  readonly queue: DeliveryQueue;
  readonly journal: JournalLedger;
  readonly heads: HeadLedger;
  readonly actions: ActionsLedger;
  readonly deliveries: DeliveryLedger;
  agenda: AgendaLedger | undefined;
  /** Of all runs, in order; those of dead workers, too. */
  readonly lives: Live[] = [];
  readonly clients: Clients;
  /** Its calls are never refused: what is seen by it is how it is. */
  readonly witness: SimulatedProcess;
  /** The code that workers have. */
  program: Program;
  /** How many entries the journal had when the newer code came; `undefined`: it did not. */
  deployedAt: number | undefined;
  /** Something went wrong, or took too long, that may count as a crash of a run. */
  hadFaults = false;
  /** It went wrong where clients are served: what they said may be in the records without anybody being told. */
  wereClientsCutOff = false;
  ref!: TaskRef;
  readonly #shared: SharedWorld;
  readonly newestCode: Program;
  readonly #runs = new Map<string, ActingRun>();
  #workers: Worker[] = [];
  #isDeploying: boolean;
  #jumps = 0;
  #holders = 0;
  #nextLookAt = 0;

  constructor({ program, settings, seed }: WorldOptions) {
    this.settings = settings;
    this.chance = new Seeded(seed);
    this.newestCode = program;
    this.#isDeploying = settings.isDeployed && contains(program, ['patched']);
    this.program = this.#isDeploying ? beforeTheChange(program) : program;
    this.records = new MemoryBackend({ clock: this.time.clock(() => true) });
    const complain = (problem: string) => this.complain(problem);
    this.journal = new JournalLedger(complain);
    this.heads = new HeadLedger({
      complain,
      now: () => (this.areTimesComparable ? this.time.now : undefined),
      areVariablesShared: contains(program, ['workflow']),
      endInJournal: (key) => this.journal.endOf(key),
    });
    this.actions = new ActionsLedger(complain);
    this.#shared = {
      settings,
      chance: this.chance,
      time: this.time,
      records: this.records,
      areFaultsOver: false,
      onWritten: (writer, key, value) => this.#landed(writer, key, value),
      onAcknowledged: (writer, key, value) => {
        if (!this.#isEntry(key)) return;
        const { epoch } = entryIn(value);
        this.#workers.find(({ process }) => process === writer)?.acknowledged(epoch);
      },
      onRemoved: (key) => {
        if (this.heads.head !== undefined) this.agenda?.removed(key, this.heads.head);
        if (key.partition === this.#logPartition) this.complain('a part of the journal was set aside [I3]');
      },
      onFault: (process) => {
        this.hadFaults = true;
        this.wereClientsCutOff ||= this.clients.areServedBy(process);
      },
    };
    this.queue = new DeliveryQueue(this.time, settings.queueHopMs, () => {});
    this.deliveries = new DeliveryLedger({
      queue: this.queue,
      complain,
      now: () => this.time.now,
      isInHand: () => this.#workers.some(({ inHand }) => inHand.size > 0),
    });
    this.witness = new SimulatedProcess('witness', { ...this.#shared, areFaultsOver: true }, { mayDie: false });
    this.clients = new Clients(this, new SimulatedProcess('clients', this.#shared, { mayDie: false }));
  }

  complain(problem: string): void {
    this.problems.push(problem);
  }

  get head(): Head {
    const { head } = this.heads;
    if (head === undefined) throw new Error('There is no task yet.');
    return head;
  }

  /** The run that took the task under that name, as the head has it. */
  actingRun(holder: string): ActingRun {
    const run = this.#runs.get(holder);
    if (run === undefined) throw new Error(`${holder} runs the task without having taken it.`);
    return run;
  }

  /** On one machine it is known which processes have ended. */
  isKnownToBeGone(holder: string): boolean {
    return (
      this.settings.queueHopMs === 0 && !this.#workers.some(({ process }) => holder.startsWith(`${process.name}/`))
    );
  }

  /** Of the watched task. */
  get toolName(): string {
    return contains(this.newestCode, ['workflow']) ? toolNameOf('program') : 'program';
  }

  get areTimesComparable(): boolean {
    return this.#jumps === 0;
  }

  /** Until nothing happens any more. */
  async run(): Promise<void> {
    await this.#begin();
    let events = 0;
    for (let turns = 0; this.problems.length === 0; turns += 1) {
      await turnOfEventLoop();
      if (turns > 300_000) throw new Error('The world does not come to rest.');
      if (!isQuiet() && !(this.settings.haste > 0 && this.chance.chance(this.settings.haste))) continue;
      const next = this.#possible();
      if (next.length === 0) {
        if (isQuiet()) break;
        continue;
      }
      events += 1;
      if (events === FAULTY_EVENTS) this.#shared.areFaultsOver = true;
      if (events > MOST_EVENTS) return this.complain(`the task does not end: ${MOST_EVENTS} events [I5]`);
      this.chance.weighted(next)();
    }
  }

  /** Something that goes on at the side; what fails of it is for the ledgers to see. */
  inBackground(work: Promise<unknown>): void {
    work.catch(() => {});
  }

  async #begin(): Promise<void> {
    const { settings } = this;
    const { stored } = await this.witness.store.create({
      owner: OWNER,
      tool: this.toolName,
      arguments: {},
      lifetime: { runDeadlineMs: settings.deadlineMs, retentionMs: 24 * 3_600_000 },
      pollIntervalMs: 1_000,
      maxAttempts: settings.maxAttempts,
    });
    const { task } = stored;
    this.ref = { owner: task.owner, id: task.id };
    this.#logPartition = logPartition(this.ref);
    const { owner: _owner, id: _id, ...head } = task;
    this.heads.add('witness', head);
    this.queue.isWatched = ({ id }) => id === this.ref.id;
    this.agenda = new AgendaLedger(this.ref, (problem) => this.complain(problem));
    for (const id of this.#notedBefore) this.agenda.written(id);
    this.agenda.check(head);
    for (let index = 0; index < settings.workers; index += 1) this.#startWorker();
    await this.queue.enqueue(this.ref, { notBefore: task.createdAt });
  }
  #logPartition = '';
  /** Records on the agenda from before the task was there. */
  readonly #notedBefore: RecordKey[] = [];

  #startWorker(): void {
    this.#holders += 1;
    const process = new SimulatedProcess(`worker ${this.#holders}`, this.#shared, { mayDie: true });
    process.onDeath = () => this.#died(worker);
    const worker = new Worker(this, process, this.program);
    this.#workers.push(worker);
    if (!this.settings.areClientsApart) this.clients.moveTo(process);
  }

  /** What it had in hand comes again; it is replaced after a while. */
  #died(worker: Worker): void {
    this.hadFaults = true;
    this.deliveries.forget();
    this.wereClientsCutOff ||= this.clients.areServedBy(worker.process);
    this.#workers = this.#workers.filter((other) => other !== worker);
    const isQueueInside = this.settings.workers === 1 && this.settings.queueHopMs === 0;
    if (isQueueInside) this.queue.forget();
    else for (const delivery of worker.inHand) this.queue.repeat(delivery, VISIBILITY_MS);
    this.clients.leave(worker.process);
    this.time.after(this.chance.pick(RESTART_MS), () => {
      this.#startWorker();
      // A server's first look.
      this.#workers.at(-1)?.look(TAKE_OVER_MS);
    });
  }

  /** New code comes as it does everywhere: all workers end, and others begin with it. */
  #deploy(): void {
    this.#isDeploying = false;
    this.deployedAt = this.journal.entries.length;
    this.program = this.newestCode;
    for (const { process } of this.#workers) process.die();
  }

  #possible(): Event[] {
    const { chance, clients } = this;
    const events: Event[] = [];
    for (const delivery of this.queue.due) {
      if (this.#workers.length > 0) events.push([6, () => chance.pick(this.#workers).take(delivery)]);
    }
    for (const answer of clients.possible()) events.push([2, answer]);
    if (this.#untilLook === 0)
      for (const worker of this.#workers) if (!worker.isLooking) events.push([2, () => this.#look(worker)]);
    const { untilNext } = this;
    // Nobody takes days for what can be done at once.
    if (untilNext !== undefined && (untilNext < LONG_MS || events.length === 0)) {
      events.push([3, () => this.#pass(untilNext)]);
      if (untilNext > 1) events.push([0.5, () => this.#pass(Math.ceil(untilNext * chance.next()))]);
    }
    if (events.length === 0 || this.#shared.areFaultsOver) return events;
    return [...events, ...this.#possibleFaults()];
  }

  /** What clients, queues, clocks and people do besides. */
  #possibleFaults(): Event[] {
    const { settings, chance, clients } = this;
    const events: Event[] = [];
    if (settings.cancels > 0) events.push([settings.cancels, () => clients.cancel()]);
    if (settings.repeats > 0 && this.#workers.length > 0) {
      const extra = { ref: this.ref, meantFor: this.time.now, comesAt: this.time.passed, times: 1 };
      events.push([settings.repeats, () => chance.pick(this.#workers).take(extra)]);
      events.push([settings.repeats, () => clients.answerAgain()]);
    }
    if (settings.clockJumps > 0) events.push([settings.clockJumps * 3, () => this.#jump()]);
    if (settings.polls > 0) events.push([settings.polls, () => clients.poll()]);
    if (settings.limit > 0) events.push([0.3, () => clients.createAnother()], [0.3, () => clients.cancelAnother()]);
    if (this.#isDeploying && this.#workers.length > 0 && !isTerminal(this.head.status))
      events.push([0.5, () => this.#deploy()]);
    return events;
  }

  get untilNext(): number | undefined {
    const times = [this.time.untilNext, this.queue.untilNext, this.#untilLook].filter((ms) => ms !== undefined);
    const [first] = times.sort((a, b) => a - b);
    return first === 0 && this.time.untilNext !== 0 ? this.time.untilNext : first;
  }

  #look(worker: Worker): void {
    this.#nextLookAt = this.time.passed + (this.settings.queueHopMs === 0 ? 5_000 : 60_000);
    worker.look();
  }

  /** Until a look would find the task. */
  get #untilLook(): number | undefined {
    const { next } = this.agenda ?? {};
    if (next === undefined) return undefined;
    return Math.max(0, next - this.lookTimes.aheadMs - this.time.now, this.#nextLookAt - this.time.passed);
  }

  /** As on AWS where the queue is one of its own. */
  get lookTimes(): LookTimes {
    return this.settings.queueHopMs === 0 ? LOCAL_LOOK_TIMES : { aheadMs: 60_000, settleMs: 120_000, heldMs: 240_000 };
  }

  /** What goes on by itself takes a moment at the most. */
  #pass(ms: number): void {
    this.time.pass(isQuiet() ? ms : Math.min(ms, 1_000));
  }

  #jump(): void {
    this.#jumps += 1;
    const ms = this.chance.pick([-600_000, -5_000, -1, 1_000, 60_000, 900_000]);
    // Put forward, it makes the leases of live runs look expired.
    this.hadFaults ||= ms > 0;
    this.deliveries.forget();
    this.time.jump(ms);
  }

  #landedHead(writer: SimulatedProcess, head: Head): void {
    const { epoch, lease } = head.run;
    if (epoch > this.head.run.epoch && lease !== undefined) {
      this.#runs.set(lease.holder, { epoch, entries: this.journal.entries.length, actions: this.actions.count });
    }
    this.deliveries.landed(this.head, head);
    this.heads.add(writer.name, head);
    this.agenda?.check(head);
  }

  #landed(writer: SimulatedProcess, key: RecordKey, value: string): void {
    if (this.ref === undefined) {
      this.#notedBefore.push(key);
      return;
    }
    this.agenda?.written(key);
    if (key.partition === this.#logPartition) {
      if (!this.#isEntry(key)) return;
      this.journal.add(Number(key.id), entryIn(value), this.heads.answers, this.areTimesComparable);
    } else if (HEADS.has(key.partition)) {
      if (key.id === this.ref.id) this.#landedHead(writer, JSON.parse(value) as Head);
      else this.clients.noteOther(key.id, JSON.parse(value) as Head);
    }
  }

  #isEntry({ partition, id }: RecordKey): boolean {
    return partition === this.#logPartition && /^\d+$/.test(id);
  }
}

function entryIn(value: string): LandedEntry {
  const { entry } = JSON.parse(value) as { entry: { json?: LandedEntry } };
  if (entry.json === undefined) throw new Error('An entry is too large for a simulation.');
  return entry.json;
}
