/**
 * Whose a task is. An owner has parts (issuer, tenant, subject), because a subject alone is
 * not unique across issuers; the encoding is injective, so that no choice of parts can reach
 * another owner's tasks. Who the caller is, is decided at the edge, never here.
 */
import { TaskError } from './errors.ts';

export interface Owner {
  /** Who vouches for the subject: a token issuer's URL, `iam`, `local`. */
  readonly issuer: string;
  /** The subject's organisation, where the issuer serves several. */
  readonly tenant?: string;
  /** Subject, client id or principal ARN. */
  readonly subject: string;
}

/**
 * Of the encoded owner. It is encoded once more, beside a task id, as the name of a storage partition, which
 * at worst doubles it and may have 2,048 bytes.
 */
export const MAX_OWNER_BYTES = 960;

/** Everybody who comes without credentials, where the configuration allows that. */
export const ANONYMOUS: Owner = { issuer: 'anonymous', subject: 'anonymous' };

/** An owner of its parts; a tenant that is `undefined` is left out. */
export function ownerOf(issuer: string, subject: string, tenant: string | undefined): Owner {
  return tenant === undefined ? { issuer, subject } : { issuer, subject, tenant };
}

const encoder = new TextEncoder();

/**
 * Whether a claim, header or setting can name somebody. What is there and cannot is refused wherever it comes from:
 * passing over it would make everybody whose name cannot be read one owner.
 */
export function isOwnerPart(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed();
}

/**
 * The owner as text; two owners have the same text only if they have the same parts. Throws
 * `invalid_owner` for empty parts, text that is no valid Unicode, and more than
 * {@link MAX_OWNER_BYTES}.
 */
export function encodeOwner(owner: Owner): string {
  const parts =
    owner.tenant === undefined ? [owner.issuer, owner.subject] : [owner.issuer, owner.subject, owner.tenant];
  for (const part of parts) {
    if (!isOwnerPart(part)) {
      throw new TaskError('invalid_owner', 'An owner needs an issuer and a subject, both non-empty, valid text.');
    }
  }
  const encoded = JSON.stringify(parts);
  if (encoder.encode(encoded).length > MAX_OWNER_BYTES) {
    throw new TaskError('invalid_owner', `The owner is longer than ${MAX_OWNER_BYTES} bytes.`);
  }
  return encoded;
}
