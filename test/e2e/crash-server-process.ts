/** `crash-server.ts` in a process of its own: started, restarted on the same data, killed, never left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Effect } from '../support/crash-server.ts';
import { McpPeer } from '../support/mcp-requests.ts';
import type { SharedQueue } from '../support/shared-queue.ts';

const SERVER = fileURLToPath(new URL('../support/crash-server.ts', import.meta.url));
const CRASH_POINTS = new URL('../support/crash-points.ts', import.meta.url).href;

export interface ServerData {
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

export class CrashServerProcess {
  readonly #child: ChildProcess;
  /** Of what listens; `undefined` once it has ended. */
  readonly url: Promise<string | undefined>;
  readonly exited: Promise<void>;
  #stderr = '';
  #ended = false;

  constructor({ address, owner, effects, queue }: ServerData, plan?: CrashPlan) {
    const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
    const env = {
      ...inherited,
      NODE_COMPILE_CACHE: join(tmpdir(), 'mcp-durable-tasks-compile-cache'),
      ...(plan === undefined ? {} : { CRASH_BACKEND: plan.backend, CRASH_TRACE: plan.trace }),
      ...(plan?.at === undefined ? {} : { CRASH_AT: String(plan.at) }),
    };
    const preload = plan === undefined ? [] : ['--import', CRASH_POINTS];
    const shared = queue === undefined ? [] : [JSON.stringify(queue)];
    this.#child = spawn(process.execPath, [...preload, SERVER, address, owner, effects, ...shared], {
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

  get ended(): boolean {
    return this.#ended;
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

/** Asks again until there is an answer that is not `undefined`; rejects after `deadlineMs`. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>, deadlineMs = 20_000): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs} ms`);
    await delay(20);
  }
}
