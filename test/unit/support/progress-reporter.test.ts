/** What a run of many tests tells of itself while it goes on. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import ProgressReporter from '../../support/progress-reporter.ts';

const ROOT = tmpdir();

let said: string[];
let now: number;

beforeEach(() => {
  jest.useFakeTimers();
  said = [];
  now = 0;
});

afterEach(() => {
  jest.useRealTimers();
});

const fileOf = (name: string) => ({ path: join(ROOT, 'test', `${name}.test.ts`) });

function begin(numTotalTestSuites: number): ProgressReporter {
  const reporter = new ProgressReporter(
    { rootDir: ROOT },
    { say: (line) => void said.push(line), elapsedMs: () => now },
  );
  reporter.onRunStart({ numTotalTestSuites });
  return reporter;
}

function pass(ms: number): void {
  now += ms;
  jest.advanceTimersByTime(ms);
}

test('a whole run says how long it usually takes, how far it is, and what was slow [DX-1]', () => {
  const reporter = begin(102);
  reporter.onTestFileStart(fileOf('slow'));
  for (let index = 0; index < 100; index += 1) {
    reporter.onTestFileStart(fileOf(`quick-${index}`));
    pass(10);
    reporter.onTestFileResult(fileOf(`quick-${index}`));
  }
  reporter.onTestFileStart(fileOf('late'));
  pass(29_000);
  pass(60_000);
  reporter.onTestFileResult(fileOf('slow'));
  reporter.onTestFileResult(fileOf('late'));
  reporter.onRunComplete();
  pass(600_000);

  expect(said[0]).toMatch(/^102 files of tests, which usually take \d+ to \d+ minutes on two cores/);
  expect(said.slice(1, -1)).toEqual([
    '100 of 102 files after 30 s; under way: test/slow.test.ts (30 s), test/late.test.ts (29 s)',
    '100 of 102 files after 1 min 30 s; under way: test/slow.test.ts (1 min 30 s), test/late.test.ts (1 min 29 s)',
    '100 of 102 files after 1 min 30 s; under way: test/slow.test.ts (1 min 30 s), test/late.test.ts (1 min 29 s)',
  ]);
  expect(said.at(-1)).toMatch(
    /^all files took 1 min 30 s; the slowest were test\/slow\.test\.ts \(1 min 30 s\), test\/late/,
  );
});

test('a run of a few files only says how far it is, should it take long [DX-1]', () => {
  const reporter = begin(2);
  reporter.onTestFileStart(fileOf('one'));
  pass(30_000);
  reporter.onTestFileResult(fileOf('one'));
  reporter.onRunComplete();

  expect(said).toEqual(['0 of 2 files after 30 s; under way: test/one.test.ts (30 s)']);
});
