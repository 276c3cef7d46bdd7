/** A function as Lambda keeps it: warm instances that are used again, a new one where none is free, up to a limit. */
import { FunctionInstance, type FunctionSettings } from './function-instance.ts';
import type { Reply } from './runtime-api.ts';

export interface FunctionHostOptions extends FunctionSettings {
  /** Invocations at the same time; more wait. */
  readonly concurrency: number;
}

export class FunctionHost {
  /** Whatever the instances wrote, line by line. */
  readonly logs: string[] = [];
  coldStarts = 0;
  /** Overrides the function's own, for tests that cannot wait for it. */
  timeoutMs: number | undefined;
  readonly #options: FunctionHostOptions;
  readonly #idle: FunctionInstance[] = [];
  readonly #busy = new Set<FunctionInstance>();
  readonly #all = new Set<FunctionInstance>();
  /** Of an earlier configuration: they end what they are at, and are not used again. */
  readonly #outdated = new WeakSet<FunctionInstance>();
  #changes: Readonly<Record<string, string>> = {};
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: FunctionHostOptions) {
    this.#options = options;
  }

  async invoke(event: unknown): Promise<Reply> {
    if (this.#running >= this.#options.concurrency) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    this.#running += 1;
    const instance = await this.#take();
    this.#busy.add(instance);
    const { reply, done } = instance.invoke(event, this.timeoutMs);
    void done.then(() => this.#release(instance));
    return reply;
  }

  /** Kills every instance that is at work, as a crash of its machine would. Resolves to how many there were. */
  killBusy(): number {
    const count = this.#busy.size;
    for (const instance of this.#busy) instance.kill();
    return count;
  }

  /** As an update of the function's configuration: from now on new instances are used, with these variables over its own. */
  async reconfigure(changes: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#changes = changes;
    for (const instance of this.#all) this.#outdated.add(instance);
    await Promise.all(this.#idle.splice(0).map((instance) => this.#dismiss(instance)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((instance) => instance.close()));
  }

  async #take(): Promise<FunctionInstance> {
    for (let warm = this.#idle.pop(); warm !== undefined; warm = this.#idle.pop()) if (warm.alive) return warm;
    this.coldStarts += 1;
    const variables = { ...this.#options.variables, ...this.#changes };
    const instance = await FunctionInstance.start({ ...this.#options, variables }, (line) => this.logs.push(line));
    this.#all.add(instance);
    return instance;
  }

  #release(instance: FunctionInstance): void {
    this.#busy.delete(instance);
    this.#running -= 1;
    if (instance.alive && !this.#outdated.has(instance)) this.#idle.push(instance);
    else void this.#dismiss(instance);
    this.#waiting.shift()?.();
  }

  async #dismiss(instance: FunctionInstance): Promise<void> {
    this.#all.delete(instance);
    await instance.close();
  }
}
