/**
 * Tells whoever runs the tests how long they usually take, every half minute how far they are and what is under way,
 * and at the end which files were slow. Only where jest draws no status of its own, and not of a few files.
 */
import { relative } from 'node:path';

/** Measured, and to be measured again when it is wrong. */
const USUALLY = '20 to 30 minutes on two cores, and longer where others want the processor';
/** From here on it is more or less the whole suite. */
const MANY_FILES = 100;
const EVERY_MS = 30_000;
const SHOWN_SLOWEST = 5;
const SHOWN_UNDER_WAY = 4;

interface Files {
  readonly numTotalTestSuites: number;
}

interface TestFile {
  readonly path: string;
}

export interface ProgressReporterOptions {
  readonly say: (line: string) => void;
  /** Milliseconds that only count up. */
  readonly elapsedMs: () => number;
}

export default class ProgressReporter {
  readonly #rootDir: string;
  readonly #options: ProgressReporterOptions;
  readonly #underWay = new Map<string, number>();
  readonly #took: { readonly file: string; readonly ms: number }[] = [];
  #startedAt = 0;
  #total = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    { rootDir }: { readonly rootDir: string },
    { say = toStandardError, elapsedMs = () => performance.now() }: Partial<ProgressReporterOptions> = {},
  ) {
    this.#rootDir = rootDir;
    this.#options = { say, elapsedMs };
  }

  onRunStart({ numTotalTestSuites }: Files): void {
    this.#total = numTotalTestSuites;
    this.#startedAt = this.#options.elapsedMs();
    if (numTotalTestSuites >= MANY_FILES)
      this.#options.say(`${numTotalTestSuites} files of tests, which usually take ${USUALLY}`);
    this.#timer = setInterval(() => this.#tellProgress(), EVERY_MS);
    this.#timer.unref();
  }

  onTestFileStart({ path }: TestFile): void {
    this.#underWay.set(path, this.#options.elapsedMs());
  }

  onTestFileResult({ path }: TestFile): void {
    const ms = this.#options.elapsedMs() - (this.#underWay.get(path) ?? this.#startedAt);
    this.#underWay.delete(path);
    this.#took.push({ file: this.#nameOf(path), ms });
  }

  onRunComplete(): void {
    clearInterval(this.#timer);
    if (this.#took.length < MANY_FILES) return;
    const slowest = this.#took.toSorted((one, other) => other.ms - one.ms).slice(0, SHOWN_SLOWEST);
    const list = slowest.map(({ file, ms }) => `${file} (${inWords(ms)})`).join(', ');
    this.#options.say(`all files took ${this.#sinceStart()}; the slowest were ${list}`);
  }

  #tellProgress(): void {
    const now = this.#options.elapsedMs();
    const longest = [...this.#underWay].toSorted(([, one], [, other]) => one - other).slice(0, SHOWN_UNDER_WAY);
    const list = longest.map(([path, since]) => `${this.#nameOf(path)} (${inWords(now - since)})`).join(', ');
    this.#options.say(
      `${this.#took.length} of ${this.#total} files after ${this.#sinceStart()}${list === '' ? '' : `; under way: ${list}`}`,
    );
  }

  #sinceStart(): string {
    return inWords(this.#options.elapsedMs() - this.#startedAt);
  }

  #nameOf(path: string): string {
    return relative(this.#rootDir, path);
  }
}

function inWords(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

function toStandardError(line: string): void {
  if (!process.stderr.isTTY) process.stderr.write(`tests: ${line}\n`);
}
