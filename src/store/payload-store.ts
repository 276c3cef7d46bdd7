/**
 * Keeps a task's values: inline where they are small, else in chunks in the task's own partition,
 * each under a name that is never used again. Chunks are written before the head that refers
 * to them, so a head never names what is not there. A reference has a format of its own: a head that refers to a value
 * of a newer one stays readable, and only the value is not.
 */
import * as z from 'zod';
import { TaskError, valueTooLarge } from '../domain/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import { MAX_PAYLOAD_BYTES, type Payload, type PayloadRef } from '../domain/payload.ts';
import { keptUntil, type Task, type TaskRef } from '../domain/task.ts';
import { type ShapeOf, StoredKind, sha256 } from './codec.ts';
import { valuesPartition } from './keys.ts';
import { type Records, recordWrite } from './records.ts';

/** Where a value belongs, which decides how much of the head it may take. */
export type PayloadKind = 'arguments' | 'result' | 'variables' | 'request' | 'further_request' | 'answer' | 'report';

/** Of UTF-8. Below every backend's limit for one value. */
const CHUNK_BYTES = 300 * 1024;

interface Bounds {
  /** Largest JSON text that stays in the record that refers to the value. */
  readonly inlineBytes: number;
  readonly maxBytes: number;
}

const inHead = (inlineBytes: number): Bounds => ({ inlineBytes, maxBytes: MAX_PAYLOAD_BYTES });

/** What stays in the head keeps a usual head below 4 KB in all, one read unit. */
const BOUNDS: Readonly<Record<PayloadKind | 'log_entry', Bounds>> = {
  arguments: inHead(1200),
  result: inHead(1200),
  variables: inHead(800),
  request: inHead(500),
  further_request: inHead(0),
  answer: inHead(300),
  report: inHead(0),
  // The largest holds a batch whose largest outcome has the largest size a value may have, escaped as a string in JSON.
  log_entry: { inlineBytes: 200 * 1024, maxBytes: 16 * 1024 * 1024 },
};

/** A value that is kept as its JSON text, in chunks. */
interface ChunkedValue {
  readonly id: string;
  readonly bytes: number;
  readonly chunks: number;
  /** Of the JSON text, hexadecimal. */
  readonly sha256: string;
}

const chunkedValue = {
  id: z.string(),
  bytes: z.int(),
  chunks: z.int(),
  sha256: z.string(),
} satisfies ShapeOf<ChunkedValue>;
/** Of the references to values. */
export const keptValue: StoredKind<ChunkedValue> = StoredKind.first<ChunkedValue>(
  'reference',
  z.looseObject(chunkedValue),
);

export class PayloadStore {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Inline where it is small, else written, to live as long as the task may. Rejects with `value_too_large`. */
  async keep(task: Task, kind: keyof typeof BOUNDS, value: JsonValue): Promise<Payload> {
    const { inlineBytes, maxBytes } = BOUNDS[kind];
    const bytes = Buffer.from(JSON.stringify(value), 'utf8');
    if (bytes.length <= inlineBytes) return { json: value };
    if (bytes.length > maxBytes) throw valueTooLarge(bytes.length, maxBytes);
    const chunks = chunksOf(bytes);
    const id = Buffer.from(this.#records.random(16)).toString('hex');
    const digest = sha256(bytes.toString('utf8'));
    const kept = keptValue.wrap({ id, bytes: bytes.length, chunks: chunks.length, sha256: digest });
    const outcomes = await Promise.allSettled(
      chunks.map((chunk, index) =>
        this.#records.write(chunkKey(task, id, index), recordWrite(chunk, keptUntil(task)), 0),
      ),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure === undefined) return { ref: kept };
    // No head names these chunks; those that stay after all expire with the task.
    await this.remove(task, kept).catch(() => undefined);
    throw failure.reason;
  }

  /**
   * Rejects with `unreadable_record` when a chunk is missing, the content is not what was written, or a newer build
   * wrote it.
   */
  async load(ref: TaskRef, payload: Payload): Promise<JsonValue> {
    if ('json' in payload) return payload.json;
    const { id, chunks, sha256: expected } = keptValue.unwrap(payload.ref, `a value of task ${ref.id}`);
    const records = await Promise.all(
      Array.from({ length: chunks }, (_, index) => this.#records.read(chunkKey(ref, id, index))),
    );
    const text = records.map((record) => record?.value ?? '').join('');
    if (sha256(text) !== expected) {
      throw new TaskError('unreadable_record', `A value of task ${ref.id} is damaged or gone.`);
    }
    return JSON.parse(text) as JsonValue;
  }

  /** Rejects with `unreadable_record`, with nothing removed, for a value of a newer build; it expires with its task. */
  async remove(ref: TaskRef, payload: PayloadRef): Promise<void> {
    const { id, chunks } = keptValue.unwrap(payload, `a value of task ${ref.id}`);
    await Promise.all(Array.from({ length: chunks }, (_, index) => this.#records.remove(chunkKey(ref, id, index))));
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
