/** What a tool call sees of the task that it is bound to: nothing that is internal. */
import type { TaskRef } from '../../domain/task.ts';
import { visibleVariables } from '../../domain/variables.ts';
import type { TaskStore } from '../../store/task-store.ts';
import type { RelatedTask } from './task-context.ts';

export function relatedTask(store: TaskStore, ref: TaskRef): RelatedTask {
  return { id: ref.id, variables: async () => visibleVariables(await store.readVariables(ref)) };
}
