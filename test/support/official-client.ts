/**
 * The official client with the official tasks requester on top: `@modelcontextprotocol/client` connects
 * and discovers, `@modelcontextprotocol/ext-tasks/client` drives tasks. What is ours is only the way of a
 * raw request, which the requester leaves to its host on the 2026-07-28 era.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import {
  type ApplicationInputHandler,
  createTaskSessionFromClient,
  DispatchError,
  type JsonRpcResponse,
  type RawClientDispatch,
  type TaskEnabledSession,
} from '@modelcontextprotocol/ext-tasks/client';
import { present } from '../../src/present.ts';
import { EventReader, mcpHeaders, PROTOCOL_VERSION, type RpcMessage } from './mcp-requests.ts';

const CLIENT_INFO = { name: 'official-client', version: '1.0.0' };
const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} };

export interface OfficialClient extends AsyncDisposable {
  readonly client: Client;
  readonly session: TaskEnabledSession;
}

export interface OfficialClientOptions {
  /** Answers what tasks ask. */
  readonly onInputRequest?: ApplicationInputHandler['handle'];
}

/** Connects to `url`; `endpointId` is what a task reference is bound to, the same before and after a restart. */
export async function connectOfficialClient(
  url: string,
  endpointId: string,
  options: OfficialClientOptions = {},
): Promise<OfficialClient> {
  const client = new Client(CLIENT_INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: { pin: PROTOCOL_VERSION } },
  });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: fetchHere }));
  const session = createTaskSessionFromClient(client, {
    endpointId,
    rawDispatch: rawDispatchTo(url),
    v2RequestFraming: {
      protocolVersion: PROTOCOL_VERSION,
      clientInfo: CLIENT_INFO,
      clientCapabilities: CAPABILITIES,
    },
    ...options,
  });
  return {
    client,
    session,
    [Symbol.asyncDispose]: async () => {
      await session.close();
      await client.close();
    },
  };
}

/** Jest runs tests in a realm of their own, and the client takes objects of another one's `json()` for no JSON. */
export async function fetchHere(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  return Object.assign(response, { json: async () => JSON.parse(await response.text()) as unknown });
}

function rawDispatchTo(url: string): RawClientDispatch {
  let lastId = 0;
  return async (request, options) => {
    const { method, params } = request as { method: string; params: Record<string, unknown> };
    lastId += 1;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...mcpHeaders(method, params), ...lowerCased(options?.context?.headers ?? {}) },
        body: JSON.stringify({ jsonrpc: '2.0', id: lastId, method, params }),
        ...present({ signal: options?.signal }),
      });
      return toResponse(await finalMessage(response));
    } catch (error) {
      if (error instanceof DispatchError || options?.signal?.aborted === true) throw error;
      throw new DispatchError(`${method} got no answer`, true, { cause: error });
    }
  };
}

/** The requester names the task in a header as well: the same header, in other letters. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

async function finalMessage(response: Response): Promise<RpcMessage> {
  const streams = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!streams || response.body === null) return JSON.parse(await response.text()) as RpcMessage;
  const messages = await new EventReader(response.body).rest();
  const last = messages.findLast(({ id }) => id !== undefined);
  if (last === undefined) throw new DispatchError('The stream ended without an answer');
  return last;
}

function toResponse({ result, error }: RpcMessage): JsonRpcResponse {
  if (error !== undefined) return { kind: 'error', error };
  return { kind: 'result', result: result ?? null };
}
