/**
 * Lambda's Runtime API for one instance of a function: `next`, `response` (buffered or streaming), `error` and
 * `init/error`, as AWS documents them. Hands out one invocation at a time. Knows no events and no processes.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';

/** What an invocation gave. A stream may still be going on, and is destroyed where it fails. */
export type Reply =
  | { readonly kind: 'response'; readonly body: string }
  | { readonly kind: 'stream'; readonly contentType: string; readonly body: Readable }
  | { readonly kind: 'error'; readonly errorType: string; readonly message: string };

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly timeoutMs: number;
  readonly reply: (reply: Reply) => void;
  /** The function has answered, and its stream has ended. */
  readonly finish: () => void;
  stream?: PassThrough;
}

const PREFIX = '/2018-06-01/runtime/';

export class RuntimeApi {
  readonly #server: Server;
  #current: Invocation | undefined;
  #handedOut = false;
  #waiter: ServerResponse | undefined;
  /** Set once the function could not be loaded, or its process is gone. */
  #dead: Extract<Reply, { kind: 'error' }> | undefined;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<RuntimeApi> {
    const api = new RuntimeApi();
    await new Promise<void>((resolve) => api.#server.listen(0, '127.0.0.1', resolve));
    return api;
  }

  /** For `AWS_LAMBDA_RUNTIME_API`. */
  get address(): string {
    const address = this.#server.address();
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** `reply` resolves with the answer or its beginning, `done` when the instance is free again. */
  invoke(event: unknown, timeoutMs: number): { readonly reply: Promise<Reply>; readonly done: Promise<void> } {
    if (this.#current !== undefined) throw new Error('The instance is busy.');
    const replied = Promise.withResolvers<Reply>();
    const done = Promise.withResolvers<void>();
    this.#current = {
      id: randomUUID(),
      event,
      timeoutMs,
      reply: replied.resolve,
      finish: () => {
        this.#current = undefined;
        this.#handedOut = false;
        done.resolve();
      },
    };
    if (this.#dead !== undefined) this.fail(this.#dead.errorType, this.#dead.message);
    else this.#handOut();
    return { reply: replied.promise, done: done.promise };
  }

  /** The instance will answer no more: its process ended, or its time is over. */
  fail(errorType: string, message: string): void {
    this.#dead = { kind: 'error', errorType, message };
    const current = this.#current;
    if (current === undefined) return;
    current.stream?.destroy(new Error(`${errorType}: ${message}`));
    current.reply(this.#dead);
    current.finish();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #handOut(): void {
    const { timeoutMs, id, event } = this.#current ?? {};
    if (this.#waiter === undefined || id === undefined || timeoutMs === undefined || this.#handedOut) return;
    this.#handedOut = true;
    this.#waiter.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': id,
      // From now on: what a cold start takes is not the invocation's.
      'lambda-runtime-deadline-ms': String(Date.now() + timeoutMs),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:123456789012:function:local',
      'lambda-runtime-trace-id': 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0',
    });
    this.#waiter.end(JSON.stringify(event));
    this.#waiter = undefined;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').slice(PREFIX.length);
    if (request.method === 'GET' && path === 'invocation/next') {
      this.#waiter = response;
      // Whoever waited and went away must not be given an invocation.
      response.once('close', () => {
        if (this.#waiter === response) this.#waiter = undefined;
      });
      this.#handOut();
      return;
    }
    const accepted = path === 'init/error' ? await this.#initFailed(request) : await this.#receive(path, request);
    response.writeHead(accepted ? 202 : 404, { 'content-type': 'application/json' });
    response.end(accepted ? '{"status":"OK"}' : '{"errorMessage":"No such invocation","errorType":"InvalidRequestID"}');
  }

  async #initFailed(request: IncomingMessage): Promise<true> {
    const { errorType, errorMessage } = await errorOf(request);
    this.fail(errorType, errorMessage);
    return true;
  }

  async #receive(path: string, request: IncomingMessage): Promise<boolean> {
    const [, id, what] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const current = this.#current;
    if (current === undefined || id !== current.id) return false;
    if (what === 'error') {
      const { errorType, errorMessage } = await errorOf(request);
      current.reply({ kind: 'error', errorType, message: errorMessage });
    } else if (request.headers['lambda-runtime-function-response-mode'] === 'streaming') {
      await this.#relay(current, request);
    } else {
      current.reply(buffered(await textOf(request)));
    }
    current.finish();
    return true;
  }

  /** Chunk by chunk, as they come. What went wrong after the first one is told in a trailer. */
  async #relay(current: Invocation, request: IncomingMessage): Promise<void> {
    const stream = new PassThrough();
    stream.on('error', () => {});
    current.stream = stream;
    current.reply({ kind: 'stream', contentType: request.headers['content-type'] ?? '', body: stream });
    try {
      for await (const chunk of request) stream.write(chunk);
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    const failure = request.trailers['lambda-runtime-function-error-type'];
    if (failure === undefined) stream.end();
    else stream.destroy(new Error(failure));
  }
}

/** Lambda's limit for what a function answers at once, and its words for more. What is streamed has none. */
const MAX_RESPONSE_BYTES = 6_291_556;

function buffered(body: string): Reply {
  const bytes = Buffer.byteLength(body);
  if (bytes <= MAX_RESPONSE_BYTES) return { kind: 'response', body };
  const message = `Response payload size exceeded maximum allowed payload size (${MAX_RESPONSE_BYTES} bytes).`;
  return { kind: 'error', errorType: 'Function.ResponseSizeTooLarge', message };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

async function errorOf(request: IncomingMessage): Promise<{ errorType: string; errorMessage: string }> {
  return JSON.parse(await textOf(request)) as { errorType: string; errorMessage: string };
}
