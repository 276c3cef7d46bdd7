/** One connection over stdio, of either era: the SDK's entry for it, with tasks. */
import type { Readable, Writable } from 'node:stream';
import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import type { Logger } from '../runtime/logger.ts';
import { type ServedAs, serverFactory } from './server-factory.ts';
import { StdioWire } from './stdio-wire.ts';

export interface StdioEndpointOptions extends ServedAs {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly logger: Logger;
  /** Takes the client's answer to a request that a task has made. @default it is left to the SDK */
  readonly onAnswer?: ((message: JSONRPCMessage) => Promise<void>) | undefined;
  /** Before what is under way is aborted because the connection is over. */
  readonly onClosed: () => void;
}

export interface StdioEndpoint {
  /** What the client calls itself; `undefined`: it has not said so yet. */
  readonly clientName: string | undefined;
  /** Resolves when every request that has come has its answer, but for subscriptions, or the connection is over. */
  answered(): Promise<void>;
  /** Ends subscriptions in good order, and the connection. */
  close(): Promise<void>;
}

export function openStdioEndpoint(options: StdioEndpointOptions): StdioEndpoint {
  const { stdin, stdout, extension, logger, onAnswer, onClosed } = options;
  const wire = new StdioWire(new StdioServerTransport(stdin, stdout), {
    subscriptions: extension.subscriptions,
    logger,
    onAnswer,
    onClosed,
  });
  const handle = serveStdio(serverFactory(options), {
    transport: wire,
    onerror: (error) => logger.debug('A message was refused', { error: error.name, message: error.message }),
  });
  return {
    get clientName() {
      return wire.clientName;
    },
    answered: () => wire.answered(),
    close: () => handle.close(),
  };
}
