/** The soak's worker processes: started, killed without warning, started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { WorkerSettings } from './soak-settings.ts';

const PROGRAM = fileURLToPath(new URL('./soak-worker.ts', import.meta.url));

interface Worker {
  readonly child: ChildProcess;
  readonly url: string;
}

export class Workers {
  readonly #settings: WorkerSettings;
  readonly #slots: (Worker | undefined)[];
  #closed = false;
  #kills = 0;

  static async start(count: number, settings: WorkerSettings): Promise<Workers> {
    const workers = new Workers(count, settings);
    await Promise.all(workers.#slots.map((_, slot) => workers.#fill(slot)));
    return workers;
  }

  private constructor(count: number, settings: WorkerSettings) {
    this.#settings = settings;
    this.#slots = Array.from({ length: count }, () => undefined);
  }

  get kills(): number {
    return this.#kills;
  }

  /** Of a worker that is up, chosen by a number from 0 to 1; `undefined` when none is. */
  url(choice: number): string | undefined {
    const up = this.#slots.filter((worker) => worker !== undefined);
    return up[Math.floor(choice * up.length)]?.url;
  }

  /** SIGKILL, and a new process in its place. Resolves when that one is up. */
  async kill(choice: number): Promise<void> {
    const slot = Math.floor(choice * this.#slots.length);
    const worker = this.#slots[slot];
    if (worker === undefined) return;
    this.#slots[slot] = undefined;
    this.#kills += 1;
    worker.child.kill('SIGKILL');
    await this.#fill(slot);
  }

  close(): void {
    this.#closed = true;
    for (const worker of this.#slots) worker?.child.kill('SIGKILL');
  }

  async #fill(slot: number): Promise<void> {
    const child = fork(PROGRAM, [JSON.stringify(this.#settings)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { port: number }).port));
      child.once('exit', (code) => reject(new Error(`A worker ended by itself, with code ${code}.`)));
    });
    if (this.#closed) child.kill('SIGKILL');
    else this.#slots[slot] = { child, url: `http://127.0.0.1:${port}/mcp` };
  }
}
