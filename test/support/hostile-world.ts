/**
 * A server with one task of each kind that hostile requests are aimed at: one that waits for input, one that
 * has ended, one of somebody else, one that has expired; and tools that do what they can with what they get.
 */
import * as z from 'zod';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import {
  credentials,
  type Json,
  type JsonMap,
  type McpAnswer,
  type McpPeer,
  type RequestChanges,
} from './mcp-requests.ts';
import { type HeldServer, holdServer } from './mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });

export const greet = defineTaskTool({
  name: 'greet',
  description: 'Greets.',
  inputSchema: z.object({ name: z.string() }),
  run: async ({ name }) => text(`Hello, ${name}!`),
});

export const keepAll = defineTaskTool({
  name: 'keep_all',
  description: 'Merges what it is given into its variables, whatever that is.',
  inputSchema: z.looseObject({}),
  run: async (values, task) => {
    await task.variables.merge(values as JsonMap);
    return text('kept');
  },
});

export const keepJson = defineTaskTool({
  name: 'keep_json',
  description: 'Merges JSON that hides in a string, past every check of arguments.',
  inputSchema: z.object({ json: z.string() }),
  run: async ({ json }, task) => {
    await task.variables.merge(JSON.parse(json) as JsonMap);
    return text('kept');
  },
});

export const FORM = { type: 'object', properties: { approved: { type: 'boolean' } }, required: ['approved'] };

export const ask = defineTaskTool({
  name: 'ask',
  description: 'Asks for all there is to ask for, and says what it was told.',
  taskSupport: 'required',
  inputSchema: z.object({}),
  run: async (_args, task) => {
    const answers = await Promise.all([
      task.elicit({ message: 'Approve?', requestedSchema: FORM }),
      task.listRoots(),
      task.sample({ messages: [{ role: 'user', content: { type: 'text', text: 'Hi' } }], maxTokens: 5 }),
    ]);
    return text(JSON.stringify(answers));
  },
});

export const shortLived = defineTaskTool({
  name: 'short_lived',
  description: 'Its tasks expire soon.',
  inputSchema: z.object({}),
  runDeadlineMs: 1000,
  retentionMs: 1000,
  run: async () => text('soon gone'),
});

export interface Waiting {
  readonly taskId: string;
  /** Keys of the outstanding inputs. */
  readonly form: string;
  readonly roots: string;
  readonly sampling: string;
}

export interface HostileWorld extends HeldServer {
  /** Well-formed, and never given to anybody. */
  readonly unknown: string;
  readonly waiting: Waiting;
  readonly ended: string;
  readonly foreign: string;
  readonly expired: string;
  update(inputResponses: unknown, changes?: RequestChanges): Promise<McpAnswer>;
}

export async function hostileWorld(): Promise<HostileWorld> {
  const held = holdServer([greet, keepAll, keepJson, ask, shortLived]);
  const expired = await held.peer.createTask('short_lived');
  await held.runDue();
  await held.clock.advance(2001);
  const foreign = await held.as(credentials('bob')).createTask('ask');
  const ended = await held.peer.createTask('ask');
  await held.peer.result('tasks/cancel', { taskId: ended });
  const waiting = await createWaiting(held, held.peer);
  return {
    ...held,
    unknown: '0'.repeat(44),
    waiting,
    ended,
    foreign,
    expired,
    update: (inputResponses, changes) =>
      held.peer.ask('tasks/update', { taskId: waiting.taskId, inputResponses }, changes),
  };
}

/** A task that waits for a form, for roots and for the client's model. */
export async function createWaiting(held: HeldServer, peer: Pick<McpPeer, 'createTask' | 'task'>): Promise<Waiting> {
  const taskId = await peer.createTask('ask');
  await held.runDue();
  const { inputRequests } = await peer.task(taskId);
  const keyOf = (method: string) => {
    const found = Object.entries(inputRequests as Record<string, { method: string }>).find(
      ([, it]) => it.method === method,
    );
    if (found === undefined) throw new Error(`Nothing asks for ${method}.`);
    return found[0];
  };
  return {
    taskId,
    form: keyOf('elicitation/create'),
    roots: keyOf('roots/list'),
    sampling: keyOf('sampling/createMessage'),
  };
}

/** JSON as a client writes it: `__proto__` is a key like any other. */
export function parsed(json: string): Json {
  return JSON.parse(json) as Json;
}
