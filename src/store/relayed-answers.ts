/**
 * Answers of clients on their way between instances. A call of the 2025 era asks on its own stream, and what its client
 * answers may reach another instance, which leaves it here. A record is there only while a call waits for its answer, so
 * nobody can fill a store with answers to nothing; what is not fetched expires.
 */
import * as z from 'zod';
import type { RecordKey } from '../backends/backend.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import { type ShapeOf, StoredKind } from './codec.ts';
import { relayedAnswerKey } from './keys.ts';
import { type Records, recordWrite } from './records.ts';

/** Longer than any call is kept open. */
const KEPT_MS = 24 * 60 * 60 * 1000;

interface RelayedAnswer {
  /** The JSON-RPC response; absent: it has not come. */
  readonly answer?: JsonValue;
}

const members = {
  answer: z.custom<JsonValue>((value) => value !== undefined).exactOptional(),
} satisfies ShapeOf<RelayedAnswer>;
export const relayedAnswer: StoredKind<RelayedAnswer> = StoredKind.first<RelayedAnswer>(
  'relayed answer',
  z.looseObject(members),
);

/** A request is found by its owner and a name that cannot be guessed. All methods reject with a `TaskError`. */
export class RelayedAnswers {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** From now on an answer can be left. */
  async expect(owner: Owner, name: string): Promise<void> {
    await this.#records.write(relayedAnswerKey(owner, name), this.#write({}), 0);
  }

  /** The first answer counts; `false`: nobody waits for it. */
  async leave(owner: Owner, name: string, answer: JsonObject): Promise<boolean> {
    const key = relayedAnswerKey(owner, name);
    const found = await this.#read(key);
    if (found === undefined || found.answer !== undefined) return false;
    return (await this.#records.write(key, this.#write({ answer }), found.version)) !== undefined;
  }

  /** `undefined`: it has not come. */
  async fetch(owner: Owner, name: string): Promise<JsonObject | undefined> {
    return (await this.#read(relayedAnswerKey(owner, name)))?.answer as JsonObject | undefined;
  }

  /** Nobody waits for the answer any more. */
  forget(owner: Owner, name: string): Promise<void> {
    return this.#records.remove(relayedAnswerKey(owner, name));
  }

  async #read(key: RecordKey): Promise<(RelayedAnswer & { readonly version: number }) | undefined> {
    const record = await this.#records.read(key);
    return record && { ...relayedAnswer.decode(record.value, 'a relayed answer'), version: record.version };
  }

  #write(content: RelayedAnswer) {
    return recordWrite(relayedAnswer.encode(content), this.#records.now() + KEPT_MS);
  }
}
