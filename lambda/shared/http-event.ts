/**
 * Between API Gateway's events and web-standard requests: REST proxy events (payload 1.0) and those of HTTP
 * APIs and function URLs (payload 2.0), streamed or buffered. Knows no MCP.
 */
import type { APIGatewayProxyEvent, APIGatewayProxyEventV2 } from 'aws-lambda';
import type { ResponseMode } from './environment.ts';

export type HttpEvent = APIGatewayProxyEvent | APIGatewayProxyEventV2;

export interface HttpResult {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | ReadableStream<Uint8Array>;
}

export function isHttpEvent(event: unknown): event is HttpEvent {
  return typeof event === 'object' && event !== null && 'requestContext' in event && 'headers' in event;
}

export function toRequest(event: HttpEvent, signal: AbortSignal): Request {
  const { method, path, host } = isVersion2(event)
    ? { method: event.requestContext.http.method, path: event.rawPath, host: event.requestContext.domainName }
    : { method: event.httpMethod, path: event.path, host: event.requestContext.domainName ?? 'localhost' };
  const hasBody = method !== 'GET' && method !== 'HEAD';
  return new Request(new URL(path, `https://${host}`), {
    method,
    headers: headersOf(event),
    signal,
    ...(hasBody ? { body: bodyOf(event) } : {}),
  });
}

export async function toResult(response: Response, mode: ResponseMode): Promise<HttpResult> {
  const { status: statusCode } = response;
  const headers = Object.fromEntries(response.headers);
  const body = mode === 'stream' && response.body !== null ? response.body : await response.text();
  return { statusCode, headers, body };
}

export function isVersion2(event: HttpEvent): event is APIGatewayProxyEventV2 {
  return 'version' in event && event.version === '2.0';
}

/** A header that came more than once keeps all its values, so that none of them is believed alone. */
function headersOf(event: HttpEvent): Headers {
  const headers = new Headers();
  const single = Object.entries(event.headers).map(([name, value]) => [name, [value]] as const);
  const all = isVersion2(event) ? single : Object.entries(event.multiValueHeaders ?? Object.fromEntries(single));
  for (const [name, values] of all) for (const value of values ?? []) if (value !== undefined) headers.append(name, value);
  return headers;
}

function bodyOf({ body, isBase64Encoded }: HttpEvent): string | Buffer<ArrayBuffer> {
  if (body === null || body === undefined) return '';
  return isBase64Encoded ? Buffer.from(body, 'base64') : body;
}
