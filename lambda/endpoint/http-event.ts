/**
 * Between API Gateway's events and web-standard requests: REST proxy events (payload 1.0) and those of HTTP
 * APIs and function URLs (payload 2.0), streamed or buffered. Of MCP it knows only how a request is refused: API
 * Gateway passes on methods and headers of which no web-standard request can be made.
 */
import type { APIGatewayProxyEvent, APIGatewayProxyEventV2 } from 'aws-lambda';
import { HTTP_METHODS, refusedRequest } from '../../src/protocol/http-requests.ts';
import type { ResponseMode } from '../shared/words.ts';

export type HttpEvent = APIGatewayProxyEvent | APIGatewayProxyEventV2;

export interface HttpResult {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | ReadableStream<Uint8Array>;
}

/** By all that is read of it later: an invoker by IAM can send an event of any shape. */
export function isHttpEvent(event: unknown): event is HttpEvent {
  if (!isObject(event) || !isObject(event.requestContext) || !('headers' in event)) return false;
  const { requestContext, httpMethod, path, rawPath, body } = event;
  if (body !== undefined && body !== null && typeof body !== 'string') return false;
  if (event.version !== '2.0') return typeof httpMethod === 'string' && typeof path === 'string';
  return isObject(requestContext.http) && typeof requestContext.http.method === 'string' && typeof rawPath === 'string';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The caller sent what no request can be made of; `response` tells them. */
export class UnreadableRequest extends Error {
  override readonly name = 'UnreadableRequest';
  readonly response: Response;

  constructor(status: number, message: string, headers?: Readonly<Record<string, string>>) {
    super(message);
    this.response = refusedRequest(status, message, headers);
  }
}

/** Throws `UnreadableRequest`. */
export function toRequest(event: HttpEvent, signal: AbortSignal): Request {
  const { method, path, host } = isVersion2(event)
    ? { method: event.requestContext.http.method, path: event.rawPath, host: event.requestContext.domainName }
    : { method: event.httpMethod, path: event.path, host: event.requestContext.domainName ?? 'localhost' };
  if (!HTTP_METHODS.includes(method)) {
    const allow = HTTP_METHODS.join(', ');
    throw new UnreadableRequest(405, `This HTTP method is not served; it may be one of ${allow}.`, { allow });
  }
  const hasBody = method !== 'GET' && method !== 'HEAD';
  if (!URL.canParse(`https://${host}`)) throw new UnreadableRequest(400, 'The host of this request is no host name.');
  const url = new URL(`https://${host}`);
  // Set, not resolved: a path that begins with two slashes would name another host.
  url.pathname = path;
  return new Request(url, {
    method,
    headers: headersOf(event),
    signal,
    ...(hasBody ? { body: bodyOf(event) } : {}),
  });
}

/** Of the web page that sent the request, also where no request can be made of it. */
export function originOf({ headers }: HttpEvent): string | undefined {
  return Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'origin')?.[1];
}

export interface TimeLimit {
  /** Fires when streams have to end. */
  readonly signal: AbortSignal;
  /** To be called once nothing is read any more. */
  readonly cancel: () => void;
}

/**
 * Of an answer that has none: behind a function that streams, clients of an answer without a body may wait for its end
 * until the function's time is over. It means nothing in JSON or a stream of events, and clients read none of a 202.
 */
const EMPTY_BODY = '\n';

/** A stream of events ends at the limit, between two of them; any other body is given the time that is left. */
export async function toResult(response: Response, mode: ResponseMode, limit: TimeLimit): Promise<HttpResult> {
  const { status: statusCode } = response;
  const headers = Object.fromEntries(response.headers);
  if (mode === 'stream' && response.body !== null) {
    const isEventStream = headers['content-type']?.startsWith('text/event-stream') === true;
    return { statusCode, headers, body: ReadableStream.from(relay(response.body, limit, isEventStream)) };
  }
  const body = await response.text().finally(limit.cancel);
  return { statusCode, headers, body: mode === 'stream' && body === '' ? EMPTY_BODY : body };
}

async function* relay(
  body: ReadableStream<Uint8Array>,
  { signal, cancel }: TimeLimit,
  ends: boolean,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  // The request's own signal cannot be relied on: it follows ours only as long as nobody has collected the request.
  const over = new Promise<undefined>((resolve) => {
    if (ends) signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  let isEmpty = true;
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), over]);
      if (next?.value === undefined) break;
      isEmpty &&= next.value.length === 0;
      yield next.value;
    }
    if (isEmpty) yield new TextEncoder().encode(EMPTY_BODY);
  } finally {
    cancel();
    await reader.cancel().catch(() => {});
  }
}

export function isVersion2(event: HttpEvent): event is APIGatewayProxyEventV2 {
  return 'version' in event && event.version === '2.0';
}

/** RFC 9110, sections 5.1 and 5.5: names are tokens; values are bytes of text without control characters. */
const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const HEADER_VALUE = /^[\t -~\u0080-\u00ff]*$/;
const UNREADABLE_HEADER =
  'A header of this request cannot be read: names are letters, digits and -, values are text without line ends; ' +
  'encode other characters.';

/** A header that came more than once keeps all its values, so that none of them is believed alone. */
function headersOf(event: HttpEvent): Headers {
  const headers = new Headers();
  const single = Object.entries(event.headers ?? {}).map(([name, value]) => [name, [value]] as const);
  const all = isVersion2(event) ? single : Object.entries(event.multiValueHeaders ?? Object.fromEntries(single));
  for (const [name, values] of all)
    for (const value of Array.isArray(values) ? values : []) {
      if (value === undefined) continue;
      if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) throw new UnreadableRequest(400, UNREADABLE_HEADER);
      headers.append(name, value);
    }
  return headers;
}

function bodyOf({ body, isBase64Encoded }: HttpEvent): string | Buffer<ArrayBuffer> {
  if (body === null || body === undefined) return '';
  return isBase64Encoded ? Buffer.from(body, 'base64') : body;
}
