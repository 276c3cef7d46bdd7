/**
 * Requests of the 2026-07-28 era as a client sends them, and what comes back. A request is right unless
 * a test says what is wrong with it. Independent of the SDK's client, which would refuse to send most
 * of what a test of hostile input must send.
 */

import { present } from '../../src/present.ts';
import type { AuthInfo } from '../../src/protocol/sdk.ts';

/** Wire literals, spelled out here so that a change of a constant in `src` cannot go unnoticed. */
export const PROTOCOL_VERSION = '2026-07-28';
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';
export const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';
export const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
export const RELATED_TASK_KEY = 'io.modelcontextprotocol/related-task';
export const SUBSCRIPTION_KEY = 'io.modelcontextprotocol/subscriptionId';
export const VARIABLES_KEY = 'mcp-durable-tasks/variables';
export const IDEMPOTENCY_KEY = 'mcp-durable-tasks/idempotency-key';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonMap = { [key: string]: Json };

/** What the client of most tests can be asked for: everything. */
const ASKABLE: JsonMap = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} };

export interface RequestChanges {
  /** Added to, or replacing, the envelope in `_meta`; `undefined` removes a key. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Whether the client declares the tasks extension. @default true */
  readonly declares?: boolean;
  /** The other capabilities that the client declares. @default all that a task may ask for */
  readonly capabilities?: JsonMap;
  /** Added to, or replacing, the headers; `undefined` removes one. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Added to, or replacing, the JSON-RPC message's members; `undefined` removes one. */
  readonly message?: Readonly<Record<string, unknown>>;
  /** Instead of the message's JSON: what becomes of that text. */
  readonly body?: (text: string) => string | Uint8Array<ArrayBuffer>;
  /** @default 'POST' */
  readonly httpMethod?: string;
  readonly url?: string;
  readonly signal?: AbortSignal;
}

export function envelope(declares = true, capabilities = ASKABLE): Record<string, unknown> {
  return {
    [VERSION_KEY]: PROTOCOL_VERSION,
    'io.modelcontextprotocol/clientInfo': { name: 'test-client', version: '1.0.0' },
    [CAPABILITIES_KEY]: { ...capabilities, ...(declares ? { extensions: { [TASKS_EXTENSION]: {} } } : {}) },
  };
}

export function mcpRequest(
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  changes: RequestChanges = {},
): Request {
  const { url = 'http://localhost/mcp', httpMethod = 'POST', signal } = changes;
  const message = {
    jsonrpc: '2.0',
    id: 1,
    method,
    params: { ...params, _meta: { ...envelope(changes.declares, changes.capabilities), ...changes.meta } },
    ...changes.message,
  };
  const text = JSON.stringify(message);
  const bodiless = httpMethod === 'GET' || httpMethod === 'HEAD';
  return new Request(url, {
    method: httpMethod,
    headers: mcpHeaders(method, params, changes.headers),
    ...(bodiless ? {} : { body: changes.body?.(text) ?? text }),
    ...present({ signal }),
  });
}

/** `Mcp-Name` names the tool of a `tools/call`, the prompt of a `prompts/get` and the task of a `tasks/…`. */
export function mcpHeaders(
  method: string,
  params: Readonly<Record<string, unknown>>,
  changes: RequestChanges['headers'] = {},
): Record<string, string> {
  const name = method === 'tools/call' || method === 'prompts/get' ? params['name'] : params['taskId'];
  const headers: Record<string, string | undefined> = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': PROTOCOL_VERSION,
    'mcp-method': method,
    'mcp-name': typeof name === 'string' ? name : undefined,
    ...changes,
  };
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: JsonMap;
}

export interface RpcMessage {
  readonly jsonrpc: string;
  readonly id?: Json;
  readonly method?: string;
  readonly params?: JsonMap;
  readonly result?: JsonMap;
  readonly error?: RpcError;
}

export interface McpAnswer {
  readonly status: number;
  readonly text: string;
  /** The body's JSON; absent where there is no body, or another kind of one. */
  readonly message?: RpcMessage;
}

export async function readAnswer(response: Response): Promise<McpAnswer> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, text, ...(isJson ? { message: JSON.parse(text) as RpcMessage } : {}) };
}

type Fetch = (request: Request, options?: { readonly authInfo?: AuthInfo }) => Promise<Response>;

/** One client of a server, always with the same credentials. */
export class McpPeer {
  readonly #fetch: Fetch;
  readonly #authInfo: AuthInfo | undefined;

