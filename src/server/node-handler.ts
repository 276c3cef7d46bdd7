/**
 * A task server as a handler of Node's HTTP requests: for `node:http`, Express, and whatever has such requests inside. The
 * conversion is the SDK's; this adds our bound for bodies, and finds the body where Express has put it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { type FetchHandler, MAX_REQUEST_BYTES } from '../protocol/endpoint.ts';
import type { AuthInfo } from '../protocol/sdk.ts';

export interface NodeRequest extends IncomingMessage {
  /** Of the caller, by credentials that something in front has verified. */
  readonly auth?: AuthInfo;
  /** As `express.json()` leaves it. */
  readonly body?: unknown;
}

/**
 * `parsedBody` is what was made of the body by something that has read it before. @default the request's `body`. A function is
 * Express's `next`, which is not called: every request is answered.
 */
export type NodeHandler = (request: NodeRequest, response: ServerResponse, parsedBody?: unknown) => Promise<void>;

export function createNodeHandler(server: { readonly fetch: FetchHandler }): NodeHandler {
  const handle = toNodeHandler(server, { maxRequestBodySize: MAX_REQUEST_BYTES });
  return (request, response, parsedBody) => {
    const body = typeof parsedBody === 'function' ? undefined : parsedBody;
    return handle(request as Parameters<typeof handle>[0], response, body ?? request.body);
  };
}
