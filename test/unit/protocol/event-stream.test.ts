/** Reading and writing server-sent events, whatever pieces they come in. */
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { KEEP_ALIVE, readEvents, writeEvent } from '../../../src/protocol/event-stream.ts';

const encode = (text: string) => new TextEncoder().encode(text);

async function read(...chunks: readonly (string | Uint8Array)[]): Promise<unknown[]> {
  const events: unknown[] = [];
  const body = ReadableStream.from(chunks.map((chunk) => (typeof chunk === 'string' ? encode(chunk) : chunk)));
  for await (const event of readEvents(body)) events.push(event);
  return events;
}

test('an event has the form of the SDK’s own stream [MOD-3]', () => {
  expect(new TextDecoder().decode(writeEvent({ a: 'ü\n' }))).toBe('event: message\ndata: {"a":"ü\\n"}\n\n');
  expect(new TextDecoder().decode(KEEP_ALIVE)).toBe(': keepalive\n\n');
});

test('what was written is read again, cut at any byte, even inside a character [MOD-3]', async () => {
  const message = fc.record({ text: fc.string({ unit: 'grapheme' }), more: fc.jsonValue() });
  const cuts = fc.array(fc.nat(200));

  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 4 }), cuts, async (messages, places) => {
      const bytes = Buffer.concat(messages.flatMap((one) => [writeEvent(one), KEEP_ALIVE]));
      const borders = [
        0,
        ...[...new Set(places)].filter((place) => place < bytes.length).sort((a, b) => a - b),
        bytes.length,
      ];
      const chunks = borders.slice(1).map((end, index) => new Uint8Array(bytes.subarray(borders[index], end)));

      expect(await read(...chunks)).toEqual(JSON.parse(JSON.stringify(messages)));
    }),
  );
});

test('a character that is split between two chunks stays whole [MOD-3]', async () => {
  const bytes = writeEvent({ text: '€' });
  const middle = bytes.indexOf(0x82);

  expect(await read(bytes.slice(0, middle), bytes.slice(middle))).toEqual([{ text: '€' }]);
});

test('an event whose end is split between two chunks is one event [MOD-3]', async () => {
  expect(await read('data: {"a":1}\n', '\ndata: {"a":2}\n', '\n')).toEqual([{ a: 1 }, { a: 2 }]);
});

test('comments, other fields and empty events are passed over [MOD-3]', async () => {
  expect(await read(': hello\n\nevent: message\nid: 5\nretry: 10\n\ndata:\n\nid: 6\ndata: {"a":1}\n\n')).toEqual([
    { a: 1 },
  ]);
});

test('data over several lines is one message [MOD-3]', async () => {
  expect(await read('data: {"a":\ndata: 1}\n\n')).toEqual([{ a: 1 }]);
});

test('an event that is cut off at the end is none [MOD-3]', async () => {
  expect(await read('data: {"a":1}\n\ndata: {"a":2}\n')).toEqual([{ a: 1 }]);
});
