/**
 * A minimal MCP client of the 2026-07-28 era for the benchmarks: one JSON-RPC request at a time,
 * over HTTP or straight into a `fetch` handler, with no cost of its own worth measuring. Not the
 * official client: the end-to-end tests use that one.
 */
import type { JsonObject, JsonValue } from '../src/index.ts';
import { present } from '../src/present.ts';

const PROTOCOL_VERSION = '2026-07-28';

const ENVELOPE = {
  'io.modelcontextprotocol/protocolVersion': PROTOCOL_VERSION,
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {
    extensions: { 'io.modelcontextprotocol/tasks': {} },
    elicitation: { form: {}, url: {} },
    sampling: { tools: {} },
    roots: {},
  },
};

/** What the benchmarks look at of a task. */
export interface SeenTask {
  readonly taskId: string;
  readonly status: 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';
  readonly result?: { readonly structuredContent?: JsonObject };
  readonly error?: { readonly message?: string };
  readonly inputRequests?: Readonly<Record<string, JsonValue>>;
}

interface ErrorObject {
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly reason?: string };
}

/** The server answered, with an error. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly code: number;
  /** The task error's code, where the server gives it. */
  readonly reason: string | undefined;

  constructor(error: ErrorObject) {
    super(error.message);
    this.code = error.code;
    this.reason = error.data?.reason;
  }
}

export interface McpCallerOptions {
  readonly send: (request: Request) => Promise<Response>;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class McpCaller {
  readonly #options: McpCallerOptions;

  constructor(options: McpCallerOptions) {
    this.#options = options;
  }

  discover(): Promise<JsonObject> {
    return this.request('server/discover', {});
  }

  async createTask(tool: string, args: JsonObject, meta: JsonObject = {}): Promise<SeenTask> {
    const params = { name: tool, arguments: args, _meta: meta };
    const seen = (await this.request('tools/call', params, tool)) as unknown as SeenTask;
    if (seen.taskId === undefined) throw new Error(`${tool} answered without a task: ${JSON.stringify(seen)}`);
    return seen;
  }

  async getTask(taskId: string): Promise<SeenTask> {
    return (await this.request('tasks/get', { taskId }, taskId)) as unknown as SeenTask;
  }

  async updateTask(taskId: string, inputResponses: JsonObject): Promise<void> {
    await this.request('tasks/update', { taskId, inputResponses }, taskId);
  }

  async cancelTask(taskId: string): Promise<void> {
    await this.request('tasks/cancel', { taskId }, taskId);
  }

  /** Resolves to the result; rejects with `RpcError` for a JSON-RPC error. */
  async request(method: string, params: JsonObject, name?: string): Promise<JsonObject> {
    const { send, url = 'http://localhost/mcp', headers } = this.#options;
    const meta = { ...(params['_meta'] as JsonObject | undefined), ...ENVELOPE };
    const response = await send(
      new Request(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': PROTOCOL_VERSION,
          'mcp-method': method,
          ...present({ 'mcp-name': name }),
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } }),
      }),
    );
    const reply = (await response.json()) as { readonly result?: JsonObject; readonly error?: ErrorObject };
    if (reply.error !== undefined) throw new RpcError(reply.error);
    return reply.result ?? {};
  }
}
