/**
 * The official client over stdio, with the official tasks requester on top in the 2026-07-28 era. What is ours is only the
 * way of a raw request, which the requester leaves to its host: on the client's own pipe, under ids of its own.
 */
import { Client, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import {
  type ApplicationInputHandler,
  createTaskSessionFromClient,
  type JsonRpcResponse,
  type RawClientDispatch,
  type TaskEnabledSession,
} from '@modelcontextprotocol/ext-tasks/client';
import { present } from '../../src/present.ts';
import { envelope, PROTOCOL_VERSION, type RpcMessage } from './mcp-requests.ts';

const CLIENT_INFO = { name: 'official-client', version: '1.0.0' };
const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} };
const OWN_IDS = 'raw ';

export interface SpawnedServer {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function transportTo({ command, args, env }: SpawnedServer): StdioClientTransport {
  return new StdioClientTransport({ command, args: [...args], env: { ...env }, stderr: 'ignore' });
}

/** Of the 2025 era, which has no tasks here: the plain client. */
export async function connectLegacyStdioClient(server: SpawnedServer): Promise<Client> {
  const client = new Client(CLIENT_INFO, { capabilities: {} });
  await client.connect(transportTo(server));
  return client;
}

export interface OfficialStdioClient extends AsyncDisposable {
  readonly client: Client;
  readonly session: TaskEnabledSession;
}

export async function connectOfficialStdioClient(
  server: SpawnedServer,
  onInputRequest?: ApplicationInputHandler['handle'],
): Promise<OfficialStdioClient> {
  const client = new Client(CLIENT_INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: { pin: PROTOCOL_VERSION } },
  });
  const transport = transportTo(server);
  await client.connect(transport);
  const session = createTaskSessionFromClient(client, {
    endpointId: 'stdio',
    rawDispatch: rawDispatchOver(transport),
    v2RequestFraming: {
      protocolVersion: PROTOCOL_VERSION,
      clientInfo: CLIENT_INFO,
      clientCapabilities: CAPABILITIES,
    },
    ...present({ onInputRequest }),
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

/** To be called once the client has connected, which is when the transport has its listener. */
function rawDispatchOver(transport: Transport): RawClientDispatch {
  const waiting = new Map<unknown, (message: RpcMessage) => void>();
  const { onmessage: pass } = transport;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- The SDK's transports have no such method.
  transport.onmessage = (message, extra) => {
    const answer = 'id' in message ? waiting.get(message.id) : undefined;
    if (answer === undefined) pass?.(message, extra);
    else answer(message as RpcMessage);
  };
  let lastId = 0;
  return async (request) => {
    const { method, params } = request as { method: string; params: Record<string, unknown> };
    lastId += 1;
    const id = `${OWN_IDS}${lastId}`;
    const answer = new Promise<RpcMessage>((resolve) => {
      waiting.set(id, resolve);
    });
    const meta = { ...envelope(), ...(params['_meta'] as object | undefined) };
    await transport.send({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } });
    const { result, error } = await answer;
    waiting.delete(id);
    const response: JsonRpcResponse =
      error === undefined ? { kind: 'result', result: result ?? null } : { kind: 'error', error };
    return response;
  };
}
