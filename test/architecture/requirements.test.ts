/**
 * Requirement ids and the tests that cite them stay in step with docs/requirements.md, and a
 * delivered requirement without a test is a failure.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  citationComplaints,
  citationsOf,
  DOCUMENT,
  readCitations,
  readRequirements,
  renderRequirements,
} from '../../scripts/requirements.ts';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';

const groups = readRequirements(REPOSITORY_ROOT);
const citations = readCitations(REPOSITORY_ROOT);

describe('requirements', () => {
  test('every cited id exists, and every delivered one is cited', () => {
    const complaints = citationComplaints(groups, citations);

    if (complaints.length > 0) throw new Error(['requirements and citations disagree:', ...complaints].join('\n  '));
  });

  test('docs/requirements.md is what `npm run requirements` writes', () => {
    const written = readFileSync(join(REPOSITORY_ROOT, DOCUMENT), 'utf8');

    expect(written === renderRequirements(groups, citations) || 'stale: npm run requirements').toBe(true);
  });

  test('no id is listed twice', () => {
    const ids = groups.flatMap(({ requirements }) => requirements.map(({ id }) => id));

    expect(ids).toEqual([...new Set(ids)]);
  });
});

describe('citations', () => {
  const cited = (text: string) => citationsOf({ path: 'a.test.ts', text }).flatMap(({ ids }) => ids);
  const a = 'DX-1';

  test.each([
    `test('a sentence [${a} I2]', f)`,
    `describe('a sentence [${a}, I2]', f)`,
    `test.each(cases)('%s [${a} I2]', f)`,
    `it.each\`x\`('a [${a} I2]', f)`,
    `test(\`a \${name} [${a} I2]\`, f)`,
    `const cases = [{ name: 'a', ids: ['${a}', 'I2'], run }]`,
  ])('are read from %s', (text) => {
    expect(cited(text)).toEqual([a, 'I2']);
  });

  test.each([
    `test.skip('a [${a}]', f)`,
    `test.todo('a [${a}]')`,
    `test('[${a}] at the start', f)`,
    `test('an index [0]', f)`,
    `other('a [${a}]', f)`,
    `// test('a [${a}]', f)`,
    `const page = { ids: [] }`,
    `const page = { ids: ['a', 'b'] }`,
  ])('are not read from %s', (text) => {
    expect(cited(text)).toEqual([]);
  });

  test('of an unknown id, and a delivered id without one, are both reported', () => {
    const group = {
      title: 'T',
      requirements: [
        { id: 'T-1', text: 'one', state: 'delivered' },
        { id: 'T-2', text: 'two', state: 'planned' },
      ],
    } as const;

    const unknown = 'T-9';

    expect(citationComplaints([group], [{ path: 'a.test.ts', name: 'n', ids: [unknown] }])).toEqual([
      expect.stringContaining('cites T-9'),
      expect.stringContaining('T-1 is delivered'),
    ]);
  });
});
