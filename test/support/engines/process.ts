/**
 * Engines as child processes of the test run: a free port, a start that waits until the engine
 * answers, and a stop that also happens when the run is killed. Also the cache that fetched
 * engines are unpacked into. Knows no engine: see dynamodb-local.ts and redis-server.ts.
 */
import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { present } from '../../../src/present.ts';
import { PATIENCE_MS } from '../until.ts';

const START_TIMEOUT_MS = PATIENCE_MS;
const STOP_TIMEOUT_MS = 10_000;
const KEPT_OUTPUT_CHARACTERS = 2_000;
const TELL_EVERY_MS = 15_000;

/** Ignored by git; shared by all runs of this working copy. */
export const CACHE_FOLDER = fileURLToPath(new URL('../../../.cache/engines', import.meta.url));

export interface EngineCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Resolves to whether the engine answers; a rejection counts as no. */
  readonly answers: () => Promise<boolean>;
  /** Gets what the engine writes, on either of its outputs. */
  readonly said?: (text: string) => void;
  /** Removed when the engine has stopped. */
  readonly scratchFolder?: string;
}

export interface Engine {
  /** As a machine that hangs: `SIGSTOP` and then `SIGCONT`; or one that loses its power. */
  signal(name: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void;
  /** Ends the process and waits for that. Idempotent. */
  stop(): Promise<void>;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * The shell between us and the engine ends it when our end of its standard input closes, so that
 * not even `kill -9` of a test run leaves an engine behind. Asked once, then made to: a Redis
 * that has just begun its append-only file refuses to end.
 */
const GUARD = [
  'exec 3<&0',
  '"$@" 3<&- 4>&- & engine=$!',
  'echo $engine >&4; exec 4>&-',
  '(cat <&3; kill $engine; sleep 2; kill -9 $engine) >/dev/null 2>&1 &',
  'wait $engine',
].join('\n');

const running = new Set<Engine>();
const filling = new Map<string, Promise<string>>();

/** Rejects with one line that says what the engine said, if it ends or stays silent. */
export async function startEngine(engine: EngineCommand): Promise<Engine> {
  const child: Child = spawn('/bin/sh', ['-c', GUARD, engine.name, engine.command, ...engine.args], {
    cwd: engine.cwd,
    env: { ...process.env, ...engine.env },
    // The third is where the guard keeps the first.
    stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'pipe'],
  }) as unknown as Child;
  let pid = 0;
  child.stdio[4]?.on('data', (line: Buffer) => {
    pid = Number(line.toString());
  });
  let output = '';
  const keep = (chunk: Buffer) => {
    const text = chunk.toString();
    output = (output + text).slice(-KEPT_OUTPUT_CHARACTERS);
    engine.said?.(text);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      keep(Buffer.from(error.message));
      resolve();
    });
  });
  const started: Engine = {
    signal(name) {
      process.kill(pid, name);
    },
    async stop() {
      running.delete(started);
      child.stdin.destroy();
      await Promise.race([exited, delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
      if (engine.scratchFolder !== undefined) await rm(engine.scratchFolder, { recursive: true, force: true });
    },
  };
  running.add(started);
  if (await answersInTime(engine, child)) return started;
  await started.stop();
  throw new Error(`${engine.name} did not start (${engine.command}): ${oneLine(output) || 'it said nothing'}`);
}

/** Ends every engine that this process started. */
export async function stopEngines(): Promise<void> {
  await Promise.all([...running].map((engine) => engine.stop()));
}

async function answersInTime(engine: EngineCommand, child: Child): Promise<boolean> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    if (await engine.answers().catch(() => false)) return true;
    await delay(50);
  }
  return false;
}

/** A port that was free a moment ago, on the loopback interface. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/**
 * The folder `name` of the cache, filled by `fill` if it is not there yet, which says that it fetches `what`. It
 * appears whole or not at all, also when several runs fill it at once.
 */
export function cached(name: string, what: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const inHand = filling.get(name) ?? fillOnce(name, what, fill);
  filling.set(name, inHand);
  return inHand;
}

async function fillOnce(name: string, what: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const target = join(CACHE_FOLDER, name);
  if (existsSync(target)) return target;
  await mkdir(dirname(target), { recursive: true });
  const draft = await mkdtemp(`${target}-`);
  try {
    await tellingHowLong(what, () => fill(draft));
    await rename(draft, target).catch((error: unknown) => {
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}

/** A silent minute looks like a hang. */
async function tellingHowLong(what: string, fetching: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  const seconds = () => Math.round((performance.now() - startedAt) / 1_000);
  say(`fetching ${what} into .cache/, this once`);
  const telling = setInterval(() => say(`still fetching ${what}, for ${seconds()} s now`), TELL_EVERY_MS);
  try {
    await fetching();
    say(`fetched ${what} in ${seconds()} s`);
  } finally {
    clearInterval(telling);
  }
}

export interface RunOptions {
  readonly cwd?: string;
  /** On top of this process's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end and resolves to its standard output; rejects with one line. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(command, args, {
      ...present({ cwd: options.cwd }),
      env: { ...process.env, ...options.env },
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    throw new Error(`${command} failed: ${oneLine(said) || String(error)}`, { cause: error });
  }
}

export async function assertSha256(file: string, expected: string): Promise<void> {
  const actual = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (actual !== expected) throw new Error(`${file} is not the pinned file: sha256 ${actual}, expected ${expected}`);
}

/** What fetching and starting engines say, on standard error, one line each. */
export function say(line: string): void {
  process.stderr.write(`engines: ${line}\n`);
}

/** The last thing that was said, without line breaks. */
function oneLine(text: string): string {
  return text
    .trim()
    .split(/\s*\n\s*/)
    .slice(-4)
    .join(' | ')
    .slice(-600);
}
