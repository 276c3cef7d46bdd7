/** Paths, placeholders and sources: from a workflow's data to values, and what is said where there is none. */
import { describe, expect, test } from '@jest/globals';
import { pathFault, valueAt } from '../../../src/workflow/paths.ts';
import { isTruthy, type Known, resolve, resolveArguments, resolveUri } from '../../../src/workflow/resolving.ts';
import { expandUri } from '../../../src/workflow/resources.ts';
import { fillTemplate, placeholdersIn } from '../../../src/workflow/templates.ts';
import { type Source, sourcesOf, stepsIn, variablesIn } from '../../../src/workflow/workflow.ts';
import { constant, output, toolStep } from './sample-workflow.ts';

const known: Known = {
  arguments: { file: 'a.csv', none: null, deep: { list: [{ name: 'x' }] } },
  outputs: new Map<string, never>([
    ['one', { rows: 3, empty: null, list: [[1, 2]] } as never],
    ['nothing', null as never],
  ]),
  variables: { seen: 2 },
};

describe('a path', () => {
  test.each(['a', 'a.b', 'a[0]', '[0]', '[0][1].b', 'columns.0.name', 'a-b c.d', 'ä.ö'])('is %s [WF-1]', (path) => {
    expect(pathFault(path)).toBeUndefined();
  });

  test.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a[',
    'a[x]',
    'a[-1]',
    'a[]',
    '[0]a',
    'a[0]b',
    '__proto__',
    'a.constructor',
    'prototype.a',
  ])('is not "%s" [WF-1]', (path) => {
    expect(pathFault(path)).toEqual(expect.stringContaining(`"${path}"`));
  });

  test.each([
    [undefined, { a: [1, { b: null }] }],
    ['a[0]', 1],
    ['a.0', 1],
    ['a[1].b', null],
    ['a[2]', undefined],
    ['a[1].b.c', undefined],
    ['a.length', 2],
    ['toString', undefined],
  ])('%s leads to %j [WF-1]', (path, value) => {
    expect(valueAt({ a: [1, { b: null }] }, path)).toEqual(value);
  });
});

describe('a template', () => {
  test('has placeholders for arguments, outputs, variables and items; other braces are text [WF-1]', () => {
    expect(placeholdersIn('{argument.file} {output.one.a[0].b} {variable.x} {item} {item.a.b} {a} {"b":1} {}')).toEqual(
      [
        { text: '{argument.file}', source: { from: 'argument', name: 'file' } },
        { text: '{output.one.a[0].b}', source: { from: 'output', step: 'one', path: 'a[0].b' } },
        { text: '{variable.x}', source: { from: 'variable', name: 'x' } },
        { text: '{item}', source: { from: 'item' } },
        { text: '{item.a.b}', source: { from: 'item', path: 'a.b' } },
      ],
    );
    expect(placeholdersIn('{output[0]} {output.list[0]}')).toMatchObject([{ source: { step: 'list', path: '[0]' } }]);
    expect(placeholdersIn('{argument}')).toEqual([{ text: '{argument}', source: undefined }]);
  });

  test('is filled with text as it is, with other values as JSON, and keeps what has no value [WF-1]', () => {
    const value = (source: Source) =>
      source.from === 'argument' ? '$& {item}' : source.from === 'item' ? [1] : undefined;
    expect(fillTemplate('{argument.a}; {item}; {variable.b}; {output}', value)).toBe(
      '$& {item}; [1]; {variable.b}; {output}',
    );
  });
});

