/**
 * Names one callback of one task, for the program or person that completes it from outside. Not secret-proof: it is
 * handed to the host's own code, which decides who may complete what.
 */
import { TaskError } from '../../domain/errors.ts';
import { ownerOf } from '../../domain/owner.ts';
import type { TaskRef } from '../../domain/task.ts';
import { asTaskId } from '../../domain/task-id.ts';

export interface CallbackAddress {
  readonly ref: TaskRef;
  readonly key: string;
}

export function encodeCallbackToken({ ref, key }: CallbackAddress): string {
  const { issuer, subject, tenant } = ref.owner;
  const parts = [ref.id, key, issuer, subject, ...(tenant === undefined ? [] : [tenant])];
  return Buffer.from(JSON.stringify(parts), 'utf8').toString('base64url');
}

/** Throws `invalid_answer` for anything that is no token. */
export function decodeCallbackToken(token: string): CallbackAddress {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    if (!Array.isArray(parts) || !parts.every((part) => typeof part === 'string')) throw new TypeError('not a token');
    const [id, key, issuer, subject, tenant] = parts;
    if (key === undefined || issuer === undefined || subject === undefined) throw new TypeError('incomplete');
    return { ref: { owner: ownerOf(issuer, subject, tenant), id: asTaskId(id) }, key };
  } catch (cause) {
    throw new TaskError('invalid_answer', 'This is no callback token.', { cause });
  }
}
