/**
 * The queue of a world. With hops it is like SQS: deliveries repeat when they fail or their worker dies, and are told
 * of what they were meant for the first time only. Without, it is like the one inside a server: one delivery a task for
 * each time, and of those that are due one.
 */
import type { TaskRef } from '../../../src/domain/task.ts';
import type { TaskQueue } from '../../../src/runtime/queues/queue.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface QueuedDelivery {
  readonly ref: TaskRef;
  /** What its message says that it is for. */
  readonly meantFor: number;
  /** When it comes: by the clock on the wall, or with hops by how much time has passed. */
  readonly comesAt: number;
  /** How often it was given out. */
  readonly times: number;
}

export class DeliveryQueue implements TaskQueue {
  readonly maxDelayMs?: number;
  readonly #time: VirtualTime;
  /** Asked at each hand-over; throws when the queue is away. */
  readonly #admit: () => void;
  #waiting: QueuedDelivery[] = [];

  constructor(time: VirtualTime, hopMs: number, admit: () => void) {
    this.#time = time;
    this.#admit = admit;
    if (hopMs > 0) this.maxDelayMs = hopMs;
  }

  /** Tasks that are there beside the one that is watched have no worker. */
  isWatched: (ref: TaskRef) => boolean = () => true;

  async enqueue(ref: TaskRef, { notBefore }: { readonly notBefore: number }): Promise<void> {
    this.#admit();
    if (!this.isWatched(ref)) return;
    this.#add({ ref, meantFor: notBefore, comesAt: this.#in(notBefore - this.#time.now), times: 0 });
  }

  /** Gives it out again after `ms`. */
  repeat(delivery: QueuedDelivery, ms: number): void {
    this.#add({ ...delivery, comesAt: this.#in(ms), times: delivery.times + 1 });
  }

  get due(): readonly QueuedDelivery[] {
    const now = this.#in(0);
    return this.#waiting.filter(({ comesAt }) => comesAt <= now);
  }

  take(delivery: QueuedDelivery): void {
    const isSame = (other: QueuedDelivery) => this.maxDelayMs === undefined && other.ref.id === delivery.ref.id;
    const now = this.#in(0);
    this.#waiting = this.#waiting.filter((other) => other !== delivery && !(isSame(other) && other.comesAt <= now));
  }

  /** How long until the next is due; `undefined`: there is none. */
  get untilNext(): number | undefined {
    if (this.#waiting.length === 0) return undefined;
    return Math.max(0, Math.min(...this.#waiting.map(({ comesAt }) => comesAt)) - this.#in(0));
  }

  /** What a queue inside a process loses with it. */
  forget(): void {
    this.#waiting = [];
  }

  #in(ms: number): number {
    return this.maxDelayMs === undefined
      ? this.#time.now + ms
      : this.#time.passed + Math.min(Math.max(0, ms), this.maxDelayMs);
  }

  #add(delivery: QueuedDelivery): void {
    if (this.maxDelayMs === undefined) {
      const now = this.#in(0);
      const isKnown = ({ ref, comesAt }: QueuedDelivery) =>
        ref.id === delivery.ref.id && Math.max(comesAt, now) === Math.max(delivery.comesAt, now);
      if (this.#waiting.some(isKnown)) return;
    }
    this.#waiting.push(delivery);
  }
}
