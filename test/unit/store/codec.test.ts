/** The text of records: canonical where it is ours, verbatim where it is a user's, checked on the way in. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import * as z from 'zod';
import type { JsonValue } from '../../../src/domain/json.ts';
import type { Payload } from '../../../src/domain/payload.ts';
import { TASK_STATUSES } from '../../../src/domain/status.ts';
import { type Answer, createTask, type PendingInput, type Task } from '../../../src/domain/task.ts';
import { newTaskId } from '../../../src/domain/task-id.ts';
import { canonicalJson, StoredKind, sha256 } from '../../../src/store/codec.ts';
import { decodeTask, encodeTask } from '../../../src/store/task-head.ts';

const id = newTaskId(5, (count) => new Uint8Array(count));
const ref = { owner: { issuer: 'i', subject: 's' }, id };

const sample = createTask(
  {
    ...ref,
    tool: 'greet',
    arguments: { json: { z: 1, a: 2 } },
    lifetime: { runDeadlineMs: 1000, retentionMs: 1000 },
    pollIntervalMs: 10,
    maxAttempts: 3,
  },
  5,
);

/** Optional members are present or absent, never `undefined`. */
function maybe<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined });
}

const time = fc.maxSafeNat();
const text = fc.string({ unit: 'binary', maxLength: 20 });
// JSON text has no -0: it comes back as 0.
const json = fc.json({ stringUnit: 'binary' }).map((given) => JSON.parse(given) as JsonValue);
const payload: fc.Arbitrary<Payload> = fc.oneof(
  json.map((value) => ({ json: value })),
  fc
    .record({ id: text, bytes: fc.nat(), format: fc.nat(), chunks: fc.nat(), sha256: text })
    .map((given) => ({ ref: given })),
);
const answer: fc.Arbitrary<Answer> = fc.oneof(
  payload.map((value): Answer => ({ outcome: 'answered', value, at: 1 })),
  text.map((message): Answer => ({ outcome: 'failed', message, at: 2 })),
  fc.constant<Answer>({ outcome: 'timed_out', at: 3 }),
);
const key = fc
  .oneof(text, fc.constantFrom('json', 'ref', 'toString', 'constructor'))
  .filter((name) => name !== '__proto__');
const input = fc
  .record({ request: payload, timeoutAt: time }, { requiredKeys: [] })
  .map((given): PendingInput => ({ ...given }));

const anyTask: fc.Arbitrary<Task> = fc
  .record({
    always: fc.record({
      tool: text,
      status: fc.constantFrom(...TASK_STATUSES),
      createdAt: time,
      updatedAt: time,
      deadlineAt: time,
      retentionMs: fc.option(time),
      promisedUntil: fc.option(time),
      pollIntervalMs: fc.nat(),
      maxAttempts: fc.nat(),
      arguments: payload,
      inputs: fc.dictionary(key, input),
      answers: fc.dictionary(key, answer),
    }),
    sometimes: fc.record(
      {
        statusMessage: text,
        admission: payload,
        variables: payload,
        result: payload,
        error: payload,
        related: fc.constant(id),
        mayAsk: fc.array(text),
        retentionFromEnd: fc.constant(true),
        keyDigest: text,
        trace: fc.record({ traceparent: text, tracestate: text, baggage: text }, { requiredKeys: ['traceparent'] }),
      },
      { requiredKeys: [] },
    ),
    run: fc.record({ epoch: fc.nat(), dueAt: fc.option(time), crashes: fc.nat() }),
    lease: maybe(fc.record({ holder: text, until: time })),
  })
  .map(({ always, sometimes, run, lease }) => ({
    ...ref,
    ...always,
    ...sometimes,
    run: lease === undefined ? run : { ...run, lease },
  }));

