/**
 * A task server on this machine: an HTTP listener in front of `createTaskServer`, guarded against DNS
 * rebinding. The composition root of the laptop; the one of AWS is in `lambda/`.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostHeaderValidation } from '@modelcontextprotocol/node';
import { systemClock } from '../clock.ts';
import { FOREIGN_ORIGIN, onlyOrigins, withOrigins } from '../protocol/cross-origin.ts';
import { HTTP_METHODS, isMcpPath, NO_MCP_PATH, refusalBody } from '../protocol/http-requests.ts';
import { assertOrigins } from './allowed-origins.ts';
import { createTaskServer, type TaskServer, type TaskServerOptions } from './create-task-server.ts';
import { createNodeHandler } from './node-handler.ts';
import { refuseUnreadable } from './unreadable-requests.ts';

const MCP_PATH = '/mcp';
/** What connections get for their last answers when the server closes. */
const LAST_ANSWERS_MS = 500;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export interface LocalServerOptions extends TaskServerOptions {
  /** 0: any free port. */
  readonly port: number;
  /** The address to listen on. @default '127.0.0.1' */
  readonly host?: string;
  /** Origins of web pages that may call, besides those of this machine, such as `https://app.example.com`. @default none */
  readonly allowedOrigins?: readonly string[];
  /** Whether clients that do not support tasks find tools for them. @default true */
  readonly taskTools?: boolean;
}

export interface LocalServer {
  readonly url: string;
  readonly tasks: TaskServer;
  /** Drains, then stops listening. */
  close(): Promise<void>;
}

/** Listens and starts running tasks. Rejects with the listener's error, such as `EADDRINUSE`. */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  const { port, host = '127.0.0.1', allowedOrigins = [], ...serverOptions } = options;
  assertOrigins(allowedOrigins);
  const tasks = createTaskServer({ taskTools: true, ...serverOptions });
  const clock = options.clock ?? systemClock;
  const hostname = host.includes(':') ? `[${host}]` : host;
  const allowedHosts = [...LOOPBACK, ...(isUnspecified(host) ? [] : [hostname])];
  const checkHost = hostHeaderValidation(allowedHosts);
  const origins = onlyOrigins((origin) => allowedOrigins.includes(origin) || isPageOf(allowedHosts, origin));
  const handle = createNodeHandler({ fetch: withOrigins(tasks.fetch, origins) });
  // Missing hosts are refused below, with a body; headers that come twice keep all their values, so that none of
  // them is believed alone.
  const server = createServer({ requireHostHeader: false, joinDuplicateHeaders: true }, (request, response) => {
    const { host: named } = request.headers;
    if (named === undefined || (isUnspecified(host) && !URL.canParse(`http://${named}`))) {
      refuse(response, 400, 'A request needs a Host header that names a host.');
      return;
    }
    // A server that listens on all addresses is meant to be reached by any name.
    if (!isUnspecified(host) && !checkHost(request, response)) return;
    const { origin } = request.headers;
    response.setHeaders(new Map(Object.entries(origins.headersFor(origin))));
    if (!origins.allows(origin)) {
      refuse(response, 403, FOREIGN_ORIGIN);
      return;
    }
    // Not parsed as a URL: anybody can send a request line that is none.
    if (!isMcpPath(request.url?.split('?', 1)[0] ?? '')) {
      refuse(response, 404, NO_MCP_PATH);
      return;
    }
    if (!HTTP_METHODS.includes(request.method ?? '')) {
      const allow = HTTP_METHODS.join(', ');
      refuse(response, 405, `This HTTP method is not served; it may be one of ${allow}.`, { allow });
      return;
    }
    void handle(request, response);
  });
  refuseUnreadable(server);
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

function refuse(
  response: ServerResponse,
  status: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(refusalBody(message));
}

function isPageOf(hosts: readonly string[], origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const url = new URL(origin);
  return url.origin === origin && hosts.includes(url.hostname);
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
