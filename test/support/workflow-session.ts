/**
 * A client of workflows on a server that its test holds: gets prompts while the held worker runs, and takes their replies
 * apart. What a reply says in words and what it says for programs is read here from the wire, by literals.
 */
import { asTaskId } from '../../src/domain/task-id.ts';
import { type JsonMap, type McpPeer, RELATED_TASK_KEY, type RequestChanges } from './mcp-requests.ts';
import type { HeldServer } from './mcp-server.ts';

/** A held clock is moved on by this much where a reply waits for nothing that the test could run. */
const LOOK_MS = 500;
/** The client of most tests, as the server knows it. */
const ALICE = { issuer: 'unspecified', subject: 'client alice' };

export interface PromptReply {
  readonly result: JsonMap;
  readonly meta: JsonMap;
  /** `''`: nothing is kept. */
  readonly taskId: string;
  readonly messages: readonly { readonly role: string; readonly content: JsonMap }[];
  /** All that is said in words, by message. */
  readonly words: readonly string[];
  /** What programs read. */
  readonly block: JsonMap;
  /** The same for people and models. */
  readonly list: string;
  readonly pause: JsonMap | undefined;
  readonly statuses: readonly string[];
}

export type Arguments = Readonly<Record<string, string>>;

export class WorkflowSession {
  readonly held: HeldServer;
  readonly peer: McpPeer;

  constructor(held: HeldServer, peer = held.peer) {
    this.held = held;
    this.peer = peer;
  }

  /** Lets the held worker run, and time pass, until an answer is there. */
  async meanwhile<T>(answer: Promise<T>): Promise<T> {
    let isOver = false;
    const over = answer.finally(() => {
      isOver = true;
    });
    // Taken up below: a rejection before that is no unhandled one.
    over.catch(() => undefined);
    while (!isOver) {
      await this.held.runDue();
      await this.held.clock.advance(0);
      if (!isOver) await this.held.clock.advance(LOOK_MS);
    }
    return over;
  }

  /** The prompt's answer, as it is on the wire. */
  ask(name: string, args: Arguments = {}, changes: RequestChanges = {}) {
    const headers = { 'mcp-name': name, ...changes.headers };
    return this.meanwhile(this.peer.ask('prompts/get', { name, arguments: args }, { ...changes, headers }));
  }

  async get(name: string, args: Arguments = {}, changes: RequestChanges = {}): Promise<PromptReply> {
    const { message, text } = await this.ask(name, args, changes);
    if (message?.result === undefined) throw new Error(`prompts/get gave no result: ${text}`);
    return replyIn(message.result);
  }

  /** The prompt again, with its task's id. */
  again(name: string, taskId: string, args: Arguments = {}): Promise<PromptReply> {
    return this.get(name, args, boundTo(taskId));
  }

  /** A tool that is called as a step of the workflow; everything that is due after it is run. */
  async call(tool: string, args: object, taskId: string): Promise<JsonMap> {
    const { message, text } = await this.meanwhile(this.peer.call(tool, { ...args }, boundTo(taskId)));
    if (message?.result === undefined) throw new Error(`${tool} gave no result: ${text}`);
    await this.held.runDue();
    return message.result;
  }

  /** What a client says of a step without a tool; everything that is due after it is run. */
  async report(taskId: string, step: string, result: unknown): Promise<JsonMap> {
    const args = { taskId, step, result };
    const { message, text } = await this.meanwhile(this.peer.call('task_report', args));
    if (message?.result === undefined) throw new Error(`task_report gave no result: ${text}`);
    await this.held.runDue();
    return message.result;
  }

  /** Of the steps of a workflow that is completed; the status of one that has none. */
  async outputs(taskId: string): Promise<readonly unknown[]> {
    const { result } = (await this.peer.task(taskId)) as { result?: { structuredContent: { steps: JsonMap[] } } };
    if (result === undefined) throw new Error(`The workflow of task ${taskId} is not completed.`);
    return result.structuredContent.steps.map(({ status, output }) => output ?? status);
  }

  /** As a worker to which a queue brings it. */
  async run(taskId: string): Promise<void> {
    await this.held.server.runTask({ owner: ALICE, id: asTaskId(taskId) });
    await this.held.runDue();
  }

  /** The task's, with those that no client sees. */
  async allVariables(taskId: string): Promise<JsonMap> {
    return (await this.held.server.store.readVariables({ owner: ALICE, id: asTaskId(taskId) })) as JsonMap;
  }
}

export function boundTo(taskId: string): RequestChanges {
  return { meta: { [RELATED_TASK_KEY]: { taskId } } };
}

export function replyIn(result: JsonMap): PromptReply {
  const messages = result['messages'] as { role: string; content: JsonMap }[];
  const words = messages.flatMap(({ content }) => (typeof content['text'] === 'string' ? [content['text']] : []));
  const meta = (result['_meta'] ?? {}) as JsonMap;
  const json = words.at(-2)?.match(/^```json\n(.*)\n```$/su)?.[1];
  if (json === undefined) throw new Error(`There is no block for programs: ${words.at(-2)}`);
  return {
    result,
    meta,
    taskId: typeof meta['task_id'] === 'string' ? meta['task_id'] : '',
    messages,
    words,
    block: JSON.parse(json) as JsonMap,
    list: words.at(-1) ?? '',
    pause: meta['pause_reason'] as JsonMap | undefined,
    statuses: (meta['steps'] as { name: string; status: string }[]).map(({ name, status }) => `${name}: ${status}`),
  };
}
