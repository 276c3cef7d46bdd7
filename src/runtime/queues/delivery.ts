/** A delivery of a queue outside of this process: as text, whether a text is one of ours, and what is done with one. */
import * as z from 'zod';
import type { Owner } from '../../domain/owner.ts';
import type { TaskRef } from '../../domain/task.ts';
import type { TaskId } from '../../domain/task-id.ts';
import { isOfNewerBuild, type ShapeOf, StoredKind } from '../../store/codec.ts';
import { namedTask, storedOwner, storedTaskId } from '../../store/stored-owner.ts';
import { describeError, type Logger } from '../logger.ts';
import type { RunDelivery } from './queue.ts';

export interface Delivery {
  readonly ref: TaskRef;
  /** The time that it was meant for, in milliseconds since the epoch. */
  readonly notBefore: number;
}

interface Body {
  readonly owner: Owner;
  readonly task: TaskId;
  readonly notBefore: number;
}

const members = { owner: storedOwner, task: storedTaskId, notBefore: z.number() } satisfies ShapeOf<Body>;
export const deliveryBody: StoredKind<Body> = StoredKind.first<Body>('body', z.looseObject(members));

/** A message's body: names the task and the time, and nothing else. */
export function encodeDelivery({ ref, notBefore }: Delivery): string {
  return deliveryBody.encode({ owner: ref.owner, task: ref.id, notBefore });
}

/**
 * What a message says, or `undefined` for a body that is none of ours. Throws `unreadable_record` for one that a newer
 * build wrote: it must stay in the queue, for a server that can read it.
 */
export function decodeDelivery(body: string): Delivery | undefined {
  try {
    const named = deliveryBody.decode(body, 'a delivery');
    return { ref: namedTask(named), notBefore: named.notBefore };
  } catch (error) {
    if (isOfNewerBuild(error)) throw error;
    return undefined;
  }
}

/** As {@link decodeDelivery}, with a line in the log before it throws. `message`: the queue's name for it. */
export function decodeReceived(body: unknown, message: string | undefined, logger: Logger): Delivery | undefined {
  try {
    return typeof body === 'string' ? decodeDelivery(body) : undefined;
  } catch (error) {
    logger.error('A delivery cannot be read here', { message, ...describeError(error) });
    throw error;
  }
}

/**
 * Runs the task. Rejects, with a line in the log, when the delivery must come again. One that does may be all that is
 * left of a run that crashed before it sent the next: its own time is then not told.
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
