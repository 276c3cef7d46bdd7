/**
 * Who is told of the changes of a store: of all tasks, or of one. Those of one are found by its id, so that a change costs
 * the same however many wait for other tasks.
 */
import type { Task } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';
import type { ChangeListener, StoredTask } from './task-store.ts';

export class ChangeListeners {
  readonly #ofAll = new Set<ChangeListener>();
  readonly #ofOne = new Map<TaskId, Set<ChangeListener>>();

  /** Returns how to stop; to do so again changes nothing. */
  add(listener: ChangeListener, taskId?: TaskId): () => void {
    if (taskId === undefined) {
      this.#ofAll.add(listener);
      return () => this.#ofAll.delete(listener);
    }
    const listeners = this.#ofOne.get(taskId) ?? new Set();
    this.#ofOne.set(taskId, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#ofOne.get(taskId) === listeners) this.#ofOne.delete(taskId);
    };
  }

  /** How many tasks have listeners of their own. */
  get tasks(): number {
    return this.#ofOne.size;
  }

  notify(stored: StoredTask, before: Task | undefined): void {
    for (const listener of this.#ofAll) listener(stored, before);
    for (const listener of this.#ofOne.get(stored.task.id) ?? []) listener(stored, before);
  }
}
