/** How an owner and a task id stand in texts that name a task to others: records of the agenda, deliveries, tokens. */
import * as z from 'zod';
import { isOwnerPart, type Owner, ownerOf } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import { isTaskId, type TaskId } from '../domain/task-id.ts';
import type { ShapeOf } from './codec.ts';

const part = z.custom<string>(isOwnerPart, 'no part of an owner');

/** A tenant that is there and names nobody is refused: without it, it would be another owner. */
const members = { issuer: part, subject: part, tenant: part.exactOptional() } satisfies ShapeOf<Owner>;

export const storedOwner: z.ZodType<Owner> = z.looseObject(members);

export const storedTaskId: z.ZodType<TaskId> = z.custom<TaskId>(isTaskId, 'no task id');

/** The task that such a text names, without what a newer build may have added to its owner. */
export function namedTask({ owner, task }: { readonly owner: Owner; readonly task: TaskId }): TaskRef {
  return { owner: ownerOf(owner.issuer, owner.subject, owner.tenant), id: task };
}
