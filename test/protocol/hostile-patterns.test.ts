/**
 * Patterns that a tool made meet text that a client made to keep the server busy: in forms and in arguments, whichever
 * library checks them. Each is answered soon, and what could not be is refused when the form or the tool is made.
 */
import { describe, expect, test } from '@jest/globals';
import { fromJsonSchema } from '@modelcontextprotocol/server';
import * as z from 'zod';
import type { StandardSchemaWithJSON } from '../../src/protocol/sdk.ts';
import type { AnyTool } from '../../src/protocol/tool.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { manualRandom } from '../../src/testing/manual-clock.ts';
import type { JsonMap } from '../support/mcp-requests.ts';
import { holdServer } from '../support/mcp-server.ts';
import { processorMs } from '../support/strain.ts';

/** Both double the work with each letter: JavaScript's own engine would be at it for hours. */
const HOSTILE: readonly (readonly [pattern: string, text: string])[] = [
  ['^([a-zA-Z0-9_.-])+@(([a-zA-Z0-9-])+.)+([a-zA-Z0-9]{2,4})+$', `a@${'a'.repeat(40)}!`],
  ['^(a+)+$', `${'a'.repeat(44)}!`],
];
/** Well above what a check costs on a busy machine, and well below what a client would notice as silence. */
const SOON_MS = 3_000;

const done = async () => ({ content: [{ type: 'text' as const, text: 'done' }] });

/** The processor's time that it takes, in milliseconds, and what it gives. */
async function timed<T>(work: () => Promise<T>): Promise<readonly [ms: number, value: T]> {
  const before = processorMs();
  const value = await work();
  return [processorMs() - before, value];
}

function taking(inputSchema: StandardSchemaWithJSON): AnyTool {
  return defineTaskTool({ name: 'take', description: 'Takes text.', inputSchema, run: done });
}

function asking(requestedSchema: JsonMap): AnyTool {
  return defineTaskTool({
    name: 'ask',
    description: 'Asks with a form.',
    inputSchema: z.object({}),
    run: async (_args, task) => {
      const { action } = await task.elicit({ message: 'Please', requestedSchema });
      return { content: [{ type: 'text', text: action }] };
    },
  });
}

/** A library of which nothing is known but that it is a Standard Schema. */
function unknownLibrary(validate: (value: { text: string }) => boolean): StandardSchemaWithJSON {
  const json = () => ({ type: 'object', properties: { text: { type: 'string' } } });
  return {
    '~standard': {
      version: 1,
      vendor: 'unknown',
      validate: (value) => (validate(value as { text: string }) ? { value } : { issues: [{ message: 'no match' }] }),
      jsonSchema: { input: json, output: json },
    },
  };
}

describe.each(HOSTILE)('a form with the pattern %s', (pattern, text) => {
  test.each<[string, JsonMap, JsonMap]>([
    ['of a field', { type: 'object', properties: { field: { type: 'string', pattern } } }, { field: text }],
    [
      'of further keys',
      { type: 'object', patternProperties: { [pattern]: { type: 'number' } }, additionalProperties: false },
      { [text]: 'x' },
    ],
    [
      'of a field, in the dialect of 2019',
      {
        $schema: 'https://json-schema.org/draft/2019-09/schema',
        type: 'object',
        properties: { field: { type: 'string', pattern } },
      },
      { field: text },
    ],
    [
      'of a field, in draft 7',
      {
        $schema: 'http://json-schema.org/draft-07/schema#',
        type: 'object',
        properties: { field: { type: 'string', pattern } },
      },
      { field: text },
    ],
  ])('%s answers hostile text soon, and the task goes on [SEC-3 MOD-4]', async (_where, schema, content) => {
    const held = holdServer([asking(schema)]);
    const taskId = await held.peer.createTask('ask');
    await held.runDue();
    const [key = ''] = Object.keys((await held.peer.task(taskId))['inputRequests'] as JsonMap);
    const answer = (response: JsonMap) =>
      held.peer.ask('tasks/update', { taskId, inputResponses: { [key]: response } });

    const [ms, { message }] = await timed(() => answer({ action: 'accept', content }));
    await answer({ action: 'decline' });
    await held.runDue();

    expect(ms).toBeLessThan(SOON_MS);
    expect(message?.error).toMatchObject({ code: -32602, data: { reason: 'invalid_answer', key } });
    expect((await held.peer.task(taskId))['status']).toBe('completed');
  });
});

