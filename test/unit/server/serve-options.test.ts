/** What the local server's command line takes for its numbers. Addresses: `open-backend.test.ts`, `open-queue.test.ts`. */
import { expect, test } from '@jest/globals';
import { readOptions, UsageError } from '../../../bin/serve-options.ts';

test.each([
  [[], undefined],
  [['--concurrency', '1'], 1],
  [['--concurrency', '64'], 64],
  [['--concurrency', '1000'], 1000],
])('%j runs as many tasks at a time [DX-1 EXEC-8]', (args, concurrency) => {
  expect((readOptions(args) as { concurrency?: number }).concurrency).toBe(concurrency);
});

test.each(['0', '1001', '-3', '1.5', '1e3', 'many', ''])(
  '--concurrency=%s is wrong usage, in one line [DX-1]',
  (text) => {
    const read = () => readOptions([`--concurrency=${text}`]);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(`--concurrency ${text}: the number of tasks at a time is a whole number from 1 to 1000`);
  },
);

test.each([
  [[], 'strict'],
  [['--headers', 'strict'], 'strict'],
  [['--headers', 'lenient'], 'lenient'],
])('%j takes headers as %s [DX-1]', (args, headers) => {
  expect(readOptions(args)).toMatchObject({ headers });
});

test('--headers of another kind are wrong usage, in one line [DX-1]', () => {
  expect(() => readOptions(['--headers', 'loose'])).toThrow('--headers loose: use one of strict, lenient');
});
