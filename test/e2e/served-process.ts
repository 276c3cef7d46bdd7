/** `bin/serve.ts` as a process of its own: started, spoken to, signalled, and never left behind. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { McpPeer } from '../support/mcp-requests.ts';

const SERVE = fileURLToPath(new URL('../../bin/serve.ts', import.meta.url));
const DEADLINE_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class ServedProcess {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  /** When it has ended and everything that it said has arrived. */
  readonly exited: Promise<Exit>;
  #stdout = '';
  #stderr = '';
  #ended = false;

  constructor(args: readonly string[], options: { readonly env?: Record<string, string>; readonly cwd?: string } = {}) {
    const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
    this.#child = spawn(process.execPath, [SERVE, ...args], {
      env: { ...inherited, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code) => {
        this.#ended = true;
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves to the URL once it is printed, which is when the server listens. */
  async url(): Promise<string> {
    await until('the URL', async () => {
      if (this.#ended) throw new Error(`serve ended: ${this.#stderr}`);
      return this.#stdout.includes('Ctrl-C');
    });
    const [, url] = /^MCP server +(\S+)$/m.exec(this.#stdout) ?? [];
    if (url === undefined) throw new Error(`no URL in: ${this.#stdout}`);
    return url;
  }

  async peer(): Promise<McpPeer> {
    const url = await this.url();
    return new McpPeer((request) => fetch(new Request(url, request)));
  }

  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): void {
    this.#child.kill(name);
  }

  /** For `afterEach`: whatever a test left running. */
  async end(): Promise<void> {
    if (!this.#ended) this.signal('SIGKILL');
    await this.exited;
  }
}

/** Asks again until `condition` holds; throws when it does not within `deadlineMs`. */
export async function until(what: string, condition: () => Promise<boolean>, deadlineMs = DEADLINE_MS): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come about within ${deadlineMs} ms`);
    await delay(20);
  }
}