const [PATTERN, TEXT] = HOSTILE[1] as (typeof HOSTILE)[number];
const REGEX = new RegExp(PATTERN);
const lazy: z.ZodType = z.lazy(() => z.object({ text: z.string().regex(new RegExp(PATTERN)), next: lazy.optional() }));

describe('arguments', () => {
  test.each<[string, StandardSchemaWithJSON, unknown]>([
    ['a pattern of zod', z.object({ text: z.string().regex(REGEX) }), { text: TEXT }],
    [
      'the pattern of the issue',
      z.object({ text: z.string().regex(new RegExp(HOSTILE[0]?.[0] ?? '')) }),
      { text: HOSTILE[0]?.[1] },
    ],
    [
      'a pattern in one of several branches',
      z.object({ text: z.union([z.string().regex(REGEX), z.email()]) }),
      { text: TEXT },
    ],
    ['a pattern after a change of the text', z.object({ text: z.string().trim().regex(REGEX) }), { text: ` ${TEXT}` }],
    ['a pattern of keys', z.object({ text: z.record(z.string().regex(REGEX), z.number()) }), { text: { [TEXT]: 1 } }],
    ['a pattern of an item', z.object({ text: z.array(z.tuple([z.string().regex(REGEX)])) }), { text: [[TEXT]] }],
    ['a pattern that refers to itself', z.object({ text: lazy }), { text: { text: TEXT } }],
    [
      'a pattern of a URL’s host',
      z.object({ text: z.url({ hostname: REGEX }) }),
      { text: `https://${'a'.repeat(44)}.b/` },
    ],
    [
      'a pattern of JSON Schema',
      fromJsonSchema({ type: 'object', properties: { text: { type: 'string', pattern: PATTERN } } }),
      { text: TEXT },
    ],
  ])('that meet %s are refused soon, without a cut [SEC-3]', async (_what, inputSchema, args) => {
    const held = holdServer([taking(inputSchema)]);

    const [ms, { message }] = await timed(() => held.peer.ask('tools/call', { name: 'take', arguments: args }));

    expect(ms).toBeLessThan(SOON_MS);
    expect(message?.result).toMatchObject({ isError: true });
    expect(JSON.stringify(message?.result)).not.toContain('was given up');
    expect((await held.stored()).size).toBe(0);
  });

  test.each<[string, StandardSchemaWithJSON]>([
    ['a refinement', z.object({ text: z.string().refine((text) => REGEX.test(text)) })],
    ['a check of its own', z.object({ text: z.string().superRefine((text) => void REGEX.test(text)) })],
    ['a transformation', z.object({ text: z.string().transform((text) => REGEX.test(text)) })],
    ['a template', z.object({ text: z.templateLiteral([z.string().regex(/(a+)+/), 'b']) })],
    ['a library of its own', unknownLibrary(({ text }) => REGEX.test(text))],
  ])('that keep %s busy are given up after a while [SEC-3]', async (_what, inputSchema) => {
    const held = holdServer([taking(inputSchema)]);

    const [ms, { message }] = await timed(() => held.peer.call('take', { text: TEXT }));

    expect(ms).toBeLessThan(SOON_MS);
    expect(message?.result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('checking them took more than 251 ms') }],
    });
    expect((await held.stored()).size).toBe(0);
  });

  test('that fit a pattern are taken, by zod and by JSON Schema alike [SEC-3]', async () => {
    const schemas = [
      z.object({ text: z.string().regex(/^release-[\w.]+$/i) }),
      fromJsonSchema({ type: 'object', properties: { text: { type: 'string', pattern: '^[Rr]elease-\\S+$' } } }),
      unknownLibrary(({ text }) => text.startsWith('Release')),
    ];

    for (const schema of schemas) {
      const { peer } = holdServer([taking(schema)]);
      expect(await peer.createTask('take', { text: 'Release-1.2' })).toMatch(/^[0-9a-v]{44}$/);
    }
  });
});

