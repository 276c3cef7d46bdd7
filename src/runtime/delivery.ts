/** A delivery as text, for queues outside of this process: what a message says, and whether one is ours. */
import { isOwnerPart } from '../domain/owner.ts';
import type { TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';

export interface Delivery {
  readonly ref: TaskRef;
  /** The time that it was meant for, in milliseconds since the epoch. */
  readonly notBefore: number;
}

/** A message's body: names the task and the time, and nothing else. */
export function encodeDelivery({ ref, notBefore }: Delivery): string {
  return JSON.stringify({ owner: ref.owner, task: ref.id, notBefore });
}

/** What a message says, or `undefined` for a body that is none of ours. */
export function decodeDelivery(body: string): Delivery | undefined {
  try {
    const { owner, task, notBefore } = JSON.parse(body) as {
      owner?: Record<string, unknown>;
      task?: unknown;
      notBefore?: unknown;
    };
    const { issuer, subject, tenant } = owner ?? {};
    if (!isOwnerPart(issuer) || !isOwnerPart(subject) || typeof notBefore !== 'number') return undefined;
    // Without the tenant that is there, it would be another owner's task.
    if (tenant !== undefined && !isOwnerPart(tenant)) return undefined;
    const whose = tenant === undefined ? { issuer, subject } : { issuer, subject, tenant };
    return { ref: { owner: whose, id: asTaskId(task) }, notBefore };
  } catch {
    return undefined;
  }
}
