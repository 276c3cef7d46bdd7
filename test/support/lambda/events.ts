/** Proxy events as API Gateway makes them, for tests without an HTTP server. */
import type { HttpEvent } from '../../../lambda/endpoint/http-event.ts';
import { DOMAIN_NAME, httpEvent, REST_STAGE, restEvent } from './gateway.ts';

/** What the endpoint is called from outside. */
export const RESOURCE = `https://${DOMAIN_NAME}/${REST_STAGE}/mcp`;

export interface EventParts {
  readonly method?: string;
  readonly path?: string;
  /** Name and value, in turn; a name may come twice. */
  readonly rawHeaders?: readonly string[];
  readonly body?: string;
  /** Over the request context's own members. */
  readonly context?: Readonly<Record<string, unknown>>;
}

export function restProxyEvent({
  method = 'POST',
  path = '/mcp',
  rawHeaders = [],
  body = '',
  context = {},
}: EventParts = {}): HttpEvent {
  const event = restEvent({ method, url: `/${REST_STAGE}${path}`, rawHeaders: [...rawHeaders] }, Buffer.from(body)) as {
    requestContext: object;
  };
  return { ...event, requestContext: { ...event.requestContext, ...context } } as unknown as HttpEvent;
}

/** Of an HTTP API or a function URL. */
export function httpApiEvent({
  method = 'POST',
  path = '/mcp',
  rawHeaders = [],
  body = '',
  context = {},
}: EventParts = {}): HttpEvent {
  const headersDistinct: Record<string, string[]> = {};
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    headersDistinct[name] = [...(headersDistinct[name] ?? []), rawHeaders[at + 1] ?? ''];
  }
  const event = httpEvent({ method, url: path, headersDistinct }, Buffer.from(body)) as { requestContext: object };
  return { ...event, requestContext: { ...event.requestContext, ...context } } as unknown as HttpEvent;
}
