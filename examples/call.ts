/**
 * Calls a tool of a running server and waits for its task:
 * `node examples/call.ts profile_csv '{"file":"cities.csv"}'`. The protocol by hand, to show what goes
 * over the wire; hosts use the MCP SDK's client. Forms are filled in at the terminal.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const URL_OF_SERVER = process.env['MCP_URL'] ?? 'http://localhost:3000/mcp';
const PROTOCOL_VERSION = '2026-07-28';

interface Task {
  readonly taskId: string;
  readonly status: 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';
  readonly statusMessage?: string;
  readonly pollIntervalMs?: number;
  readonly inputRequests?: Readonly<Record<string, InputRequest>>;
  readonly result?: ToolResult;
  readonly error?: { readonly message: string };
}

interface InputRequest {
  readonly method: string;
  readonly params?: {
    readonly message?: string;
    readonly requestedSchema?: {
      readonly properties?: Readonly<Record<string, { readonly enum?: readonly string[] }>>;
    };
  };
}

interface ToolResult {
  readonly content: readonly { readonly type: string; readonly text?: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
}

// #region call-request
async function request<Result>(method: string, params: Record<string, unknown>): Promise<Result> {
  const response = await fetch(URL_OF_SERVER, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': PROTOCOL_VERSION,
      'mcp-method': method,
      'mcp-name': String(method === 'tools/call' ? params['name'] : params['taskId']),
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
          'io.modelcontextprotocol/clientInfo': { name: 'example-caller', version: '1.0.0' },
          'io.modelcontextprotocol/clientCapabilities': {
            extensions: { 'io.modelcontextprotocol/tasks': {} },
            // Forms: tasks ask a client only for what it declares.
            elicitation: {},
          },
          ...(params['_meta'] as object | undefined),
        },
      },
    }),
  });
  const { result, error } = (await response.json()) as { result?: Result; error?: { message: string } };
  if (result === undefined) throw new Error(error?.message ?? `HTTP status ${response.status}`);
  return result;
}
// #endregion

// #region call-task
async function callAndWait(name: string, args: unknown): Promise<ToolResult> {
  const called = await request<Task | ToolResult>('tools/call', { name, arguments: args });
  if (!('taskId' in called)) return called;
  const { taskId } = called;
  process.stderr.write(`task ${taskId}\n`);
  for (;;) {
    const task = await request<Task>('tasks/get', { taskId });
    switch (task.status) {
      case 'completed':
        return task.result ?? { content: [] };
      case 'failed':
        throw new Error(task.error?.message);
      case 'cancelled':
        throw new Error('the task was cancelled');
      case 'input_required':
        await request('tasks/update', { taskId, inputResponses: await answersTo(task.inputRequests ?? {}) });
        break;
      case 'working':
        if (task.statusMessage !== undefined) process.stderr.write(`${task.statusMessage}\n`);
    }
    await delay(task.pollIntervalMs ?? 1_000);
  }
}
// #endregion

/** One for the whole run: lines that come early wait here for their question. */
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function answersTo(requests: Readonly<Record<string, InputRequest>>): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const [key, { method, params }] of Object.entries(requests)) {
    if (method !== 'elicitation/create') throw new Error(`this caller cannot answer ${method}`);
    process.stderr.write(`${params?.message ?? ''} An empty line declines.\n`);
    const content: Record<string, string> = {};
    for (const [field, { enum: choices }] of Object.entries(params?.requestedSchema?.properties ?? {})) {
      process.stderr.write(`  ${field}${choices === undefined ? '' : ` (${choices.join(', ')})`}: `);
      content[field] = (await lines.next()).value ?? '';
    }
    answers[key] = Object.values(content).includes('') ? { action: 'decline' } : { action: 'accept', content };
  }
  return answers;
}

const [tool, json = '{}'] = process.argv.slice(2);
try {
  if (tool === undefined) throw new Error('name a tool, e.g. profile_csv \'{"file":"cities.csv"}\'');
  const { content, structuredContent, isError = false } = await callAndWait(tool, JSON.parse(json));
  for (const { text } of content) if (text !== undefined) process.stdout.write(`${text}\n`);
  if (structuredContent !== undefined) process.stdout.write(`${JSON.stringify(structuredContent, null, 2)}\n`);
  process.exit(isError ? 1 : 0);
} catch (error) {
  const { message, cause } = error as Error;
  process.stderr.write(
    `call: ${cause instanceof Error ? `${URL_OF_SERVER} does not answer (${cause.message})` : message}\n`,
  );
  process.exit(1);
}
