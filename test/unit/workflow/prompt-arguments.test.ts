/** What is made of a prompt's arguments, which come as text. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { parseMoreArguments, parsePromptArguments } from '../../../src/workflow/prompt-arguments.ts';
import { workflowOf } from './sample-workflow.ts';

const of = (shape: z.ZodRawShape) => ({ ...workflowOf(), name: 'w', arguments: z.object(shape) });

describe('text', () => {
  test.each<[string, z.ZodType, string, unknown]>([
    ['text', z.string(), '7', '7'],
    ['text that looks like JSON', z.string(), '{"a":1}', '{"a":1}'],
    ['a number', z.number(), '7.5', 7.5],
    ['a number with blanks and an exponent', z.number(), ' -1e3 ', -1000],
    ['a whole number', z.int(), '12', 12],
    ['true', z.boolean(), 'true', true],
    ['false, in capitals', z.boolean(), 'FALSE', false],
    ['a list', z.array(z.number()), '[1,2]', [1, 2]],
    ['an object', z.object({ a: z.string() }), ' {"a":"x"}', { a: 'x' }],
    ['a number that may be left out', z.number().optional(), '3', 3],
    ['a number with a default', z.number().default(5), '3', 3],
    ['nothing, of a number or nothing', z.number().nullable(), 'null', null],
    ['a number, of a number or nothing', z.number().nullable(), '4', 4],
    ['text, of text or a number', z.union([z.string(), z.number()]), '4', '4'],
    ['a number, of a number or true', z.union([z.number(), z.boolean()]), '4', 4],
    ['true, of a number or true', z.union([z.number(), z.boolean()]), 'true', true],
    ['a word of several', z.enum(['small', 'large']), 'small', 'small'],
    ['a number of several', z.union([z.literal(1), z.literal(2)]), '2', 2],
    ['a word that stands alone', z.literal('yes'), 'yes', 'yes'],
  ])('becomes %s as the schema says [WF-1]', async (_what, schema, text, value) => {
    expect(await parsePromptArguments(of({ x: schema }), { x: text })).toEqual({ x: value });
  });

  test('that is left out has the schema’s default [WF-1]', async () => {
    expect(await parsePromptArguments(of({ x: z.number().default(5) }), {})).toEqual({ x: 5 });
  });

  test.each<[string, z.ZodType, string]>([
    ['no number', z.number(), 'seven'],
    ['a number and more', z.number(), '7 apples'],
    ['a hexadecimal number', z.number(), '0x10'],
    ['a part of a whole number', z.int(), '1.5'],
    ['an empty number', z.number(), ''],
    ['no truth', z.boolean(), 'yes'],
    ['broken JSON', z.array(z.number()), '[1,'],
    ['another kind of JSON', z.array(z.number()), '{}'],
    ['none of the words', z.enum(['small', 'large']), 'medium'],
  ])('is refused for %s, naming prompt and argument [WF-1]', async (_what, schema, text) => {
    await expect(parsePromptArguments(of({ x: schema }), { x: text })).rejects.toMatchObject({
      code: 'invalid_arguments',
      message: expect.stringMatching(/^Invalid arguments for prompt w: x: /u),
    });
  });

  test('that is missing is told with whatever else is wrong [WF-1]', async () => {
    const parsed = parsePromptArguments(of({ file: z.string(), rows: z.number() }), { rows: 'x' });
    await expect(parsed).rejects.toMatchObject({ message: expect.stringMatching(/file: .*; rows: /u) });
  });
});

describe('arguments of a prompt that goes on', () => {
  const workflow = of({ file: z.string(), rows: z.number().optional(), size: z.number().default(1) });

  test('need not be all there: only what is given counts [WF-7]', async () => {
    expect(await parseMoreArguments(workflow, { file: 'a' }, {})).toEqual({});
    expect(await parseMoreArguments(workflow, { file: 'a' }, { rows: '3' })).toEqual({ rows: 3 });
  });

  test('are refused by name where they do not fit [WF-7]', async () => {
    await expect(parseMoreArguments(workflow, { file: 'a' }, { rows: 'x' })).rejects.toMatchObject({
      message: expect.stringContaining('rows: '),
    });
  });
});
