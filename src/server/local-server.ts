/**
 * A task server on this machine: an HTTP listener in front of `createTaskServer`, guarded against DNS
 * rebinding. The composition root of the laptop; the one of AWS is in `lambda/`.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostHeaderValidation, originValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { systemClock } from '../clock.ts';
import { MAX_REQUEST_BYTES } from '../protocol/endpoint.ts';
import { createTaskServer, type TaskServer, type TaskServerOptions } from './create-task-server.ts';

const MCP_PATH = '/mcp';
/** The MCP endpoint's own, which answers what it does not serve; no other method reaches it. */
const METHODS = ['POST', 'GET', 'DELETE', 'OPTIONS', 'HEAD', 'PUT', 'PATCH'];
/** What connections get for their last answers when the server closes. */
const LAST_ANSWERS_MS = 500;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export interface LocalServerOptions extends TaskServerOptions {
  /** 0: any free port. */
  readonly port: number;
  /** The address to listen on. @default '127.0.0.1' */
  readonly host?: string;
}

export interface LocalServer {
  readonly url: string;
  readonly tasks: TaskServer;
  /** Drains, then stops listening. */
  close(): Promise<void>;
}

/** Listens and starts running tasks. Rejects with the listener's error, such as `EADDRINUSE`. */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  const { port, host = '127.0.0.1', ...serverOptions } = options;
  const tasks = createTaskServer(serverOptions);
  const clock = options.clock ?? systemClock;
  const handle = toNodeHandler({ fetch: tasks.fetch }, { maxRequestBodySize: MAX_REQUEST_BYTES });
  const hostname = host.includes(':') ? `[${host}]` : host;
  const allowedHosts = [...LOOPBACK, ...(isUnspecified(host) ? [] : [hostname])];
  const checkHost = hostHeaderValidation(allowedHosts);
  const checkOrigin = originValidation(allowedHosts);
  const server = createServer((request, response) => {
    // Whoever listens on all addresses has chosen to be reached by any name.
    if (!isUnspecified(host) && !checkHost(request, response)) return;
    if (!checkOrigin(request, response)) return;
    // Not parsed as a URL: anybody can send a request line that is none.
    if (request.url?.split('?', 1)[0] !== MCP_PATH) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end(`Not found. The MCP endpoint is ${MCP_PATH}.\n`);
      return;
    }
    if (!METHODS.includes(request.method ?? '')) {
      response.writeHead(405, { allow: METHODS.join(', ') }).end();
      return;
    }
    void handle(request as Parameters<typeof handle>[0], response);
  });
  await listen(server, port, host);
  await tasks.start();
  const { port: actualPort } = server.address() as AddressInfo;
  return {
    url: `http://${isUnspecified(host) || host === '127.0.0.1' ? 'localhost' : hostname}:${actualPort}${MCP_PATH}`,
    tasks,
    close: async () => {
      await tasks.drain();
      await new Promise<void>((resolve) => {
        // Answers that are being written may finish; a client that does not read them is not waited for.
        const cancel = clock.after(LAST_ANSWERS_MS, () => server.closeAllConnections());
        server.close(() => {
          cancel();
          resolve();
        });
        server.closeIdleConnections();
      });
    },
  };
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
