/**
 * Names one callback of one task, for the program or person that completes it from outside. Not secret-proof: it is
 * handed to the host's own code, which decides who may complete what.
 */
import * as z from 'zod';
import { TaskError } from '../../domain/errors.ts';
import type { Owner } from '../../domain/owner.ts';
import type { TaskRef } from '../../domain/task.ts';
import type { TaskId } from '../../domain/task-id.ts';
import { isOfNewerBuild, type ShapeOf, StoredKind } from '../../store/codec.ts';
import { namedTask, storedOwner, storedTaskId } from '../../store/stored-owner.ts';

export interface CallbackAddress {
  readonly ref: TaskRef;
  readonly key: string;
}

interface TokenText {
  readonly owner: Owner;
  readonly task: TaskId;
  readonly key: string;
}

const members = { owner: storedOwner, task: storedTaskId, key: z.string() } satisfies ShapeOf<TokenText>;
export const callbackToken: StoredKind<TokenText> = StoredKind.first<TokenText>('text', z.looseObject(members));

export function encodeCallbackToken({ ref, key }: CallbackAddress): string {
  return Buffer.from(callbackToken.encode({ owner: ref.owner, task: ref.id, key }), 'utf8').toString('base64url');
}

/** Throws `invalid_answer` for anything that is no token, and `unreadable_record` for one that a newer build made. */
export function decodeCallbackToken(token: string): CallbackAddress {
  try {
    const text = Buffer.from(token, 'base64url').toString('utf8');
    const named = callbackToken.decode(text, 'a callback token');
    return { ref: namedTask(named), key: named.key };
  } catch (cause) {
    if (isOfNewerBuild(cause)) throw cause;
    throw new TaskError('invalid_answer', 'This is no callback token.', { cause });
  }
}
