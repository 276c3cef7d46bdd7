/**
 * Keeps a task's values: inline where they are small, else in chunks in the task's own partition,
 * each under a name that is never used again. Chunks are written before the head that refers
 * to them, so a head never names what is not there.
 */

import type { StorageBackend } from '../backends/backend.ts';
import type { RandomBytes } from '../clock.ts';
import { TaskError, valueTooLarge } from '../domain/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import { MAX_PAYLOAD_BYTES, type Payload, type PayloadRef } from '../domain/payload.ts';
import type { TaskRef } from '../domain/task.ts';
import { recordWrite, sha256 } from './codec.ts';
import { valuesPartition } from './keys.ts';

/** Of UTF-8. Below every backend's limit for one value. */
const CHUNK_BYTES = 300 * 1024;

export interface KeepOptions {
  readonly inlineBytes: number;
  /** @default 5 MiB */
  readonly maxBytes?: number;
  /** Milliseconds since the epoch; `null`: never. */
  readonly expiresAt: number | null;
}

export class PayloadStore {
  readonly #backend: StorageBackend;
  readonly #random: RandomBytes;

  constructor(backend: StorageBackend, random: RandomBytes) {
    this.#backend = backend;
    this.#random = random;
  }

  /**
   * Inline if the JSON text has at most `inlineBytes`, else written. Throws `value_too_large`
   * above `maxBytes`.
   */
  async keep(ref: TaskRef, value: JsonValue, options: KeepOptions): Promise<Payload> {
    const { inlineBytes, expiresAt, maxBytes = MAX_PAYLOAD_BYTES } = options;
    const bytes = Buffer.from(JSON.stringify(value), 'utf8');
    if (bytes.length <= inlineBytes) return { json: value };
    if (bytes.length > maxBytes) throw valueTooLarge(bytes.length, maxBytes);
    const chunks = chunksOf(bytes);
    const id = Buffer.from(this.#random(16)).toString('hex');
    const kept = { id, bytes: bytes.length, chunks: chunks.length, sha256: sha256(bytes.toString('utf8')) };
    const outcomes = await Promise.allSettled(
      chunks.map((chunk, index) =>
        this.#backend.putIfVersion(chunkKey(ref, id, index), recordWrite(chunk, expiresAt), 0),
      ),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure === undefined) return { ref: kept };
    // No head names these chunks; those that stay after all expire with the task.
    await this.remove(ref, kept).catch(() => undefined);
    throw failure.reason;
  }

  /** Throws `unreadable_record` when a chunk is missing or the content is not what was written. */
  async load(ref: TaskRef, payload: Payload): Promise<JsonValue> {
    if ('json' in payload) return payload.json;
    const { id, chunks, sha256: expected } = payload.ref;
    const records = await Promise.all(
      Array.from({ length: chunks }, (_, index) => this.#backend.get(chunkKey(ref, id, index))),
    );
    const text = records.map((record) => record?.value ?? '').join('');
    if (sha256(text) !== expected) {
      throw new TaskError('unreadable_record', `A value of task ${ref.id} is damaged or gone.`);
    }
    return JSON.parse(text) as JsonValue;
  }

  async remove(ref: TaskRef, payload: PayloadRef): Promise<void> {
    await Promise.all(
      Array.from({ length: payload.chunks }, (_, index) => this.#backend.delete(chunkKey(ref, payload.id, index))),
    );
  }
}

function chunkKey(ref: TaskRef, id: string, index: number) {
  return { partition: valuesPartition(ref), id: `${id} ${String(index).padStart(4, '0')}` };
}

/** Cuts UTF-8 at character boundaries. */
function chunksOf(bytes: Buffer): string[] {
  const chunks: string[] = [];
  let start = 0;
  while (start < bytes.length) {
    let end = Math.min(start + CHUNK_BYTES, bytes.length);
    while (end < bytes.length && isContinuation(bytes[end])) end -= 1;
    chunks.push(bytes.toString('utf8', start, end));
    start = end;
  }
  return chunks;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0b1100_0000) === 0b1000_0000;
}
