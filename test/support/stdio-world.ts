/** A held server with connections over stdio to it, which a test opens one by one and sees from the client's side. */
import { PassThrough } from 'node:stream';
import { setImmediate as eventLoopTurn } from 'node:timers/promises';
import { present } from '../../src/present.ts';
import { McpServer } from '../../src/protocol/sdk.ts';
import { openStdioEndpoint, type StdioEndpoint, type StdioEndpointOptions } from '../../src/protocol/stdio-endpoint.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { ask, greet, keepAll } from './hostile-world.ts';
import type { RpcMessage } from './mcp-requests.ts';
import { type HeldServer, holdServer } from './mcp-server.ts';
import { type PeerOptions, StdioPeer } from './stdio-peer.ts';

/** Of every client over stdio here; over HTTP, each has its own. */
export const STDIO_OWNER = { issuer: 'stdio', subject: 'somebody' };

export interface StdioConnection {
  readonly peer: StdioPeer;
  readonly endpoint: StdioEndpoint;
  /** The server that the SDK has made for it, once it has. */
  readonly served: readonly McpServer[];
}

export interface StdioWorld extends HeldServer {
  connect(options?: PeerOptions, hooks?: Partial<Pick<StdioEndpointOptions, 'onAnswer' | 'onClosed'>>): StdioConnection;
  /** How many wait for changes of tasks now. */
  readonly listeners: number;
  closeAll(): Promise<void>;
}

export function stdioWorld(): StdioWorld {
  const held = holdServer([greet, ask, keepAll], {
    resolveOwner: (authInfo) => (authInfo === undefined ? STDIO_OWNER : { issuer: 'http', subject: authInfo.clientId }),
  });
  const { store, extension } = held.server;
  const onChange = store.onChange.bind(store);
  let listeners = 0;
  store.onChange = (listener, taskId) => {
    const stop = onChange(listener, taskId);
    let listening = true;
    listeners += 1;
    return () => {
      if (listening) listeners -= 1;
      listening = false;
      stop();
    };
  };
  const endpoints: StdioEndpoint[] = [];
  return {
    ...held,
    get listeners() {
      return listeners;
    },
    connect: (options = {}, { onAnswer, onClosed = () => {} } = {}) => {
      const [stdin, stdout] = [new PassThrough(), new PassThrough()];
      const served: McpServer[] = [];
      const endpoint = openStdioEndpoint({
        name: 'held-server',
        version: '1.2.3',
        extension,
        createServer: () => {
          const capabilities = { tools: { listChanged: true } };
          const server = new McpServer({ name: 'own', version: '1' }, { capabilities });
          served.push(server);
          return server;
        },
        stdin,
        stdout,
        logger: silentLogger,
        onClosed,
        ...present({ onAnswer }),
      });
      endpoints.push(endpoint);
      return { peer: new StdioPeer(stdin, stdout, options), endpoint, served };
    },
    closeAll: async () => {
      await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    },
  };
}

/** What a message says, in short. */
export function gist({ method, params, result, error, id }: RpcMessage): unknown {
  if (error !== undefined) return [id, error.code];
  if (result !== undefined) return [id, 'end'];
  if (method === 'notifications/tasks') return [params?.['taskId'], params?.['status']];
  return method === 'notifications/subscriptions/acknowledged' ? params?.['notifications'] : method;
}

export async function gists(peer: StdioPeer, count: number): Promise<unknown[]> {
  const seen: unknown[] = [];
  while (seen.length < count) seen.push(gist(await peer.next()));
  return seen;
}

/** Time for whatever could still come, to come. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await eventLoopTurn();
}