describe('canonical JSON', () => {
  test('sorts keys at every level and leaves out undefined members [STORE-4]', () => {
    expect(canonicalJson({ b: [{ d: 1, c: undefined, a: 'x' }], a: null, '': true })).toBe(
      '{"":true,"a":null,"b":[{"a":"x","d":1}]}',
    );
  });

  test('is the same text for the same value, however its keys were put in [STORE-4 LIFE-9]', () => {
    const reversed = (value: JsonValue): JsonValue =>
      typeof value !== 'object' || value === null
        ? value
        : Array.isArray(value)
          ? value.map(reversed)
          : Object.fromEntries(
              Object.entries(value)
                .toReversed()
                .map(([name, member]) => [name, reversed(member)]),
            );
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
      }),
    );
  });

  test('of different values differs [STORE-4 LIFE-9]', () => {
    const values = [
      { a: 1 },
      { a: '1' },
      { a: [1] },
      { a: { '0': 1 } },
      { a: null },
      {},
      [],
      [{}],
      '',
      'a',
      null,
      false,
      0,
    ];

    expect(new Set(values.map((value) => canonicalJson(value))).size).toBe(values.length);
  });

  test('keeps a user’s own order where it is asked to [STORE-4]', () => {
    expect(canonicalJson({ z: { json: { b: 1, a: { d: 1, c: 2 } } }, a: 1 }, 'json')).toBe(
      '{"a":1,"z":{"json":{"b":1,"a":{"d":1,"c":2}}}}',
    );
  });

  test('writes a lone surrogate as an escape, so that every backend can keep it [STORE-4]', () => {
    const written = canonicalJson({ 'key\ud800': 'value\udfff' });

    expect(written.isWellFormed()).toBe(true);
    expect(JSON.parse(written)).toEqual({ 'key\ud800': 'value\udfff' });
  });
});

test('half a surrogate pair is not hashed, since any such text would have one hash [STORE-4 SEC-3]', () => {
  for (const text of ['\ud800', 'a\udfff', '\udc00\ud800']) {
    expect(() => sha256(text)).toThrow(expect.objectContaining({ code: 'invalid_arguments' }));
  }
  expect(sha256('😀')).not.toBe(sha256('\ufffd'));
});

