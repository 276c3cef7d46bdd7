/**
 * Ends every jest run with one line, `N passed, N failed`, and leaves the same numbers in
 * `.cache/test-summary.json` for `.ci/run`. A test file that does not load counts as one
 * failure: its tests never ran, and a sum of tests alone would call that green.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface JestTotals {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

export default class SummaryReporter {
  readonly #folder: string;

  constructor({ rootDir }: { readonly rootDir: string }) {
    this.#folder = join(rootDir, '.cache');
  }

  onRunComplete(_contexts: unknown, totals: JestTotals): void {
    const passed = totals.numPassedTests;
    const failed = totals.numFailedTests + totals.numRuntimeErrorTestSuites;
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'test-summary.json'), `${JSON.stringify({ passed, failed })}\n`);
    // After jest's own summary, so that it is the last line.
    process.once('exit', () => process.stderr.write(`${passed} passed, ${failed} failed\n`));
  }
}
