/**
 * Parameters of the wrong type are the client's fault, whichever method and transport they come by: -32602, and nothing
 * is done. The SDK sees to most of them. It takes `inputResponses` that are null, an array or text for none that
 * are accepted, and answers a wrong parameter of its own methods (`tools/list`) with an internal error.
 */
import { ProtocolError, ProtocolErrorCode, type Server } from '@modelcontextprotocol/server';
import { isJsonObject } from '../domain/json.ts';
import {
  changeRawRequests,
  type RawRequest,
  replaceStoredHandler,
  storedHandler,
  storedMethods,
} from './sdk-handlers.ts';

/** A path is made of the caller's own keys, which may be of any length. */
const MAX_SHOWN_LENGTH = 200;

/** In the params of a request whose `inputResponses` were no object, and are left out. */
const NO_RESPONSES = Symbol('inputResponses of the wrong type');

/** For a server that has all its handlers. */
export function refuseWrongTypes(server: Server): void {
  changeRawRequests(server, withoutWrongResponses);
  for (const method of storedMethods(server)) {
    const handler = storedHandler(server, method);
    if (handler === undefined) continue;
    replaceStoredHandler(server, method, async (request, ctx) => {
      if (method === 'tools/call') assertResponses(request);
      try {
        return await handler(request, ctx);
      } catch (error) {
        throw asWrongParameter(method, error);
      }
    });
  }
}

/** `tasks/update` then answers as if there were none, which it needs. */
function withoutWrongResponses(request: RawRequest): RawRequest {
  const { params } = request;
  if (!isJsonObject(params) || !('inputResponses' in params) || isJsonObject(params.inputResponses)) return request;
  const { inputResponses: _wrong, ...others } = params;
  return { ...request, params: { ...others, [NO_RESPONSES]: true } };
}

function assertResponses(request: unknown): void {
  const { params } = request as { readonly params?: unknown };
  if (!isJsonObject(params) || !(NO_RESPONSES in params)) return;
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    'inputResponses of tools/call must be an object of responses by key.',
  );
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What the SDK's schema of a whole request finds wrong reaches here as a plain error, whose message is JSON. */
function asWrongParameter(method: string, error: unknown): unknown {
  const wrong = issuesOf(error).find(({ path }) => path[0] === 'params');
  if (wrong === undefined) return error;
  const name = wrong.path.slice(1).map(String).join('.').slice(0, MAX_SHOWN_LENGTH);
  return new ProtocolError(ProtocolErrorCode.InvalidParams, `Invalid params for ${method}: ${name}: ${wrong.message}`);
}

function issuesOf(error: unknown): readonly Issue[] {
  if (!(error instanceof Error) || error.name !== 'Error' || !error.message.startsWith('[')) return [];
  try {
    const issues = JSON.parse(error.message) as Partial<Issue>[];
    return issues.filter((issue): issue is Issue => Array.isArray(issue?.path) && typeof issue.message === 'string');
  } catch {
    return [];
  }
}