  constructor(fetch: Fetch, authInfo?: AuthInfo) {
    this.#fetch = fetch;
    this.#authInfo = authInfo;
  }

  async ask(method: string, params?: Readonly<Record<string, unknown>>, changes?: RequestChanges): Promise<McpAnswer> {
    return readAnswer(await this.open(method, params, changes));
  }

  open(method: string, params?: Readonly<Record<string, unknown>>, changes?: RequestChanges): Promise<Response> {
    return this.#fetch(mcpRequest(method, params, changes), present({ authInfo: this.#authInfo }));
  }

  /** The result; throws where the answer is an error. */
  async result(method: string, params?: Readonly<Record<string, unknown>>, changes?: RequestChanges): Promise<JsonMap> {
    const { message, text } = await this.ask(method, params, changes);
    if (message?.result === undefined) throw new Error(`${method} gave no result: ${text}`);
    return message.result;
  }

  call(name: string, args: Readonly<Record<string, unknown>> = {}, changes?: RequestChanges): Promise<McpAnswer> {
    return this.ask('tools/call', { name, arguments: args }, changes);
  }

  /** Creates a task; resolves to its id. */
  async createTask(
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    changes?: RequestChanges,
  ): Promise<string> {
    const result = await this.result('tools/call', { name, arguments: args }, changes);
    if (typeof result['taskId'] !== 'string') throw new Error(`No task: ${JSON.stringify(result)}`);
    return result['taskId'];
  }

  task(taskId: string, changes?: RequestChanges): Promise<JsonMap> {
    return this.result('tasks/get', { taskId }, changes);
  }

  /** `subscriptions/listen`, read event by event. */
  async listen(notifications: Readonly<Record<string, unknown>>, changes?: RequestChanges): Promise<EventReader> {
    const response = await this.open('subscriptions/listen', { notifications }, changes);
    if (response.body === null) throw new Error(`No stream: ${response.status}`);
    return new EventReader(response.body);
  }
}

/** Stands in a request for JSON that JavaScript itself would not write; `withDeep` puts it there. */
export const DEEP = '@deep@';

export function withDeep(depth: number): NonNullable<RequestChanges['body']> {
  return (json) => json.replace(`"${DEEP}"`, `${'['.repeat(depth)}${']'.repeat(depth)}`);
}

/** Verified credentials, as a host hands them over. */
export function credentials(clientId: string, extra?: Record<string, unknown>): AuthInfo {
  return { token: `bearer-of-${clientId}`, clientId, scopes: [], ...present({ extra }) };
}

/** The messages of an event stream one by one; a keep-alive comment shows as `'keep-alive'`. */
export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #buffered = '';
  /** Of the last event that had one. */
  lastEventId: string | undefined;

  constructor(body: ReadableStream<Uint8Array>) {
    this.#reader = body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** `undefined`: the stream has ended. */
  async next(): Promise<RpcMessage | 'keep-alive' | undefined> {
    let end = this.#buffered.indexOf('\n\n');
    while (end < 0) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#buffered += value;
      end = this.#buffered.indexOf('\n\n');
    }
    const event = this.#buffered.slice(0, end);
    this.#buffered = this.#buffered.slice(end + 2);
    if (event.startsWith(':')) return 'keep-alive';
    const data = event.split('\n').find((line) => line.startsWith('data: '));
    const id = event.split('\n').find((line) => line.startsWith('id: '));
    if (id !== undefined) this.lastEventId = id.slice('id: '.length);
    if (data === undefined) throw new Error(`An event without data: ${event}`);
    // Says only where the stream can be gone on with.
    if (data.trim() === 'data:') return 'keep-alive';
    return JSON.parse(data.slice('data: '.length)) as RpcMessage;
  }

  /** The next message that is no keep-alive; throws at the end of the stream. */
  async message(): Promise<RpcMessage> {
    const next = await this.next();
    if (next === undefined) throw new Error('The stream has ended.');
    return next === 'keep-alive' ? this.message() : next;
  }

  /** Everything up to the end of the stream. */
  async rest(): Promise<RpcMessage[]> {
    const messages: RpcMessage[] = [];
    for (let next = await this.next(); next !== undefined; next = await this.next()) {
      if (next !== 'keep-alive') messages.push(next);
    }
    return messages;
  }

  /** As a client that goes away. */
  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}
