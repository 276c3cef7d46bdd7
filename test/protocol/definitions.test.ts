/** A mistake in a tool's definition fails at start and names the tool; types follow from the schema. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { TaskError } from '../../src/domain/errors.ts';
import type { AnyTool } from '../../src/protocol/tool.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { greet } from '../support/hostile-world.ts';
import { holdServer } from '../support/mcp-server.ts';

const run = async () => ({ content: [] });
const sound = { name: 'sound', description: 'Sound.', inputSchema: z.object({}), run };

function failureOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error instanceof TaskError ? [error.code, error.message] : error;
  }
}

const EMPTY_SCHEMA = { '~standard': { version: 1, vendor: 'x', validate: (value: unknown) => ({ value }) } };

const mistakes: readonly [string, object, string][] = [
  ['a name with a space', { name: 'a tool' }, 'Tool "a tool": a name has 1 to 128 letters, digits, "_", "-" or "."'],
  ['an empty name', { name: '' }, 'Tool "": a name has'],
  ['no name', { name: undefined }, 'Tool "(unnamed)": a name has'],
  ['a name of 129 characters', { name: 'x'.repeat(129) }, `Tool "${'x'.repeat(129)}": a name has`],
  ['no description', { description: '' }, 'Tool "sound": it needs a description'],
  [
    'an unknown taskSupport',
    { taskSupport: 'maybe' },
    'Tool "sound": taskSupport must be one of optional, required, forbidden',
  ],
  ['no run function', { run: 'later' }, 'Tool "sound": it needs a run function'],
  ['no schema', { inputSchema: undefined }, 'Tool "sound": inputSchema must be a Standard Schema'],
  [
    'a schema that is plain JSON Schema',
    { inputSchema: { type: 'object' } },
    'Tool "sound": inputSchema must be a Standard Schema',
  ],
  [
    'a schema without JSON Schema',
    { inputSchema: EMPTY_SCHEMA },
    'Tool "sound": inputSchema must be a Standard Schema',
  ],
  ['a schema of no object', { inputSchema: z.string() }, 'Tool "sound": inputSchema must describe an object'],
  [
    'a schema that JSON cannot say',
    { inputSchema: z.object({ at: z.date() }) },
    'Tool "sound": inputSchema cannot be expressed',
  ],
  ['a wrong schema for its output', { outputSchema: 5 }, 'Tool "sound": outputSchema must be a Standard Schema'],
  ['no time for a time', { runDeadlineMs: 0 }, 'Tool "sound": runDeadlineMs must be a positive whole number'],
  ['half a millisecond', { pollIntervalMs: 0.5 }, 'Tool "sound": pollIntervalMs must be a positive whole number'],
  ['a time as text', { retentionMs: '1h' }, 'Tool "sound": retentionMs must be a positive whole number'],
  ['no attempts', { maxAttempts: 0 }, 'Tool "sound": maxAttempts must be a positive whole number'],
];

describe('a tool with', () => {
  test.each(mistakes)('%s is refused when it is defined, by name [DX-2]', (_what, change, message) => {
    const failure = failureOf(() => defineTaskTool({ ...sound, ...change } as never));

    expect(failure).toEqual(['invalid_definition', expect.stringContaining(message)]);
  });

  test.each(mistakes)('%s is refused at start, though nothing defined it [DX-2]', (_what, change, message) => {
    const failure = failureOf(() =>
      holdServer([{ taskSupport: 'optional', ...sound, ...change } as unknown as AnyTool]),
    );

    expect(failure).toEqual(['invalid_definition', expect.stringContaining(message)]);
  });
});

test('two tools of one name are refused at start, by name [DX-2]', () => {
  expect(failureOf(() => holdServer([greet, defineTaskTool({ ...sound, name: 'greet' })]))).toEqual([
    'invalid_definition',
    'Tool "greet": the name is taken by another tool; give versions of one tool a `version` each.',
  ]);
});

test.each([[null], [undefined], [5]])('a tool that is %p is refused at start [DX-2]', (tool) => {
  expect(failureOf(() => holdServer([tool as unknown as AnyTool]))).toEqual([
    'invalid_definition',
    expect.stringContaining('Tool "(unnamed)"'),
  ]);
});

test('a tool is served as it was defined, with its own times [DX-2]', async () => {
  const timed = defineTaskTool({
    ...sound,
    name: 'timed',
    runDeadlineMs: 5000,
    retentionMs: 7000,
    pollIntervalMs: 250,
  });
  const forEver = defineTaskTool({
    ...sound,
    name: 'for_ever',
    title: 'For ever',
    retentionMs: null,
    annotations: { readOnlyHint: true },
  });
  const { peer } = holdServer([timed, forEver]);

  const { tools } = await peer.result('tools/list');
  const answers = [await peer.call('timed'), await peer.call('for_ever')];

  expect(answers.map(({ message }) => message?.result)).toMatchObject([
    { ttlMs: 12_000, pollIntervalMs: 250 },
    { ttlMs: null, pollIntervalMs: 200 },
  ]);
  expect(tools).toMatchObject([
    { name: 'timed' },
    { name: 'for_ever', title: 'For ever', annotations: { readOnlyHint: true } },
  ]);
});

test('the types of arguments follow from the schema, as its output [DX-2]', () => {
  const tool = defineTaskTool({
    name: 'typed',
    description: 'Compiles, or the type check fails.',
    inputSchema: z.object({
      count: z.number(),
      word: z.string().default('none'),
      list: z.string().transform((all) => all.split(',')),
    }),
    admit: async (args) => {
      const count: number = args.count;
      return count;
    },
    run: async (args, task) => {
      const count: number = args.count;
      const word: string = args.word;
      const list: string[] = args.list;
      // @ts-expect-error a number is no string
      const wrong: string = args.count;
      // @ts-expect-error the schema knows no such argument
      void args.missing;
      // @ts-expect-error a task that is none has no such operation
      void task.missing;
      return { content: [{ type: 'text', text: `${count}${word}${list.join()}${wrong}` }] };
    },
  });
  const plain = defineTaskTool({
    name: 'plain',
    description: 'Has no task.',
    taskSupport: 'forbidden',
    inputSchema: z.object({}),
    run: async (_args, call) => {
      // @ts-expect-error what answers within the call has no durable steps
      void call.step;
      return { content: [] };
    },
  });
  // @ts-expect-error a tool must return a tool result
  const wrong = defineTaskTool({ ...sound, run: async () => 5 });

  expect([tool.taskSupport, plain.taskSupport, wrong.taskSupport]).toEqual(['optional', 'forbidden', 'optional']);
});
