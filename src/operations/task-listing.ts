/** An owner's tasks, newest first, by tool and status. There is no index of either: what does not fit is read and passed over. */
import type { Owner } from '../domain/owner.ts';
import type { TaskStatus } from '../domain/status.ts';
import type { Task } from '../domain/task.ts';
import { present } from '../present.ts';
import type { TaskStore } from '../store/task-store.ts';

const PAGE = 100;

export interface ListFilter {
  readonly statuses?: readonly TaskStatus[] | undefined;
  readonly tool?: string | undefined;
}

/** All of them; who has enough ends the loop. */
export async function* tasksOf(store: TaskStore, owner: Owner, filter: ListFilter = {}): AsyncGenerator<Task> {
  let cursor: string | undefined;
  do {
    const page = await store.list(owner, { limit: PAGE, ...present({ cursor }) });
    for (const task of page.tasks) if (fits(task, filter)) yield task;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

export async function listTasks(
  store: TaskStore,
  owner: Owner,
  { limit, ...filter }: ListFilter & { readonly limit: number },
): Promise<{ readonly tasks: readonly Task[]; readonly hasMore: boolean }> {
  const tasks: Task[] = [];
  for await (const task of tasksOf(store, owner, filter)) {
    if (tasks.length === limit) return { tasks, hasMore: true };
    tasks.push(task);
  }
  return { tasks, hasMore: false };
}

function fits({ status, tool }: Task, filter: ListFilter): boolean {
  return (filter.statuses?.includes(status) ?? true) && (filter.tool === undefined || filter.tool === tool);
}
