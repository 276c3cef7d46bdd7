/** Members that are `undefined` are left out, for the types as for what looks at the members. */
import { expect, test } from '@jest/globals';
import { present } from '../../src/present.ts';

test('what is undefined is left out, and nothing else', () => {
  const members = { a: undefined, b: null, c: 0, d: '', e: false, f: Number.NaN };

  expect(Object.keys(present(members))).toEqual(['b', 'c', 'd', 'e', 'f']);
  expect(present({})).toStrictEqual({});
});

test('members keep their order, and their types without `undefined`', () => {
  const seconds: number | undefined = [5][0];
  const options: { readonly name: string; readonly seconds?: number } = present({ name: 'a', seconds });

  expect(JSON.stringify(options)).toBe('{"name":"a","seconds":5}');
});
