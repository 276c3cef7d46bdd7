/** A TCP proxy that can lose an answer: the request lands, the connection breaks, and the client must decide. */
import { connect, createServer, type Socket } from 'node:net';

export interface LossyProxy {
  readonly port: number;
  /** The next answer is dropped with its connection, after `meanwhile` was done. */
  loseNextAnswer(meanwhile?: () => Promise<unknown>): void;
  close(): void;
}

export async function lossyProxy(targetPort: number): Promise<LossyProxy> {
  let losing: (() => Promise<unknown>) | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    for (const socket of [client, target]) {
      sockets.add(socket);
      // Its other half ends with it; why does not matter here.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        target.destroy();
        sockets.delete(socket);
      });
    }
    client.pipe(target);
    target.on('data', (answer) => {
      const meanwhile = losing;
      losing = undefined;
      if (meanwhile === undefined) client.write(answer);
      else void meanwhile().finally(() => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    loseNextAnswer(meanwhile = async () => undefined) {
      losing = meanwhile;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
