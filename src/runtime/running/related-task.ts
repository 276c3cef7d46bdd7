/** What a tool call sees and changes of the task that it is bound to: nothing that is internal. */
import { TaskError } from '../../domain/errors.ts';
import type { JsonObject } from '../../domain/json.ts';
import type { TaskRef } from '../../domain/task.ts';
import { isInternalVariable, visibleVariables } from '../../domain/variables.ts';
import type { TaskStore } from '../../store/task-store.ts';
import type { RelatedTask } from './task-context.ts';

export function relatedTask(store: TaskStore, ref: TaskRef): RelatedTask {
  const all = async () => visibleVariables(await store.readVariables(ref));
  const merge = async (changes: JsonObject) => {
    const internal = Object.keys(changes).find(isInternalVariable);
    if (internal !== undefined) {
      throw new TaskError('invalid_variables', `Variable "${internal}": names that start with "_" are internal.`);
    }
    await store.mergeVariables(ref, changes);
  };
  return {
    id: ref.id,
    variables: {
      all,
      get: async (key) => {
        const variables = await all();
        return Object.hasOwn(variables, key) ? variables[key] : undefined;
      },
      set: (key, value) => merge({ [key]: value }),
      merge,
      delete: (key) => merge({ [key]: null }),
    },
  };
}
