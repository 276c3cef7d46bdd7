/** The clients of a world: they answer, complete callbacks, cancel, poll, create other tasks, and say some things twice. */
import { isTaskError } from '../../../src/domain/errors.ts';
import type { JsonValue } from '../../../src/domain/json.ts';
import type { Owner } from '../../../src/domain/owner.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import type { AnswerOutcome, TaskRef } from '../../../src/domain/task.ts';
import { asTaskId } from '../../../src/domain/task-id.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { cancel, type Deliveries, deliverAnswers, healForgotten } from '../../../src/runtime/queues/deliveries.ts';
import { decodeCallbackToken } from '../../../src/runtime/running/callback-token.ts';
import type { Head } from './head-ledger.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { WorkflowClients } from './workflow-clients.ts';
import type { World } from './world.ts';

export const OWNER: Owner = { issuer: 'simulation', subject: 'somebody' };
const MOST_POLLS = 5;
const MOST_OTHERS = 6;

export class Clients {
  readonly #world: World;
  readonly #apart: SimulatedProcess;
  /** Of a program that has one at its root. */
  readonly workflow: WorkflowClients | undefined;
  #process: SimulatedProcess;
  /** Keys that an answer is on its way to, and those that nobody answers. */
  readonly #busy = new Set<string>();
  readonly #considered = new Map<string, boolean>();
  readonly #tokens = new Map<string, { readonly token: string; times: number }>();
  readonly #others = new Map<string, Head>();
  /** Of other tasks: those whose id came back, and how often nothing was told for certain. */
  readonly #acknowledged = new Set<string>();
  #uncertain = 0;
  /** By process, how many creations are on their way. */
  readonly #creating = new Map<SimulatedProcess, number>();
  #answers = 0;
  #polls = 0;
  #created = 0;
  #isCancelling = false;

