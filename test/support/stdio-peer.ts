/**
 * A client over stdio that writes and reads the lines themselves, in either era: what the official client would not
 * send can be sent, and everything that comes is seen.
 */
import type { Readable, Writable } from 'node:stream';
import { envelope, type JsonMap, type RpcMessage } from './mcp-requests.ts';

export interface PeerOptions {
  /** What the client calls itself. @default 'test-client' */
  readonly name?: string;
  /** @default '2026-07-28' */
  readonly era?: '2026-07-28' | '2025-11-25';
  /** What the client declares in `initialize` that it can be asked for. @default nothing */
  readonly capabilities?: JsonMap;
  /** Whether the client declares the tasks extension. @default true */
  readonly declares?: boolean;
}

type Params = Readonly<Record<string, unknown>>;

export class StdioPeer {
  readonly #stdin: Writable;
  readonly #options: PeerOptions;
  readonly #answers = new Map<unknown, (message: RpcMessage) => void>();
  /** Those that are no answers to `ask`, and that nobody has taken yet. */
  readonly #others: RpcMessage[] = [];
  readonly #takers: ((message: RpcMessage) => void)[] = [];
  /** Every line that has come. */
  readonly lines: string[] = [];
  #buffered = '';
  #lastId = 0;

  constructor(stdin: Writable, stdout: Readable, options: PeerOptions = {}) {
    this.#stdin = stdin;
    this.#options = options;
    // A server that has been killed reads no more; what a test then waits for says so.
    stdin.on('error', () => {});
    stdout.on('data', (chunk: Buffer) => {
      const parts = (this.#buffered + chunk.toString()).split('\n');
      this.#buffered = parts.pop() ?? '';
      for (const line of parts) this.#receive(line);
    });
  }

  /** Of the 2025 eras: what a client says first. */
  async initialize(): Promise<JsonMap> {
    const { name = 'test-client', era = '2025-11-25', capabilities = {} } = this.#options;
    const clientInfo = { name, version: '1.0.0' };
    const result = await this.result('initialize', { protocolVersion: era, capabilities, clientInfo });
    this.send({ method: 'notifications/initialized' });
    return result;
  }

  send(message: Params): void {
    this.#stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  /** A request whose answer `next` gives, like all else that comes. */
  request(id: string | number, method: string, params: Params = {}): void {
    this.send({ id, method, params: this.#complete(params) });
  }

  ask(method: string, params: Params = {}): Promise<RpcMessage> {
    this.#lastId += 1;
    const id = `ask ${this.#lastId}`;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.request(id, method, params);
    });
  }

  /** The result; throws where the answer is an error. */
  async result(method: string, params?: Params): Promise<JsonMap> {
    const { result, error } = await this.ask(method, params);
    if (result === undefined) throw new Error(`${method} gave no result: ${JSON.stringify(error)}`);
    return result;
  }

  call(name: string, args: Params = {}): Promise<JsonMap> {
    return this.result('tools/call', { name, arguments: args });
  }

  /** Creates a task; resolves to its id. */
  async createTask(name: string, args: Params = {}): Promise<string> {
    const { taskId } = await this.call(name, args);
    if (typeof taskId !== 'string') throw new Error('No task was created.');
    return taskId;
  }

  task(taskId: string): Promise<JsonMap> {
    return this.result('tasks/get', { taskId });
  }

  /** The next message that is no answer to `ask`. */
  next(): Promise<RpcMessage> {
    const waiting = this.#others.shift();
    return waiting === undefined ? new Promise((resolve) => this.#takers.push(resolve)) : Promise.resolve(waiting);
  }

  /** What has come and was not taken. */
  get untaken(): readonly RpcMessage[] {
    return this.#others;
  }

  end(): void {
    this.#stdin.end();
  }

  #complete(params: Params): Params {
    const { era = '2026-07-28', declares = true, name = 'test-client' } = this.#options;
    if (era !== '2026-07-28') return params;
    const clientInfo = { name, version: '1.0.0' };
    const meta = { ...envelope(declares), 'io.modelcontextprotocol/clientInfo': clientInfo };
    return { ...params, _meta: { ...meta, ...(params['_meta'] as object | undefined) } };
  }

  #receive(line: string): void {
    this.lines.push(line);
    const message = JSON.parse(line) as RpcMessage;
    const answer = message.id === undefined ? undefined : this.#answers.get(message.id);
    if (answer !== undefined && message.method === undefined) {
      this.#answers.delete(message.id);
      answer(message);
      return;
    }
    const taker = this.#takers.shift();
    if (taker === undefined) this.#others.push(message);
    else taker(message);
  }
}