describe('a source', () => {
  const computed = (compute: (values: Readonly<Record<string, unknown>>) => unknown): Source => ({
    from: 'computed',
    of: { rows: output('one', 'rows'), more: constant(1) },
    compute: compute as never,
  });

  test.each<[string, Source, unknown]>([
    ['a constant', constant({ a: null }), { a: null }],
    ['an argument', { from: 'argument', name: 'file' }, 'a.csv'],
    ['a part of an argument', { from: 'argument', name: 'deep', path: 'list[0].name' }, 'x'],
    ['a variable', { from: 'variable', name: 'seen' }, 2],
    ['an output', output('nothing'), null],
    ['a part of an output', output('one', 'list[0][1]'), 2],
    ['a part that is null', output('one', 'empty'), null],
    ['something computed', computed(({ rows, more }) => Number(rows) + Number(more)), 4],
  ])('of %s is its value [WF-1]', (_what, source, value) => {
    expect(resolve(source, known)).toEqual({ value });
  });

  test.each<[Source, object]>([
    [{ from: 'argument', name: 'none' }, { why: 'the prompt argument none is not given' }],
    [{ from: 'argument', name: 'toString' }, { why: 'the prompt argument toString is not given' }],
    [{ from: 'argument', name: 'file', path: 'a' }, { why: 'the prompt argument file has nothing at a' }],
    [{ from: 'variable', name: 'x' }, { why: 'the variable x of the task is not given' }],
    [{ from: 'item' }, { why: 'there is no item' }],
    [output('two', 'a'), { why: 'step two has no output yet', step: 'two', output: 'two.a' }],
    [output('one', 'a'), { why: 'the output of step one has nothing at a', step: 'one', output: 'one.a' }],
    [computed(() => undefined), { why: 'it comes out as nothing' }],
    [
      computed(() => {
        throw new Error('No.');
      }),
      { why: 'it cannot be computed: No.' },
    ],
    [
      { from: 'computed', of: { a: output('two') }, compute: () => 1 },
      { why: 'step two has no output yet', step: 'two', output: 'two' },
    ],
  ])('%j without a value says why [WF-3]', (source, missing) => {
    expect(resolve(source, known)).toEqual({ missing });
  });

  test('of an item is the item, or a part of it [WF-11]', () => {
    expect(resolve({ from: 'item' }, { ...known, item: null })).toEqual({ value: null });
    expect(resolve({ from: 'item', path: 'a' }, { ...known, item: { a: 1 } })).toEqual({ value: 1 });
    expect(resolve({ from: 'item', path: 'b' }, { ...known, item: {} })).toEqual({
      missing: { why: 'the item has nothing at b' },
    });
  });

  test('is known with the steps and variables of which it is made [WF-1]', () => {
    const source: Source = {
      from: 'computed',
      of: { a: output('x'), b: { from: 'variable', name: 'v' }, c: computed(() => 1) },
      compute: () => 1,
    };
    expect(stepsIn(source)).toEqual(['x', 'one']);
    expect(variablesIn(source)).toEqual(['v']);
    const step = toolStep(
      's',
      't',
      { a: constant(1) },
      {
        when: constant(2),
        forEach: constant(3),
        attach: [{ uri: 'page://{id}', bindings: { id: constant(4) } }, { uri: 'page://1' }],
      },
    );
    expect(sourcesOf(step)).toEqual([2, 3, 1, 4].map(constant));
  });
});

describe('resolving', () => {
  test('arguments gives those that have a value, and says what the others lack [WF-4]', () => {
    const step = toolStep('s', 't', { a: constant(1), b: output('two') });
    expect(resolveArguments(step, known)).toEqual({
      values: { a: 1 },
      missing: [{ argument: 'b', why: 'step two has no output yet', step: 'two', output: 'two' }],
    });
  });

  test('a resource fills its template, encoded [WF-9]', () => {
    const use = (id: Source) => resolveUri({ uri: 'page://x/{id}', bindings: { id } }, known, expandUri);
    expect(use(constant('a b/c'))).toEqual({ uri: 'page://x/a%20b%2Fc' });
    expect(use(constant(7))).toEqual({ uri: 'page://x/7' });
    expect(use(output('two'))).toMatchObject({ missing: { step: 'two' } });
    expect(resolveUri({ uri: 'page://{id}' }, known, expandUri)).toEqual({ uri: 'page://{id}' });
  });

  test.each([
    [undefined, false],
    [null, false],
    [false, false],
    [0, false],
    ['', false],
    [true, true],
    [1, true],
    ['false', true],
    [[], true],
    [{}, true],
  ])('a condition of %j is %s [WF-11]', (value, isTrue) => {
    expect(isTruthy(value as never)).toBe(isTrue);
  });
});
