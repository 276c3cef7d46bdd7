/** `bin/serve.ts` as a process of its own: started, spoken to, signalled, and never left behind. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { present } from '../../src/present.ts';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { McpPeer } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';

const SERVE = fileURLToPath(new URL('../../bin/serve.ts', import.meta.url));

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
      env: { ...inherited, ...COMPILE_CACHE, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...present({ cwd: options.cwd }),
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

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves to the URL once it is printed, which is when the server listens. */
  async url(): Promise<string> {
    await until('the URL', () => {
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

  signal(name: 'SIGTERM' | 'SIGINT' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name);
  }

  /** For `afterEach`: whatever a test left running. */
  async end(): Promise<void> {
    if (!this.#ended) this.signal('SIGKILL');
    await this.exited;
  }
}
