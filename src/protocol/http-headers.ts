/**
 * Which of the protocol's headers a request must carry. The 2026-07-28 era wants the method and the name (of tool, prompt,
 * resource or task) in headers besides the body, and the SDK's entry refuses what lacks them. Clients in the field
 * leave some out; `lenient` fills in from the body what is *missing*. What is there stays as it is, so that a wrong
 * header is refused in either mode.
 */
import {
  CLIENT_INFO_META_KEY,
  type McpHandlerRequestOptions,
  PROTOCOL_VERSION_META_KEY,
  readRequestBody,
} from '@modelcontextprotocol/server';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { shorten } from '../domain/text.ts';
import { present } from '../present.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Fetch } from './entry.ts';
import { refusedRequest } from './http-requests.ts';

export const HEADER_MODES = ['strict', 'lenient'] as const;
/** `strict`: as the specification has it. `lenient`: a missing `Mcp-Name` or `Mcp-Method` passes, a wrong one does not. */
export type HeaderMode = (typeof HEADER_MODES)[number];

/** Which of the parameters `Mcp-Name` repeats. The SDK has the same table and does not export it. */
const NAME_IN_PARAMS: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
/** Of the protocol, with these headers. Revisions are dates. */
const FIRST_REVISION = '2026-07-28';
/** Of a client's name in the log. */
const SHOWN_CHARACTERS = 100;

export interface FilledHeadersOptions {
  /** Is told once that a client leaves headers out. */
  readonly logger: Logger;
  readonly maxRequestBytes: number;
}

/** Wraps the entry's `fetch`. A request with all its headers goes straight through; the body of another is read once. */
export function withFilledHeaders(entry: Fetch, { logger, maxRequestBytes }: FilledHeadersOptions): Fetch {
  let hasWarned = false;
  return async (request, options) => {
    if (request.method !== 'POST' || isComplete(request.headers)) return entry(request, options);
    const read = await bodyOf(request, options, maxRequestBytes);
    if (read instanceof Response) return read;
    const { body, text } = read;
    const missing = missingHeaders(request.headers, body);
    const names = Object.keys(missing);
    if (names.length > 0 && !hasWarned) {
      hasWarned = true;
      logger.warn('A client leaves out headers that the protocol wants; they are filled in from the body', {
        headers: names,
        ...present({ client: clientOf(body) }),
      });
    }
    const headers = new Headers(request.headers);
    for (const [name, value] of Object.entries(missing)) headers.set(name, value);
    const { url, method, signal } = request;
    const forward = new Request(url, { method, headers, signal, ...present({ body: text }) });
    return entry(forward, { ...options, ...(text === undefined ? { parsedBody: body } : {}) });
  };
}

/** What the SDK's entry calls its refusals of requests without such a header. */
const MISSING = /^Rejected inbound request \((?:name|method)-header-missing\)/;

/** Reports what the entry refuses; the first for a missing header where somebody sees what can be done about it. */
export function reportRefusals(logger: Logger): (error: Error) => void {
  let hasTold = false;
  return ({ name, message }) => {
    logger.debug('A request was refused', { error: name, message });
    if (hasTold || !MISSING.test(message)) return;
    hasTold = true;
    logger.info(
      "A client that leaves out Mcp-Name or Mcp-Method was refused; headers: 'lenient' (--headers lenient) serves it",
    );
  };
}

/** Also of the older era, which has no such headers. */
function isComplete(headers: Headers): boolean {
  const version = headers.get('mcp-protocol-version')?.trim();
  if (version !== undefined && version < FIRST_REVISION) return true;
  const method = headers.get('mcp-method')?.trim();
  if (method === undefined) return false;
  return headers.has('mcp-name') || !Object.hasOwn(NAME_IN_PARAMS, method);
}

interface ReadBody {
  readonly body: unknown;
  /** Of a body that is no JSON, which the entry refuses. */
  readonly text?: string;
}

async function bodyOf(
  request: Request,
  options: McpHandlerRequestOptions | undefined,
  maxBytes: number,
): Promise<ReadBody | Response> {
  if (options?.parsedBody !== undefined) return { body: options.parsedBody };
  const read = await readRequestBody(request, maxBytes).catch(() => undefined);
  if (read === undefined) return refusedRequest(400, 'The body of this request could not be read.');
  if (read.tooLarge) return refusedRequest(413, `The body of a request must not exceed ${maxBytes} bytes.`);
  try {
    return { body: JSON.parse(read.text) as unknown };
  } catch {
    return { body: undefined, text: read.text };
  }
}

/** By name and value; none of what is no request of the new era, which needs no headers. */
function missingHeaders(headers: Headers, body: unknown): Readonly<Record<string, string>> {
  if (!isJsonObject(body) || typeof body.method !== 'string' || !('id' in body)) return {};
  const { method, params } = body;
  if (!isJsonObject(params) || metaOf(params)?.[PROTOCOL_VERSION_META_KEY] === undefined) return {};
  const field = Object.hasOwn(NAME_IN_PARAMS, method) ? NAME_IN_PARAMS[method] : undefined;
  const name = field === undefined ? undefined : params[field];
  return {
    ...(headers.has('mcp-method') ? {} : { 'mcp-method': encoded(method) }),
    ...(headers.has('mcp-name') || typeof name !== 'string' ? {} : { 'mcp-name': encoded(name) }),
  };
}

const PLAIN = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;
const SENTINEL = /^=\?base64\?.*\?=$/s;

/** Header values are visible ASCII; other text goes in base64, marked as the protocol marks it. */
function encoded(value: string): string {
  return PLAIN.test(value) && !SENTINEL.test(value)
    ? value
    : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`;
}

function clientOf(body: unknown): string | undefined {
  const params = isJsonObject(body) ? body.params : undefined;
  const info = isJsonObject(params) ? metaOf(params)?.[CLIENT_INFO_META_KEY] : undefined;
  const name = isJsonObject(info) ? info.name : undefined;
  return typeof name === 'string' ? shorten(name, SHOWN_CHARACTERS) : undefined;
}

function metaOf({ _meta: meta }: JsonObject): JsonObject | undefined {
  return isJsonObject(meta) ? meta : undefined;
}
