/**
 * Run as a program, `node runtime-client.ts BUNDLE`: what the managed Node.js runtime does around a handler. Loads
 * the bundle, offers `awslambda` for streaming, fetches one invocation after the other and posts what came of it.
 */
import { type ClientRequest, request } from 'node:http';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const INTEGRATION_RESPONSE = 'application/vnd.awslambda.http-integration-response';
/** Between an HTTP integration's prelude and its body. */
const DELIMITER = new Uint8Array(8);

type Handler = (event: unknown, ...rest: unknown[]) => unknown;

const base = `http://${process.env['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime`;

/** Its request is sent with the first byte, when the content type is known; it has finished when that is answered. */
class ResponseStream extends Writable {
  readonly #path: string;
  #contentType = 'application/octet-stream';
  #target: ClientRequest | undefined;
  readonly #answered = Promise.withResolvers<void>();

  constructor(invocationId: string) {
    super();
    this.#path = `${base}/invocation/${invocationId}/response`;
    this.#answered.promise.catch(() => {});
    this.on('error', () => {});
  }

  get begun(): boolean {
    return this.#target !== undefined;
  }

  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  setContentType(contentType: string): void {
    this.#contentType = contentType;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#open().write(chunk, done);
  }

  override _final(settle: (error?: Error | null) => void): void {
    this.#open().end();
    void this.answered.then(() => settle(), settle);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (error !== null && this.#target !== undefined && !this.#target.writableEnded) {
      this.#target.addTrailers({ 'Lambda-Runtime-Function-Error-Type': error.name });
      this.#target.end();
    }
    done(error);
  }

  #open(): ClientRequest {
    this.#target ??= request(this.#path, {
      method: 'POST',
      headers: {
        'content-type': this.#contentType,
        'lambda-runtime-function-response-mode': 'streaming',
        'transfer-encoding': 'chunked',
        trailer: 'Lambda-Runtime-Function-Error-Type',
      },
    })
      .once('response', (response) => response.resume().once('end', this.#answered.resolve))
      .once('error', this.#answered.reject);
    return this.#target;
  }
}

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: Handler) => Object.assign(handler, { [STREAMING]: 'response' }),
    HttpResponseStream: {
      from(stream: ResponseStream, prelude: unknown): ResponseStream {
        stream.setContentType(INTEGRATION_RESPONSE);
        stream.write(JSON.stringify(prelude));
        stream.write(DELIMITER);
        return stream;
      },
    },
  },
});

async function post(path: string, body: unknown): Promise<void> {
  await fetch(`${base}/${path}`, { method: 'POST', body: JSON.stringify(body) ?? 'null' });
}

function describe(error: unknown): object {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return { errorType: name, errorMessage: message, trace: stack?.split('\n') ?? [] };
}

async function load(bundle: string): Promise<Handler> {
  try {
    const { handler } = (await import(pathToFileURL(bundle).href)) as { handler: Handler };
    return handler;
  } catch (error) {
    process.stderr.write(`${JSON.stringify(describe(error))}\n`);
    await post('init/error', describe(error));
    process.exit(1);
  }
}

interface Invocation {
  readonly id: string;
  readonly event: unknown;
  readonly context: object;
}

async function next(): Promise<Invocation> {
  const response = await fetch(`${base}/invocation/next`);
  const id = response.headers.get('lambda-runtime-aws-request-id') ?? '';
  const deadline = Number(response.headers.get('lambda-runtime-deadline-ms'));
  const context = {
    awsRequestId: id,
    functionName: process.env['AWS_LAMBDA_FUNCTION_NAME'],
    functionVersion: '$LATEST',
    memoryLimitInMB: process.env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'],
    invokedFunctionArn: response.headers.get('lambda-runtime-invoked-function-arn'),
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  return { id, event: await response.json(), context };
}

async function respondStreaming(handler: Handler, { id, event, context }: Invocation): Promise<void> {
  const stream = new ResponseStream(id);
  try {
    await handler(event, stream, context);
    if (!stream.writableEnded) stream.end();
    await stream.answered;
  } catch (error) {
    process.stderr.write(`${JSON.stringify(describe(error))}\n`);
    if (stream.begun) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
      await stream.answered;
    } else {
      await post(`invocation/${id}/error`, describe(error));
    }
  }
}

async function respondBuffered(handler: Handler, { id, event, context }: Invocation): Promise<void> {
  let result: unknown;
  try {
    result = await handler(event, context);
  } catch (error) {
    process.stderr.write(`${JSON.stringify(describe(error))}\n`);
    await post(`invocation/${id}/error`, describe(error));
    return;
  }
  await post(`invocation/${id}/response`, result);
}

const handler = await load(process.argv[2] ?? '');
const respond = STREAMING in handler ? respondStreaming : respondBuffered;
for (;;) await respond(handler, await next());
