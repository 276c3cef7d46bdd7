/**
 * A task server that a test holds in its hand: its clock stands still, and nothing runs until the test
 * says so, so that what is stored changes only by what the test does.
 */
import { MemoryBackend } from '../../src/backends/memory.ts';
import type { TaskRef } from '../../src/domain/task.ts';
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import type { AnyTool } from '../../src/protocol/tool.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import type { TaskQueue } from '../../src/runtime/queues/queue.ts';
import { createTaskServer, type TaskServer, type TaskServerOptions } from '../../src/server/create-task-server.ts';
import { ManualClock, manualRandom } from '../../src/testing/manual-clock.ts';
import { credentials, McpPeer } from './mcp-requests.ts';

/** Keeps what is due until the test runs it. */
export class HandQueue implements TaskQueue {
  readonly #waiting = new Map<string, { readonly ref: TaskRef; readonly notBefore: number }>();
  readonly #watchers: (() => void)[] = [];

  async enqueue(ref: TaskRef, { notBefore }: { readonly notBefore: number }): Promise<void> {
    const known = this.#waiting.get(ref.id);
    this.#waiting.set(ref.id, { ref, notBefore: Math.min(notBefore, known?.notBefore ?? notBefore) });
    for (const watcher of this.#watchers.splice(0)) watcher();
  }

  /** Resolves once something is in the queue. */
  filled(): Promise<void> {
    if (this.#waiting.size > 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#watchers.push(resolve);
    });
  }

  takeDue(now: number): TaskRef | undefined {
    for (const [id, { ref, notBefore }] of this.#waiting) {
      if (notBefore > now) continue;
      this.#waiting.delete(id);
      return ref;
    }
    return undefined;
  }
}

export interface HeldServer {
  readonly server: TaskServer;
  readonly backend: MemoryBackend;
  readonly clock: ManualClock;
  readonly queue: HandQueue;
  /** The client of most tests. */
  readonly peer: McpPeer;
  as(authInfo: AuthInfo | undefined): McpPeer;
  /** Runs whatever is due, until nothing is. */
  runDue(): Promise<void>;
  /** Every record that is stored, by its place. */
  stored(): Promise<ReadonlyMap<string, string>>;
}

/** `before`: a server that this one takes over from, with all that is stored. */
export function holdServer(
  tools: readonly AnyTool[],
  options: Partial<TaskServerOptions> = {},
  before?: Pick<HeldServer, 'clock' | 'backend'>,
): HeldServer {
  const clock = before?.clock ?? new ManualClock();
  const backend = before?.backend ?? new MemoryBackend({ clock });
  const queue = new HandQueue();
  const server = createTaskServer({
    name: 'held-server',
    version: '1.2.3',
    logger: silentLogger,
    // Nobody moves the clock on while a run could suspend.
    graceMs: 0,
    tools,
    backend,
    queue,
    clock,
    random: manualRandom(before === undefined ? 1 : 2),
    ...options,
  });
  return {
    server,
    backend,
    clock,
    queue,
    peer: new McpPeer(server.fetch, credentials('alice')),
    as: (authInfo) => new McpPeer(server.fetch, authInfo),
    runDue: async () => {
      for (let ref = queue.takeDue(clock.now()); ref !== undefined; ref = queue.takeDue(clock.now())) {
        await server.runTask(ref);
      }
    },
    stored: () => recordsOf(backend),
  };
}

export async function recordsOf(backend: MemoryBackend): Promise<ReadonlyMap<string, string>> {
  const records = new Map<string, string>();
  for (const partition of backend.partitions()) {
    let after: string | undefined;
    do {
      const page = await backend.list(partition, { limit: 1000, after });
      for (const { id, version, value } of page.records) {
        // A count that went up and down again is what it was; any other record must not even be written anew.
        records.set(JSON.stringify([partition, id]), id === 'active' ? value : `${version} ${value}`);
      }
      after = page.next;
    } while (after !== undefined);
  }
  return records;
}
