/**
 * Whose tasks a client over stdio makes. There are no credentials, and whoever can start this program can read its file;
 * but hosts are told apart by what they call themselves, so that each finds its own tasks again, and not those of others.
 */
import { encodeOwner, type Owner } from '../domain/owner.ts';

const ISSUER = 'stdio';
/** Of a client that does not say its name before it asks for tasks, which no era allows, or none that an owner can have. */
const UNNAMED = 'a client without a name';

/** A sentence, or `undefined` if it can be the name of an owner. */
export function problemWithOwnerName(name: string): string | undefined {
  try {
    encodeOwner({ issuer: ISSUER, subject: name });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** From what a client calls itself to its owner. `name`: instead of that, for every client. Throws `invalid_owner`. */
export function ownerOfClient(name: string | undefined): (clientName: string | undefined) => Owner {
  if (name !== undefined) encodeOwner({ issuer: ISSUER, subject: name });
  return (clientName) => ({ issuer: ISSUER, subject: name ?? usable(clientName) });
}

/** A client may call itself anything; one whose name no owner can have shares its tasks with others of that kind. */
function usable(clientName: string | undefined): string {
  return clientName === undefined || problemWithOwnerName(clientName) !== undefined ? UNNAMED : clientName;
}
