/** What the functions load at a cold start: sizes here, since they are the same everywhere; times in bench/cold.ts. */
import { readFile, stat } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Assembly, BUNDLE_BUDGETS, synthesize } from '../support/lambda/assembly.ts';

let assembly: Assembly;

beforeAll(async () => {
  assembly = await synthesize('bundles', { auth: 'none' });
});

describe.each(['mcp', 'worker'] as const)('the bundle of %s', (name) => {
  test('is within its budget [AWS-6]', async () => {
    const { size } = await stat(assembly[name].file);

    expect(size / 1_000).toBeLessThanOrEqual(BUNDLE_BUDGETS[name].kilobytes);
  });

  test('brings no client of a store that it does not use [AWS-6 STORE-11]', async () => {
    const code = await readFile(assembly[name].file, 'utf8');

    expect(code).toContain('dynamodb');
    expect(code).not.toContain('ioredis');
  });
});
