/** `bin/serve.ts --stdio` as a process of its own, as a host starts it: spoken to, signalled, and never left behind. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { present } from '../../src/present.ts';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { type PeerOptions, StdioPeer } from '../support/stdio-peer.ts';

export const SERVE = fileURLToPath(new URL('../../bin/serve.ts', import.meta.url));

export interface StdioExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export interface StdioProcessOptions extends PeerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** @default bin/serve.ts */
  readonly program?: string;
}

export class StdioProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly peer: StdioPeer;
  /** When it has ended and everything that it said has arrived. */
  readonly exited: Promise<StdioExit>;
  #stderr = '';
  #ended = false;

  constructor(args: readonly string[], options: StdioProcessOptions = {}) {
    const { env, cwd, program = SERVE, ...peerOptions } = options;
    const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
    this.#child = spawn(process.execPath, [program, '--stdio', ...args], {
      env: { ...inherited, ...COMPILE_CACHE, ...env },
      ...present({ cwd }),
    });
    this.peer = new StdioPeer(this.#child.stdin, this.#child.stdout, peerOptions);
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#ended = true;
        resolve({ code, signal, stderr: this.#stderr });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get stderr(): string {
    return this.#stderr;
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
