/**
 * What a client does with a workflow, with the official client of either era: gets its prompt, calls tools for it, looks at
 * its task, answers what it asks. The two differ in how tasks are reached, and that is all that a test need not know.
 */
import {
  Client,
  type GetPromptResult,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client';
import * as z from 'zod';
import { type JsonMap, RELATED_TASK_KEY } from './mcp-requests.ts';
import { connectOfficialClient, fetchHere, type OfficialClient } from './official-client.ts';
import { connectOfficialStdioClient, type SpawnedServer, transportTo } from './official-stdio-client.ts';
import { until } from './until.ts';

export const ERAS = ['2026-07-28', '2025-11-25'] as const;
export type Era = (typeof ERAS)[number];

/** What a person fills in, by the question. */
export type Answers = Readonly<Record<string, JsonMap>>;

export interface PlainClient extends AsyncDisposable {
  readonly client: Client;
  /** `taskId`: to go on with. */
  prompt(name: string, args?: Readonly<Record<string, string>>, taskId?: string): Promise<Reply>;
  /** Resolves to the JSON that the tool says. */
  call(name: string, args: JsonMap, taskId?: string): Promise<unknown>;
}

export interface WorkflowClient extends PlainClient {
  task(taskId: string): Promise<JsonMap>;
  /** Answers whatever the task asks until it has ended; resolves to the tool's result that it ended with. */
  result(taskId: string, answers?: Answers): Promise<JsonMap>;
}

export interface Reply {
  readonly taskId: string;
  readonly status: string;
  /** By step. */
  readonly steps: Readonly<Record<string, string>>;
  readonly pause: JsonMap | undefined;
  /** The machine-readable block. */
  readonly block: JsonMap;
  /** All that is said in words. */
  readonly text: string;
  readonly messages: GetPromptResult['messages'];
}

export function readReply({ messages, _meta: meta = {} }: GetPromptResult): Reply {
  const said = messages.flatMap(({ content }) => (content.type === 'text' ? [content.text] : []));
  const [, block = '{}'] = /```json\n(.*)\n```/su.exec(said.join('\n')) ?? [];
  const steps = meta['steps'] as { name: string; status: string }[];
  return {
    taskId: String(meta['task_id']),
    status: String(meta['task_status']),
    steps: Object.fromEntries(steps.map(({ name, status }) => [name, status])),
    pause: meta['pause_reason'] as JsonMap | undefined,
    block: JSON.parse(block) as JsonMap,
    text: said.join('\n'),
    messages,
  };
}

/** The JSON that a tool's result says, in its only text. */
export function jsonIn(result: unknown): unknown {
  const { content = [] } = result as { content?: readonly { readonly text?: string }[] };
  return JSON.parse(content[0]?.text ?? 'null');
}

export function relatedMeta(taskId: string | undefined): { _meta?: JsonMap } {
  return taskId === undefined ? {} : { _meta: { [RELATED_TASK_KEY]: { taskId } } };
}

/** Over HTTP. */
export async function connectWorkflowClient(url: string, era: Era): Promise<WorkflowClient> {
  if (era === '2026-07-28') return modern(await connectOfficialClient(url, 'workflows'));
  return legacy(new StreamableHTTPClientTransport(new URL(url), { fetch: fetchHere }));
}

/** Over stdio, to a process that it starts. */
export async function connectWorkflowStdioClient(server: SpawnedServer, era: Era): Promise<WorkflowClient> {
  return era === '2026-07-28' ? modern(await connectOfficialStdioClient(server)) : legacy(transportTo(server));
}

/** Over stdio, by a client that knows no tasks and cannot ask anybody anything. */
export async function connectPlainStdioClient(server: SpawnedServer, era: Era): Promise<PlainClient> {
  const client = new Client(
    { name: 'plain-client', version: '1.0.0' },
    { capabilities: {}, versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' } },
  );
  await client.connect(transportTo(server));
  return { ...promptsAndCalls(client), [Symbol.asyncDispose]: () => client.close() };
}

function promptsAndCalls(client: Client): Omit<PlainClient, typeof Symbol.asyncDispose> {
  return {
    client,
    prompt: async (name, args = {}, taskId?: string) =>
      readReply(await client.getPrompt({ name, arguments: { ...args }, ...relatedMeta(taskId) })),
    call: async (name, args, taskId) =>
      jsonIn(await client.callTool({ name, arguments: args, ...relatedMeta(taskId) })),
  };
}

function modern(connected: OfficialClient): WorkflowClient {
  const { client, session } = connected;
  // The requester brands the ids that it has seen itself; this one came with a prompt.
  const handleOf = (taskId: string) => session.task(taskId as never);
  const task = async (taskId: string) => (await handleOf(taskId).snapshot()).raw as unknown as JsonMap;
  return {
    ...promptsAndCalls(client),
    task,
    result: async (taskId, answers = {}) => {
      const handle = handleOf(taskId);
      return until('the end of the task', async () => {
        const now = await task(taskId);
        if (now['status'] === 'input_required') await handle.update(responsesTo(now, answers));
        return now['status'] === 'completed' ? (now['result'] as JsonMap) : undefined;
      });
    },
    [Symbol.asyncDispose]: () => connected[Symbol.asyncDispose](),
  };
}

function responsesTo({ inputRequests }: JsonMap, answers: Answers): Record<string, never> {
  const asked = Object.entries((inputRequests ?? {}) as Record<string, { params: { message: string } }>);
  return Object.fromEntries(
    asked.map(([key, { params }]) => [key, { action: 'accept', content: answers[params.message] ?? {} } as never]),
  );
}

async function legacy(transport: Transport): Promise<WorkflowClient> {
  const client = new Client(
    { name: 'official-client', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} } }, versionNegotiation: { mode: 'legacy' } },
  );
  let answers: Answers = {};
  client.setRequestHandler('elicitation/create', async ({ params }) => ({
    action: 'accept' as const,
    content: (answers[params.message] ?? {}) as never,
  }));
  await client.connect(transport);
  const raw = z.looseObject({});
  const ask = async (method: string, params: object) =>
    (await client.request({ method, params: { ...params } }, raw)) as unknown as JsonMap;
  return {
    ...promptsAndCalls(client),
    task: (taskId) => ask('tasks/get', { taskId }),
    // The server asks on the way to it.
    result: (taskId, given = {}) => {
      answers = given;
      return ask('tasks/result', { taskId });
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}
