/** A delivery of a queue outside of this process: as text, whether a text is one of ours, and what is done with one. */
import { isOwnerPart, ownerOf } from '../../domain/owner.ts';
import type { TaskRef } from '../../domain/task.ts';
import { asTaskId } from '../../domain/task-id.ts';
import { describeError, type Logger } from '../logger.ts';
import type { RunDelivery } from './queue.ts';

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
    return { ref: { owner: ownerOf(issuer, subject, tenant), id: asTaskId(task) }, notBefore };
  } catch {
    return undefined;
  }
}

/**
 * Runs the task. Rejects, with a line in the log, when the delivery must come again. One that does may be all that is left of
 * a run that crashed before it sent the next: its own time is then not told.
 */
export async function runDelivered(
  { ref, notBefore }: Delivery,
  comesAgain: boolean,
  run: RunDelivery,
  logger: Logger,
): Promise<void> {
  try {
    await run(ref, comesAgain ? undefined : notBefore);
  } catch (error) {
    logger.error('A delivery failed', { task: ref.id, ...describeError(error) });
    throw error;
  }
}