  constructor(world: World, apart: SimulatedProcess) {
    this.#world = world;
    this.#apart = apart;
    this.#process = apart;
    const workflow = world.newestCode.find(({ kind }) => kind === 'workflow');
    this.workflow = workflow && new WorkflowClients(world, workflow, () => this.#deliveries);
  }

  /** They are served by that process from now on. */
  moveTo(process: SimulatedProcess): void {
    this.#process = process;
  }

  leave(process: SimulatedProcess): void {
    // Also where they have moved away since: nobody is told of what is being created there.
    this.#uncertain += this.#creating.get(process) ?? 0;
    if (this.#process === process) this.#process = this.#apart;
    // What was on its way there is lost.
    this.#busy.clear();
    this.#isCancelling = false;
    this.workflow?.forget();
  }

  areServedBy(process: SimulatedProcess): boolean {
    return this.#process === process;
  }

  receive(id: string, token: string): void {
    this.#tokens.set(id, { token, times: this.submissions(id) + 1 });
  }

  submissions(id: string): number {
    return this.#tokens.get(id)?.times ?? 0;
  }

  /** What somebody may answer now. */
  possible(): (() => void)[] {
    const { inputs } = this.#world.head;
    const answers = Object.entries(inputs).flatMap(([key, { request }]) => {
      if (this.#busy.has(key) || this.#isSilent(key)) return [];
      if (request !== undefined) return [() => this.#answer(key)];
      const id = this.#idOfCallback(key);
      return id === undefined ? [] : [() => this.#complete(key, id)];
    });
    return [...answers, ...(this.workflow?.possible() ?? [])];
  }

  /** Whether anybody will ever answer it. */
  #isSilent(key: string): boolean {
    const known = this.#considered.get(key);
    if (known !== undefined) return known;
    const isSilent = this.#world.chance.chance(this.#world.settings.silence);
    this.#considered.set(key, isSilent);
    return isSilent;
  }

  /** Whether there is something that nobody answers. */
  get areSilent(): boolean {
    return [...this.#considered.values()].includes(true);
  }

  answerAgain(): void {
    const [key] = this.#world.heads.answers.keys();
    if (key === undefined) return;
    this.#deliver(key, async () => ({ outcome: 'answered', value: { json: { of: 'nobody, said twice' } } }));
  }

  cancel(): void {
    if (this.#isCancelling || isTerminal(this.#world.head.status)) return;
    this.#isCancelling = true;
    this.#world.inBackground(
      cancel(this.#deliveries, this.#world.ref, 'Cancelled.').finally(() => {
        this.#isCancelling = false;
      }),
    );
  }

  poll(): void {
    this.#polls += 1;
    if (this.#polls > MOST_POLLS) return;
    this.#world.inBackground(this.#poll());
  }

  /** I8: as many as are allowed, and not one more. */
  createAnother(): void {
    this.#created += 1;
    if (this.#created > MOST_OTHERS) return;
    const process = this.#process;
    const count = (change: 1 | -1) => this.#creating.set(process, (this.#creating.get(process) ?? 0) + change);
    count(1);
    const create = process.store.create({
      owner: OWNER,
      tool: 'other',
      arguments: {},
      lifetime: { runDeadlineMs: this.#world.settings.deadlineMs, retentionMs: 24 * 3_600_000 },
      pollIntervalMs: 1_000,
      maxAttempts: 3,
    });
    this.#world.inBackground(
      create
        .finally(() => count(-1))
        .then(
          ({ stored }) => {
            this.#told(stored.task.id);
            return this.#assertThere(stored.task);
          },
          (error: unknown) => this.#refused(error),
        ),
    );
  }

  cancelAnother(): void {
    const active = [...this.#others].filter(([, head]) => !isTerminal(head.status)).map(([id]) => id);
    if (active.length === 0) return;
    const ref = { owner: OWNER, id: asTaskId(this.#world.chance.pick(active)) };
    this.#world.inBackground(cancel(this.#deliveries, ref, 'Cancelled.'));
  }

  noteOther(id: string, head: Head): void {
    this.#others.set(id, head);
  }

  /** I8: at its end the world has no task that nobody was told of, but for those whose telling was cut off. */
  async strayTasks(): Promise<string[]> {
    const { tasks } = await this.#world.witness.store.list(OWNER, { limit: 100 });
    const unknown = tasks.filter(({ id }) => id !== this.#world.ref.id && !this.#acknowledged.has(id)).length;
    return unknown <= this.#uncertain ? [] : [`${unknown} tasks are there that nobody was told of [I8]`];
  }

  #told(id: string): void {
    this.#acknowledged.add(id);
    const { limit } = this.#world.settings;
    const isActive = ({ status, deadlineAt }: Head) => !isTerminal(status) && this.#world.time.now < deadlineAt;
    const others = [...this.#others].filter(([other]) => this.#acknowledged.has(other)).map(([, head]) => head);
    const active = [this.#world.head, ...others].filter(isActive).length;
    if (active > limit) this.#world.complain(`${active} active tasks, ${limit} are allowed [I8]`);
  }

  #refused(error: unknown): void {
    if (isTaskError(error, 'unavailable')) this.#uncertain += 1;
    else if (!isTaskError(error, 'too_many_tasks')) {
      this.#world.complain(`creating a task failed with ${String(error)}`);
    }
  }

  /** I1. */
  async #assertThere(ref: TaskRef): Promise<void> {
    await this.#world.witness.store.get(ref).catch((error: unknown) => {
      this.#world.complain(`a task that was just created is not there: ${String(error)} [I1]`);
    });
  }

  async #poll(): Promise<void> {
    const stored = await this.#process.store.get(this.#world.ref);
    await healForgotten(this.#deliveries, stored, this.#world.time.now);
  }

  #answer(key: string): void {
    this.#deliver(key, async () => {
      const request = this.#world.head.inputs[key]?.request;
      if (request === undefined) return undefined;
      const asked = (await this.#process.store.load(this.#world.ref, request)) as { params: { message: string } };
      return this.#answered({ action: 'accept', content: { of: `${asked.params.message} ${this.#next()}` } });
    });
  }

  #complete(key: string, id: string): void {
    this.#deliver(key, async () =>
      this.#world.chance.chance(0.15)
        ? { outcome: 'failed', message: `${id} refused` }
        : this.#answered(`${id} ${this.#next()}`),
    );
  }

  #next(): string {
    this.#answers += 1;
    return `answer ${this.#answers}`;
  }

  async #answered(value: JsonValue): Promise<AnswerOutcome> {
    const { task } = await this.#process.store.get(this.#world.ref);
    return { outcome: 'answered', value: await this.#process.store.keep(task, 'answer', value) };
  }

  #deliver(key: string, make: () => Promise<AnswerOutcome | undefined>): void {
    this.#busy.add(key);
    const work = async () => {
      const outcome = await make();
      if (outcome === undefined) return;
      const known = await this.#process.store.get(this.#world.ref);
      await deliverAnswers(this.#deliveries, known, { [key]: outcome });
    };
    this.#world.inBackground(
      work().finally(() => {
        this.#busy.delete(key);
      }),
    );
  }

  #idOfCallback(key: string): string | undefined {
    for (const [id, { token }] of this.#tokens) if (decodeCallbackToken(token).key === key) return id;
    return undefined;
  }

  get #deliveries(): Deliveries {
    return { store: this.#process.store, queue: this.#world.queue, logger: silentLogger };
  }
}
