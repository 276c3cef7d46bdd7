/**
 * Which web pages may call (CORS), and what browsers are told about it: one policy for every way of serving. A browser
 * asks beforehand without credentials (a preflight), so preflights are answered before anybody is authenticated.
 * Programs that are no browsers send no `Origin`, and are not concerned. Credentials are headers that a page sets
 * itself, never cookies.
 */
import { refusedRequest } from './http-requests.ts';

export const FOREIGN_ORIGIN = 'Web pages of this origin may not call this server.';

const METHODS = 'POST, GET, DELETE';
/** What clients of either era send, with trace context, and what a request signed by IAM carries. */
const REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'accept',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'mcp-session-id',
  'last-event-id',
  'traceparent',
  'tracestate',
  'baggage',
  'x-amz-date',
  'x-amz-security-token',
  'x-amz-content-sha256',
];
/** Headers of the protocol that carry a tool's parameters are named by the tool. */
const PROTOCOL_HEADER = /^mcp-[a-z0-9-]+$/;
/** Without being named here, a page does not see them. The second is the first, as AWS renames it. */
const EXPOSED_HEADERS = [
  'www-authenticate',
  'x-amzn-remapped-www-authenticate',
  'mcp-session-id',
  'mcp-protocol-version',
  'retry-after',
  'allow',
];
/** The longest that the common browsers keep a preflight's answer. */
const MAX_AGE_SECONDS = 7_200;

type RequestHeader = (name: string) => string | null | undefined;

export interface OriginPolicy {
  /** Whether a page of that origin may call; without an origin, no page does. */
  allows(origin: string | undefined): boolean;
  /** For every answer to a request of that origin, refusals and failures too. */
  headersFor(origin: string | undefined): Readonly<Record<string, string>>;
}

/** Pages of these origins and no others. */
export function onlyOrigins(isListed: (origin: string) => boolean): OriginPolicy {
  const lets = (origin: string) => ({
    'access-control-allow-origin': origin,
    'access-control-expose-headers': EXPOSED_HEADERS.join(', '),
  });
  return {
    allows: (origin) => origin === undefined || isListed(origin),
    headersFor: (origin) => ({ ...(origin !== undefined && isListed(origin) ? lets(origin) : {}), vary: 'origin' }),
  };
}

/** Nobody has said which origins there are: none is refused, and no page of another origin can read an answer. */
export const NO_ORIGINS_KNOWN: OriginPolicy = { allows: () => true, headersFor: () => ({}) };

/** For what is public: pages of any origin. */
const ANY_ORIGIN: OriginPolicy = {
  allows: () => true,
  headersFor: () => ({ 'access-control-allow-origin': '*' }),
};

/** The answer to a preflight for what is public; `undefined` for other requests. */
export function publicPreflight(request: Request): Response | undefined {
  return isPreflight(request.method, headerOf(request)) ? preflight(ANY_ORIGIN, headerOf(request)) : undefined;
}

/** What can be answered without being served: preflights, and pages that may not call. `undefined`: serve it. */
export function answeredBeforehand(policy: OriginPolicy, method: string | undefined, header: RequestHeader) {
  if (!policy.allows(header('origin') ?? undefined)) {
    return refusedRequest(403, FOREIGN_ORIGIN);
  }
  return isPreflight(method, header) ? preflight(policy, header) : undefined;
}

/** Serves what pages of these origins ask, as their browsers want it. */
export function withOrigins<Options>(
  fetch: (request: Request, options?: Options) => Promise<Response>,
  policy: OriginPolicy,
): (request: Request, options?: Options) => Promise<Response> {
  return async (request, options) => {
    const header = headerOf(request);
    const response = answeredBeforehand(policy, request.method, header) ?? (await fetch(request, options));
    return withHeaders(response, policy.headersFor(header('origin') ?? undefined));
  };
}

/** A new response, because the headers of this one may be read-only; those that it has stay as they are. */
export function withHeaders(response: Response, more: Readonly<Record<string, string>>): Response {
  const entries = Object.entries(more);
  if (entries.length === 0) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of entries) if (!headers.has(name)) headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}

function headerOf(request: Request): RequestHeader {
  return (name) => request.headers.get(name);
}

function isPreflight(method: string | undefined, header: RequestHeader): boolean {
  return method === 'OPTIONS' && Boolean(header('origin')) && Boolean(header('access-control-request-method'));
}

/** With a body, since an empty answer is not sure to arrive where functions stream them. */
function preflight(policy: OriginPolicy, header: RequestHeader): Response {
  const headers = policy.headersFor(header('origin') ?? undefined);
  if (!('access-control-allow-origin' in headers)) return new Response('No origin may call.', { headers });
  const asked = (header('access-control-request-headers') ?? '').split(',').map((name) => name.trim().toLowerCase());
  const known = new Set([...REQUEST_HEADERS, ...asked.filter((name) => PROTOCOL_HEADER.test(name))]);
  return new Response('These requests may come.', {
    headers: {
      ...headers,
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': [...known].join(', '),
      'access-control-max-age': String(MAX_AGE_SECONDS),
      vary: 'origin, access-control-request-headers',
    },
  });
}
