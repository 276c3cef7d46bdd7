/** `crash-server.ts` in a process of its own: started, restarted on the same data, killed, never left behind. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { present } from '../../src/present.ts';
import type { Effect } from '../support/effects.ts';
import { McpPeer } from '../support/mcp-requests.ts';
import type { SharedQueue } from '../support/shared-queue.ts';

const PROGRAMS = ['crash-server', 'crash-points'].map((name) =>
  fileURLToPath(new URL(`../support/${name}.ts`, import.meta.url)),
);
/** Nobody takes a task from a process that lives, however long the machine keeps it from the processor. */
const LONG_LEASE_MS = 600_000;

/** The server's programs, bundled: there are hundreds of processes, and so each starts in half the time. */
export interface CrashServerPrograms {
  readonly folder: string;
  dispose(): Promise<void>;
}

export async function bundleCrashServer(): Promise<CrashServerPrograms> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-durable-tasks-crash-server-'));
  await build({
    entryPoints: PROGRAMS,
    outdir: folder,
    bundle: true,
    // What both load is there once: the one wraps classes that the other uses.
    splitting: true,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    platform: 'node',
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'error',
  });
  return { folder, dispose: () => rm(folder, { recursive: true }) };
}

export interface ServerData {
  readonly programs: CrashServerPrograms;
  /** As `openBackend` takes it. */
  readonly address: string;
  /** Keeps runs on one shared engine apart. */
  readonly owner: string;
  /** The file of side effects. */
  readonly effects: string;
  /** Absent: each server has a queue of its own. */
  readonly queue?: SharedQueue;
}

export interface CrashPlan {
  /** Driver whose writes are boundaries. */
  readonly backend: string;
  /** Where each boundary is noted. */
  readonly trace: string;
  /** Number of the boundary at which the process is killed; absent: none. */
  readonly at?: number;
}

export interface CrashServerOptions {
  readonly plan?: CrashPlan | undefined;
  /** Short for a process that will be killed, so that its tasks are soon another's. @default long */
  readonly leaseMs?: number;
}

export class CrashServerProcess {
  readonly #child: ChildProcess;
  /** Of what listens; `undefined` once it has ended. */
  readonly url: Promise<string | undefined>;
  readonly exited: Promise<void>;
  #stderr = '';
  #ended = false;

  constructor(
    { programs, address, owner, effects, queue }: ServerData,
    { plan, leaseMs = LONG_LEASE_MS }: CrashServerOptions = {},
  ) {
    const program = (name: string) => join(programs.folder, `${name}.mjs`);
    const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
    const env = {
      ...inherited,
      NODE_COMPILE_CACHE: join(programs.folder, 'compile-cache'),
      CRASH_LEASE_MS: String(leaseMs),
      ...present({ CRASH_BACKEND: plan?.backend, CRASH_TRACE: plan?.trace, CRASH_AT: plan?.at?.toString() }),
    };
    const preload = plan === undefined ? [] : ['--import', pathToFileURL(program('crash-points')).href];
    const shared = queue === undefined ? [] : [JSON.stringify(queue)];
    this.#child = spawn(process.execPath, [...preload, program('crash-server'), address, owner, effects, ...shared], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.exited = once(this.#child, 'close').then(() => {
      this.#ended = true;
    });
    let stdout = '';
    this.url = new Promise((resolve) => {
      this.#child.stdout?.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
        const [, url] = /^listening at (\S+)\n/m.exec(stdout) ?? [];
        if (url !== undefined) resolve(url);
      });
      void this.exited.then(() => resolve(undefined));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it complained of, which should be nothing. */
  get stderr(): string {
    return this.#stderr;
  }

  async peer(): Promise<McpPeer> {
    const url = await this.url;
    if (url === undefined) throw new Error(`The server has ended: ${this.#stderr}`);
    return new McpPeer((request) => fetch(new Request(url, request)));
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGKILL');
    await this.exited;
  }
}

export async function readEffects(file: string): Promise<Effect[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Effect);
}
