/**
 * API Gateway in front of the MCP function: HTTP requests become proxy events, and what the function answers, streamed
 * or buffered, goes back. A REST API (payload 1.0, under a stage unless it has a domain of its own), or an HTTP API or
 * function URL (2.0). Renames the headers that the services rename.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Reply } from './runtime-api.ts';

export type ApiKind = 'rest' | 'http';

export const DOMAIN_NAME = 'abcdef1234.execute-api.eu-central-1.amazonaws.com';
export const REST_STAGE = 'v1';
const INTEGRATION_RESPONSE = 'application/vnd.awslambda.http-integration-response';
const DELIMITER_BYTES = 8;
export const OWN_DOMAIN_NAME = 'tasks.example.com';

/**
 * What comes back from a function as `x-amzn-Remapped-…`. AWS documents it for REST APIs and function URLs; users
 * report it of HTTP APIs too, so here it is so for all three.
 */
const REMAPPED = new Set(['www-authenticate', 'date', 'server', 'user-agent', 'content-md5', 'max-forwards']);

export interface GatewayOptions {
  readonly invoke: (event: unknown) => Promise<Reply>;
  readonly api: ApiKind;
  /** REST only: without a stage in the path. @default false */
  readonly ownDomain?: boolean;
}

export interface Gateway {
  /** Of the MCP endpoint. */
  readonly url: string;
  close(): Promise<void>;
}

export async function startGateway({ invoke, api, ownDomain = false }: GatewayOptions): Promise<Gateway> {
  const stage = api === 'rest' && !ownDomain ? REST_STAGE : undefined;
  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy());
  });
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bodyOf(request);
    if (stage !== undefined && !request.url?.startsWith(`/${stage}/`)) {
      // Nothing is served beside the stages.
      response.writeHead(403, { 'content-type': 'application/json' }).end('{"message":"Forbidden"}');
      return;
    }
    const reply = await invoke(api === 'rest' ? restEvent(request, body, ownDomain) : httpEvent(request, body));
    if (reply.kind === 'stream') await sendStream(reply, response);
    else if (reply.kind === 'response') sendBuffered(reply.body, response);
    else sendFailure(response);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}${stage === undefined ? '' : `/${stage}`}/mcp`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Payload 1.0: `path` without the stage, every header with all its values. */
export function restEvent(
  request: Pick<IncomingMessage, 'url' | 'method' | 'rawHeaders'>,
  body: Buffer,
  ownDomain = false,
): object {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const path = ownDomain ? pathname : pathname.slice(REST_STAGE.length + 1);
  const { rawHeaders } = request;
  const pairs = Array.from(
    { length: rawHeaders.length / 2 },
    (_, at) => [rawHeaders[2 * at] ?? '', rawHeaders[2 * at + 1] ?? ''] as const,
  );
  const multiValueHeaders: Record<string, string[]> = {};
  for (const [name, value] of pairs) multiValueHeaders[name] = [...(multiValueHeaders[name] ?? []), value];
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: request.method,
    headers: Object.fromEntries(pairs),
    multiValueHeaders,
    queryStringParameters: searchParams.size === 0 ? null : Object.fromEntries(searchParams),
    multiValueQueryStringParameters: null,
    pathParameters: { proxy: path.slice(1) },
    stageVariables: null,
    requestContext: {
      accountId: '123456789012',
      apiId: 'abcdef1234',
      domainName: ownDomain ? OWN_DOMAIN_NAME : DOMAIN_NAME,
      domainPrefix: 'abcdef1234',
      httpMethod: request.method,
      identity: { sourceIp: '127.0.0.1', userArn: null, accountId: null },
      path: pathname,
      protocol: 'HTTP/1.1',
      requestId: randomUUID(),
      resourcePath: '/{proxy+}',
      stage: REST_STAGE,
    },
    body: body.length === 0 ? null : body.toString(),
    isBase64Encoded: false,
  };
}

/** Payload 2.0: names in lower case, the values of a header that came twice joined by commas, the body in base64. */
export function httpEvent(request: Pick<IncomingMessage, 'url' | 'method' | 'headersDistinct'>, body: Buffer): object {
  const { pathname, search } = new URL(request.url ?? '/', 'http://localhost');
  const headers = Object.entries(request.headersDistinct).map(([name, values]) => [name, (values ?? []).join(',')]);
  return {
    version: '2.0',
    routeKey: 'ANY /{proxy+}',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: Object.fromEntries(headers),
    requestContext: {
      accountId: '123456789012',
      apiId: 'abcdef1234',
      domainName: DOMAIN_NAME,
      http: { method: request.method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'test' },
      requestId: randomUUID(),
      routeKey: 'ANY /{proxy+}',
      stage: '$default',
      timeEpoch: Date.now(),
    },
    ...(body.length === 0 ? {} : { body: body.toString('base64') }),
    isBase64Encoded: body.length > 0,
  };
}

interface Prelude {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
}

async function sendStream(reply: { contentType: string; body: Readable }, response: ServerResponse): Promise<void> {
  if (reply.contentType !== INTEGRATION_RESPONSE) {
    sendFailure(response);
    return;
  }
  const { prelude, rest } = await readPrelude(reply.body);
  response.writeHead(prelude.statusCode, renamed(prelude.headers));
  response.flushHeaders();
  response.write(rest);
  await pipeline(reply.body, bodied(rest.length), response);
}

/**
 * Behind a function that streams, an answer whose body is empty may never end: the connection stays open for up to 16
 * minutes (aws-lambda-nodejs-runtime-interface-client, issue 95). Here it breaks, so that a test fails at once.
 */
function bodied(alreadySent: number): Transform {
  let bytes = alreadySent;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(null, chunk);
    },
    flush(done) {
      done(bytes === 0 ? new Error('A streamed answer without a body.') : null);
    },
  });
}

/** JSON, eight zero bytes, then the body. */
export async function readPrelude(body: Readable): Promise<{ prelude: Prelude; rest: Buffer }> {
  let read = Buffer.alloc(0);
  for (;;) {
    const end = read.indexOf(Buffer.alloc(DELIMITER_BYTES));
    if (end >= 0) {
      const prelude = JSON.parse(read.subarray(0, end).toString()) as Prelude;
      return { prelude, rest: read.subarray(end + DELIMITER_BYTES) };
    }
    read = Buffer.concat([read, await nextChunk(body)]);
  }
}

async function nextChunk(body: Readable): Promise<Buffer> {
  for (;;) {
    const chunk = body.read() as Buffer | null;
    if (chunk !== null) return chunk;
    if (body.readableEnded || body.destroyed) throw new Error('The stream ended in its prelude.');
    await new Promise<void>((resolve, reject) => {
      body.once('readable', resolve).once('end', resolve).once('error', reject).once('close', resolve);
    });
  }
}

function sendBuffered(text: string, response: ServerResponse): void {
  const { statusCode, headers = {}, body = '' } = JSON.parse(text) as Prelude & { body?: string };
  response.writeHead(statusCode, renamed(headers)).end(body);
}

function renamed(headers: Prelude['headers'] = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      REMAPPED.has(name.toLowerCase()) ? `x-amzn-Remapped-${name}` : name,
      value,
    ]),
  );
}

/** What callers see when the function failed: nothing of why. */
function sendFailure(response: ServerResponse): void {
  response.writeHead(502, { 'content-type': 'application/json' }).end('{"message":"Internal server error"}');
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