describe('a task’s record', () => {
  test('decodes to what was encoded, for any task, and encodes to the same text again [STORE-4]', () => {
    fc.assert(
      fc.property(anyTask, (task) => {
        const encoded = encodeTask(task);
        const decoded = decodeTask(ref, encoded);

        expect(decoded).toEqual(task);
        expect(encodeTask(decoded)).toBe(encoded);
        expect(encoded.isWellFormed()).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('is pinned, member by member [STORE-4]', () => {
    expect(encodeTask(sample)).toBe(
      '{"answers":{},"arguments":{"json":{"z":1,"a":2}},"createdAt":5,"deadlineAt":1005,"format":1,' +
        '"inputs":{},"maxAttempts":3,"pollIntervalMs":10,"promisedUntil":2005,"retentionMs":1000,' +
        '"run":{"crashes":0,"dueAt":5,"epoch":0},"status":"working","tool":"greet","updatedAt":5}',
    );
  });

  test('says neither owner nor id, which its key says [STORE-2]', () => {
    expect(JSON.parse(encodeTask(sample))).not.toHaveProperty('owner');
    expect(decodeTask({ owner: { issuer: 'other', subject: 'x' }, id }, encodeTask(sample)).owner.issuer).toBe('other');
  });

  test('keeps a user’s JSON as it is: order of keys, and keys with a meaning in JavaScript [STORE-4]', () => {
    const own = '{"b":1,"__proto__":{"x":1},"a":{"constructor":2,"2":0,"toJSON":"no"}}';
    const task: Task = { ...sample, status: 'completed', result: { json: JSON.parse(own) as JsonValue } };

    const decoded = decodeTask(ref, encodeTask(task));

    expect(JSON.stringify(decoded.result)).toBe(JSON.stringify({ json: JSON.parse(own) }));
    expect(JSON.stringify(decoded.result)).toContain('__proto__');
  });

  test('may nest a user’s JSON as deep as its size allows [STORE-4]', () => {
    const deep = JSON.parse(`${'['.repeat(600)}${']'.repeat(600)}`) as JsonValue;

    expect(decodeTask(ref, encodeTask({ ...sample, arguments: { json: deep } })).arguments).toEqual({ json: deep });
  });

  const good = JSON.parse(encodeTask(sample)) as Record<string, unknown>;

  test.each<[string, string, string]>([
    ['a newer format', JSON.stringify({ ...good, format: 2 }), 'has format 2, this build knows up to 1; upgrade'],
    ['a newer format with members unknown today', '{"format":7,"quantum":true}', 'has format 7'],
    ['no format', JSON.stringify({ ...good, format: undefined }), 'names no known format'],
    ['a format that is no number', JSON.stringify({ ...good, format: '1' }), 'names no known format'],
    ['a format before the first', JSON.stringify({ ...good, format: 0 }), 'names no known format'],
    ['a text that is no JSON', '{"format":1', 'is no JSON'],
    ['nothing', '', 'is no JSON'],
    ['no object', 'null', 'names no known format'],
    ['a list', '[1]', 'names no known format'],
    ['a missing member', JSON.stringify({ ...good, run: undefined }), 'cannot be read'],
    ['an unknown status', JSON.stringify({ ...good, status: 'paused' }), 'cannot be read'],
    ['a time that is no whole number', JSON.stringify({ ...good, createdAt: 1.5 }), 'cannot be read'],
    ['a value that is neither here nor elsewhere', JSON.stringify({ ...good, arguments: {} }), 'cannot be read'],
    ['a value that is both', JSON.stringify({ ...good, arguments: { json: 1, ref: {} } }), 'cannot be read'],
  ])('with %s is a clear error, never a guess [STORE-4]', (_what, record, message) => {
    expect(() => decodeTask(ref, record)).toThrow(
      expect.objectContaining({ code: 'unreadable_record', message: expect.stringContaining(message) }),
    );
  });
});

describe('a kind of stored text', () => {
  const first = StoredKind.first<{ name: string }>('sample', z.looseObject({ name: z.string() }));
  const kind = first
    .next<{ names: string[] }>(z.looseObject({ names: z.array(z.string()) }), ({ name }) => ({ names: [name] }))
    .next<{ names: string[]; count: number }>(
      z.looseObject({ names: z.array(z.string()), count: z.number() }),
      ({ names }) => ({ names, count: names.length }),
    );

  test('is written in its newest format, with its number [STORE-12]', () => {
    expect(kind.encode({ names: ['a'], count: 1 })).toBe('{"count":1,"format":3,"names":["a"]}');
  });

  test.each([
    ['the first', '{"format":1,"name":"a"}'],
    ['the one before', '{"format":2,"names":["a"]}'],
    ['the newest', '{"format":3,"names":["a"],"count":1}'],
  ])('is read from %s format, step by step [STORE-12]', (_which, stored) => {
    expect(kind.decode(stored, 'x')).toEqual({ names: ['a'], count: 1 });
  });

  test('that an older build reads is refused with both numbers and what to do [STORE-12]', () => {
    expect(() => first.decode('{"format":3,"names":["a"],"count":1}', 'task 7')).toThrow(
      'The sample of task 7 cannot be read: it has format 3, this build knows up to 1; upgrade this server.',
    );
  });

  test('is checked against its own format before it is upgraded [STORE-12 STORE-4]', () => {
    expect(() => kind.decode('{"format":1,"names":["a"]}', 'x')).toThrow(
      expect.objectContaining({ code: 'unreadable_record' }),
    );
  });

  test('keeps members that this build does not know, where it reads and writes them again [STORE-12]', () => {
    const newer = '{"format":1,"name":"a","since":{"b":1}}';

    expect(first.encode(first.decode(newer, 'x'))).toBe('{"format":1,"name":"a","since":{"b":1}}');
  });
});

describe('a hash', () => {
  test('is SHA-256 of the text in UTF-8, hexadecimal [LIFE-10]', () => {
    expect(sha256('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c');
  });
});