describe('a tool is refused when it is defined, with a sentence, for a pattern of its arguments that', () => {
  const withPattern: readonly (readonly [string, (regex: RegExp) => StandardSchemaWithJSON])[] = [
    ['zod', (regex) => z.object({ deep: z.array(z.object({ text: z.string().regex(regex) }).optional()) })],
    ['JSON Schema', ({ source }) => fromJsonSchema({ type: 'object', properties: { text: { pattern: source } } })],
  ];
  test.each(
    withPattern.flatMap(([library, schema]) => [
      [`looks ahead, of ${library}`, schema, /^(?!-)[a-z-]+$/, 'looks ahead or behind'] as const,
      [`refers back, of ${library}`, schema, /^(.)\1$/, 'refers back to a group'] as const,
      [`repeats too often, of ${library}`, schema, /^a{1,6000}$/, 'repeats too much'] as const,
    ]),
  )('%s [SEC-3 DX-2]', (_what, schema, regex, why) => {
    expect(() => taking(schema(regex))).toThrow(
      expect.objectContaining({
        code: 'invalid_definition',
        message: `Tool "take": in inputSchema, the pattern ${regex.source} ${why}, and cannot be matched in time that grows with the text only; text of clients must not stop the server: write it without, or check it in the tool’s own code.`,
      }),
    );
  });
});

test('zod’s own formats can all be used, and answer long text soon [SEC-3]', async () => {
  const formats = {
    ...{
      email: z.email(),
      url: z.url(),
      uuid: z.uuid(),
      cuid: z.cuid(),
      ulid: z.ulid(),
      nanoid: z.nanoid(),
      e164: z.e164(),
    },
    ...{ base64: z.base64(), ipv4: z.ipv4(), ipv6: z.ipv6(), cidrv4: z.cidrv4(), cidrv6: z.cidrv6(), jwt: z.jwt() },
    ...{ date: z.iso.date(), time: z.iso.time(), datetime: z.iso.datetime(), duration: z.iso.duration() },
    ...{
      hostname: z.hostname(),
      httpUrl: z.httpUrl(),
      emoji: z.emoji(),
      rfc: z.email({ pattern: z.regexes.rfc5322Email }),
    },
  };
  const { peer } = holdServer([taking(z.object(formats))]);

  for (const unit of ['a', 'a.', '-', '1', ':', '+1', 'P1', 'a@', 'a-', 'https://a.', '"']) {
    const text = `${unit.repeat(5_000)}\u0000`;
    const args = Object.fromEntries(Object.keys(formats).map((name) => [name, text]));
    const [ms, { message }] = await timed(() => peer.call('take', args));

    expect(ms).toBeLessThan(SOON_MS);
    expect(message?.result).toMatchObject({ isError: true });
  }
});

test('a form that could not be checked is refused when a tool asks with it, with a sentence [SEC-3 MOD-4]', async () => {
  const held = holdServer([asking({ type: 'object', properties: { field: { type: 'string', pattern: '^(?=a)' } } })]);
  const taskId = await held.peer.createTask('ask');

  await held.runDue();

  expect(await held.peer.task(taskId)).toMatchObject({
    status: 'completed',
    result: {
      isError: true,
      content: [
        {
          text: expect.stringMatching(
            /^The form cannot be asked for: the pattern \^\(\?=a\) looks ahead or behind, and cannot be matched in time/,
          ),
        },
      ],
    },
  });
});

test('a form whose check takes too long all the same is given up after a while, and can be answered better [SEC-3 MOD-4]', async () => {
  const held = holdServer([
    asking({ type: 'object', properties: { field: { type: 'string', pattern: 'a[ab]{900}a?[ab]{900}!$|^ok$' } } }),
  ]);
  const taskId = await held.peer.createTask('ask');
  await held.runDue();
  const [key = ''] = Object.keys((await held.peer.task(taskId))['inputRequests'] as JsonMap);
  const random = manualRandom(1);
  const letters = Array.from({ length: 60_000 }, () => ((random(1)[0] ?? 0) % 2 === 0 ? 'a' : 'b')).join('');
  const answer = (field: string) =>
    held.peer.ask('tasks/update', { taskId, inputResponses: { [key]: { action: 'accept', content: { field } } } });

  const [ms, { message }] = await timed(() => answer(letters));
  const better = await answer('ok');

  expect(ms).toBeLessThan(SOON_MS);
  expect(message?.error).toEqual({
    code: -32602,
    message: `Answer "${key}": checking the form's content took more than 250 ms; send shorter text.`,
    data: { reason: 'invalid_answer', key },
  });
  expect(better.message?.result).toEqual(expect.objectContaining({ resultType: 'complete' }));
});

test('long arguments have longer to be checked [SEC-3]', async () => {
  const { peer } = holdServer([taking(z.object({ text: z.string().refine((text) => REGEX.test(text.slice(-45))) }))]);

  const { message } = await peer.call('take', { text: `${'x'.repeat(2 ** 20)}${TEXT}` });

  expect(JSON.stringify(message?.result)).toContain('checking them took more than 351 ms and was given up');
});
