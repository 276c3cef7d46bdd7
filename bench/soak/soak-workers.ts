/** The processes of a soak: started, killed without warning, started again. Each sends its URL once it listens. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface WorkersOptions {
  /** Beside this file. It gets the settings as JSON in its argument. */
  readonly program: string;
  readonly count: number;
  readonly settings: object;
}

interface Worker {
  readonly child: ChildProcess;
  readonly url: string;
}

export class Workers {
  readonly #program: string;
  readonly #settings: string;
  readonly #slots: (Worker | undefined)[];
  #closed = false;
  #kills = 0;

  static async start(options: WorkersOptions): Promise<Workers> {
    const workers = new Workers(options);
    await Promise.all(workers.#slots.map((_, slot) => workers.#fill(slot)));
    return workers;
  }

  private constructor({ program, count, settings }: WorkersOptions) {
    this.#program = fileURLToPath(new URL(program, import.meta.url));
    this.#settings = JSON.stringify(settings);
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
    const child = fork(this.#program, [this.#settings], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { url: string }).url));
      child.once('exit', (code) => reject(new Error(`A worker ended by itself, with code ${code}.`)));
    });
    if (this.#closed) child.kill('SIGKILL');
    else this.#slots[slot] = { child, url };
  }
}
