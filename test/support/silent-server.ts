/** A TCP server that takes every request and never answers. */
import { createServer } from 'node:net';

export interface SilentServer {
  readonly port: number;
  close(): void;
}

export async function silentServer(): Promise<SilentServer> {
  // What is sent has to be read, or the server would not notice that a client has gone.
  const server = createServer((socket) => socket.resume().on('error', () => undefined));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, close: () => server.close() };
}
