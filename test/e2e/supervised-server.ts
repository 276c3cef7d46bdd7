/** A server that dies and is started again, and what it takes to have many of them do so. */
import { setTimeout as delay } from 'node:timers/promises';
import type { McpPeer, RpcMessage } from '../support/mcp-requests.ts';
import { PATIENCE_MS } from '../support/until.ts';
import { type CrashPlan, CrashServerProcess, type ServerData } from './crash-server-process.ts';

/** A run must be over by then; usually it takes three seconds. */
export const RUN_LIMIT_MS = 2 * PATIENCE_MS;
export const POLL_EVERY_MS = 60;
/** Of a process that will be killed. */
const SHORT_LEASE_MS = 1_000;

/** A server that is started again whenever it has died; the first process, or the first two, may be told where to die. */
export class Supervised {
  readonly #data: ServerData;
  readonly #plans: CrashPlan[];
  #process: CrashServerProcess;
  #over = false;
  kills = 0;
  readonly pids: number[] = [];
  complaints = '';

  constructor(data: ServerData, plans: readonly CrashPlan[]) {
    this.#data = data;
    this.#plans = [...plans];
    this.#process = this.#start();
  }

  #start(): CrashServerProcess {
    const plan = this.#plans.shift();
    const process = new CrashServerProcess(
      this.#data,
      plan?.at === undefined ? { plan } : { plan, leaseMs: SHORT_LEASE_MS },
    );
    this.pids.push(process.pid);
    void process.exited.then(() => {
      this.complaints += process.stderr;
      if (this.#over) return;
      this.kills += 1;
      this.#process = this.#start();
    });
    return process;
  }

  /** Asks until a server answers, whichever process that is. */
  async ask(work: (peer: McpPeer) => Promise<RpcMessage | undefined>): Promise<RpcMessage> {
    const deadline = performance.now() + RUN_LIMIT_MS;
    for (;;) {
      try {
        const answer = await work(await this.#process.peer());
        if (answer !== undefined) return answer;
      } catch (error) {
        // No connection, or one that broke off: nobody knows whether the request arrived.
        if (performance.now() > deadline) throw new Error('The server does not answer any more.', { cause: error });
      }
      await delay(POLL_EVERY_MS);
    }
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#process.kill();
  }
}

export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: limit }, worker));
  return results;
}

/** At most `count` of the numbers from 1 to `last`, evenly. */
export function sample(last: number, count: number): number[] {
  if (last <= count) return Array.from({ length: last }, (_, index) => index + 1);
  return Array.from({ length: count }, (_, index) => 1 + Math.round((index * (last - 1)) / (count - 1)));
}
