/**
 * The examples as a client sees them: a real task server over memory, spoken to through its HTTP face.
 * Its clock is the test's, so that waits of minutes and retries pass at once; files are read for real.
 */
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { createTaskServer, type TaskServer, type TaskServerOptions } from '../../../src/server/create-task-server.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { type JsonMap, McpPeer, RELATED_TASK_KEY } from '../../support/mcp-requests.ts';
import { PATIENCE_MS } from '../../support/until.ts';

const CLOCK_STEP_MS = 500;

export interface ToolResult {
  readonly content: readonly { readonly text: string }[];
  readonly structuredContent?: JsonMap;
  readonly isError?: boolean;
}

export class ExampleServer {
  readonly clock = new ManualClock();
  readonly peer: McpPeer;
  readonly #server: TaskServer;

  constructor(tools: readonly AnyTool[], more: Pick<TaskServerOptions, 'workflows' | 'resources'> = {}) {
    const backend = new MemoryBackend({ clock: this.clock });
    this.#server = createTaskServer({
      name: 'examples',
      logger: silentLogger,
      version: '1.0.0',
      tools,
      ...more,
      backend,
      clock: this.clock,
      allowAnonymous: true,
    });
    this.peer = new McpPeer(this.#server.fetch);
  }

  async start(): Promise<this> {
    await this.#server.start();
    return this;
  }

  /** Lets time pass until the task waits for a person or has ended, and resolves to it. */
  async settled(taskId: string): Promise<JsonMap> {
    return this.when(taskId, (task) => task['status'] !== 'working');
  }

  /** Lets time pass until the task is as wanted. */
  async when(taskId: string, condition: (task: JsonMap) => boolean): Promise<JsonMap> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const task = await this.peer.task(taskId);
      if (condition(task)) return task;
      if (performance.now() > deadline) throw new Error(`The task did not get there: ${JSON.stringify(task)}`);
      await this.clock.advance(CLOCK_STEP_MS);
    }
  }

  /** Calls a tool and resolves to what its task ends with. */
  async run(name: string, args: Readonly<Record<string, unknown>>): Promise<ToolResult> {
    const task = await this.settled(await this.peer.createTask(name, args));
    if (task['status'] !== 'completed') throw new Error(`The task did not complete: ${JSON.stringify(task)}`);
    return task['result'] as unknown as ToolResult;
  }

  /** Gets a workflow's prompt, or goes on with `taskId`; time passes until the server can do no more by itself. */
  async prompt(name: string, args: Readonly<Record<string, string>>, taskId?: string): Promise<JsonMap> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let [given, id] = [args, taskId]; ; given = {}) {
      const reply = await this.#promptOnce(name, given, id);
      const { task_id, pause_reason } = reply['_meta'] as { task_id?: string; pause_reason?: { type: string } };
      // More of the clock's time than of the machine's may have passed.
      if (pause_reason?.type !== 'timeBudget') return reply;
      if (performance.now() > deadline) throw new Error(`The server is still at it: ${JSON.stringify(reply)}`);
      id = task_id;
    }
  }

  async #promptOnce(name: string, args: Readonly<Record<string, string>>, taskId?: string): Promise<JsonMap> {
    const meta = taskId === undefined ? {} : { [RELATED_TASK_KEY]: { taskId } };
    let isAnswered = false;
    const answered = this.peer
      .ask('prompts/get', { name, arguments: args }, { meta, headers: { 'mcp-name': name } })
      .finally(() => {
        isAnswered = true;
      });
    const deadline = performance.now() + PATIENCE_MS;
    while (!isAnswered && performance.now() < deadline) await this.clock.advance(CLOCK_STEP_MS);
    const { message } = await answered;
    if (message?.result === undefined) throw new Error(message?.error?.message);
    return message.result;
  }

  async stop(): Promise<void> {
    const drained = this.#server.drain();
    await this.clock.advance(10_000);
    await drained;
  }
}
