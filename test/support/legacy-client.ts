/**
 * A client of the 2025-11-25 era as tests need it: initialises, sends requests one by one, reads their streams, and answers
 * what the server asks by requests of its own. Independent of any SDK.
 */
import { present } from '../../src/present.ts';
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import { EventReader, type JsonMap, type RpcMessage } from './mcp-requests.ts';

export const LEGACY_REVISION = '2025-11-25';

type Fetch = (request: Request, options?: { readonly authInfo?: AuthInfo }) => Promise<Response>;

export interface LegacyClientOptions {
  readonly authInfo?: AuthInfo | undefined;
  /** @default forms */
  readonly capabilities?: JsonMap;
  /** @default '2025-11-25' */
  readonly revision?: string;
  /** @default 'http://localhost/mcp' */
  readonly url?: string;
}

export class LegacyClient {
  readonly #fetch: Fetch;
  readonly #options: LegacyClientOptions;
  #session: string | undefined;
  #revision: string;
  #lastId = 0;
  /** What `initialize` was answered with. */
  initialized: JsonMap = {};

  private constructor(fetch: Fetch, options: LegacyClientOptions) {
    this.#fetch = fetch;
    this.#options = options;
    this.#revision = options.revision ?? LEGACY_REVISION;
  }

  static async connect(fetch: Fetch, options: LegacyClientOptions = {}): Promise<LegacyClient> {
    const client = new LegacyClient(fetch, options);
    const params = {
      protocolVersion: client.#revision,
      capabilities: options.capabilities ?? { elicitation: {} },
      clientInfo: { name: 'legacy-client', version: '1.0.0' },
    };
    const response = await client.open('initialize', params);
    client.#session = response.headers.get('mcp-session-id') ?? undefined;
    client.initialized = resultOf(await answerOf(response));
    const { protocolVersion } = client.initialized;
    if (typeof protocolVersion === 'string') client.#revision = protocolVersion;
    await accepted(await client.post({ method: 'notifications/initialized' }));
    return client;
  }

  get session(): string | undefined {
    return this.#session;
  }

  /** The same client, its requests served by another instance. */
  at(fetch: Fetch): LegacyClient {
    const other = new LegacyClient(fetch, this.#options);
    other.#session = this.#session;
    other.#revision = this.#revision;
    other.#lastId = this.#lastId + 1000;
    other.initialized = this.initialized;
    return other;
  }

  /** As one that does not send its session back. */
  withoutSession(): LegacyClient {
    const other = this.at(this.#fetch);
    other.#session = undefined;
    return other;
  }

  /** Another caller that sends this one's session. */
  as(authInfo: AuthInfo): LegacyClient {
    const other = new LegacyClient(this.#fetch, { ...this.#options, authInfo });
    other.#session = this.#session;
    other.#revision = this.#revision;
    other.#lastId = this.#lastId + 1000;
    return other;
  }

  open(method: string, params: object = {}, signal?: AbortSignal): Promise<Response> {
    this.#lastId += 1;
    return this.post({ id: this.#lastId, method, params }, signal);
  }

  /** The id of the request that was sent last. */
  get lastId(): number {
    return this.#lastId;
  }

  post(message: object, signal?: AbortSignal, contentType = 'application/json'): Promise<Response> {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    const headers = { ...this.#headers(), 'content-type': contentType };
    return this.#send(new Request(this.#url, { method: 'POST', headers, body, ...present({ signal }) }));
  }

  /** Several messages in one request, as revision 2025-03-26 has them. */
  postBatch(messages: readonly object[]): Promise<Response> {
    const body = JSON.stringify(messages);
    return this.#send(new Request(this.#url, { method: 'POST', headers: this.#headers(), body }));
  }

  /** Goes on with a stream that was cut after the event of this id. */
  resume(lastEventId: string): Promise<Response> {
    const headers = { ...this.#headers(), accept: 'text/event-stream', 'last-event-id': lastEventId };
    return this.#send(new Request(this.#url, { headers }));
  }

  async stream(method: string, params: object = {}): Promise<EventReader> {
    return readerOf(await this.open(method, params));
  }

  /** All messages of the answer's stream; the answer itself is the last, or the only one. */
  async messages(method: string, params: object = {}): Promise<RpcMessage[]> {
    return messagesOf(await this.open(method, params));
  }

  /** The answer, past whatever else its stream carries. */
  async ask(method: string, params: object = {}): Promise<RpcMessage> {
    return answerOf(await this.open(method, params));
  }

  async result(method: string, params: object = {}): Promise<JsonMap> {
    return resultOf(await this.ask(method, params));
  }

  call(name: string, args: object = {}, more: object = {}): Promise<RpcMessage> {
    return this.ask('tools/call', { name, arguments: args, ...more });
  }

  /** Creates a task; resolves to its id. */
  async createTask(name: string, args: object = {}, task: object = {}, more: object = {}): Promise<string> {
    const result = await this.result('tools/call', { name, arguments: args, task, ...more });
    return taskIdIn(result['task']);
  }

  task(taskId: string): Promise<JsonMap> {
    return this.result('tasks/get', { taskId });
  }

  /** Answers a request of the server's. */
  async answer(id: unknown, outcome: { readonly result: unknown } | { readonly error: unknown }): Promise<number> {
    return accepted(await this.post({ id, ...outcome }));
  }

  get #url(): string {
    return this.#options.url ?? 'http://localhost/mcp';
  }

  #send(request: Request): Promise<Response> {
    return this.#fetch(request, present({ authInfo: this.#options.authInfo }));
  }

  #headers(): Record<string, string> {
    return {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(this.#lastId > 1 ? { 'mcp-protocol-version': this.#revision } : {}),
      ...(this.#session === undefined ? {} : { 'mcp-session-id': this.#session }),
    };
  }
}

/** Of a task as an answer shows it; throws where it shows none. */
export function taskIdIn(shown: unknown): string {
  const taskId = typeof shown === 'object' && shown !== null && 'taskId' in shown ? shown.taskId : undefined;
  if (typeof taskId !== 'string') throw new Error(`No task: ${JSON.stringify(shown)}`);
  return taskId;
}

export function readerOf({ body, status }: Response): EventReader {
  if (body === null) throw new Error(`No stream: ${status}`);
  return new EventReader(body);
}

/** The status, once all of the answer is there. */
async function accepted(response: Response): Promise<number> {
  await response.text();
  return response.status;
}

async function messagesOf(response: Response): Promise<RpcMessage[]> {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  return isStream ? readerOf(response).rest() : [(await response.json()) as RpcMessage];
}

async function answerOf(response: Response): Promise<RpcMessage> {
  const answer = (await messagesOf(response)).find((message) => !('method' in message));
  if (answer === undefined) throw new Error('The stream ended without an answer.');
  return answer;
}

function resultOf({ result, error }: RpcMessage): JsonMap {
  if (result === undefined) throw new Error(`No result: ${JSON.stringify(error)}`);
  return result;
}
