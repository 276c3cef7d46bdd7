/**
 * How a command brings a task to the servers of its store, which it cannot reach: it writes on the agenda, which they
 * look at every few seconds (on AWS once a minute). So a command needs nothing but the store, and what it did is done
 * also where it dies right after.
 */
import { type Logger, silentLogger } from '../runtime/logger.ts';
import type { Deliveries } from '../runtime/queues/deliveries.ts';
import type { TaskQueue } from '../runtime/queues/queue.ts';
import type { TaskStore } from '../store/task-store.ts';

/** For changes that have a task run. */
export function byAgenda(store: TaskStore, logger: Logger = silentLogger): Deliveries {
  const queue: TaskQueue = { enqueue: (ref, { notBefore }) => store.agenda.note(ref, notBefore) };
  return { store, queue, logger };
}
