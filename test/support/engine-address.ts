/** The one address of an engine, in front of whatever answers there now: a TCP proxy that leads elsewhere, or nowhere, on demand. */
import { connect, createServer, type Socket } from 'node:net';

export interface EngineAddress {
  readonly port: number;
  /** How many have been made so far. */
  readonly connections: number;
  /** Leads new connections to another port; those that are open stay where they are. */
  leadTo(targetPort: number): void;
  /** Open connections hear nothing any more and are not told, as when a machine has lost its power; new ones are led on. */
  silenceOpen(): void;
  /** Ends all connections and takes none, until `accept`. */
  refuse(): void;
  /** Answers whatever is sent with this text, and ends the connection, until `accept`. */
  answerWith(text: string): void;
  accept(): void;
  close(): void;
}

export async function engineAddress(firstTarget: number): Promise<EngineAddress> {
  let targetPort = firstTarget;
  let behaviour: 'accept' | 'refuse' | { readonly answer: string } = 'accept';
  let connections = 0;
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((client) => {
    connections += 1;
    if (behaviour === 'refuse') {
      client.on('error', () => undefined).destroy();
      return;
    }
    const target = connect(targetPort, '127.0.0.1');
    const pair = [client, target] as const;
    pairs.add(pair);
    for (const socket of pair) {
      // Its other half ends with it; why does not matter here.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        target.destroy();
        pairs.delete(pair);
      });
    }
    client.on('data', (request) => {
      if (typeof behaviour === 'object') client.end(behaviour.answer);
      else target.write(request);
    });
    target.on('data', (answer) => client.write(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const endAll = () => {
    for (const [client, target] of pairs) {
      client.destroy();
      target.destroy();
    }
  };
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return connections;
    },
    leadTo(port) {
      targetPort = port;
    },
    silenceOpen() {
      for (const [client, target] of pairs) {
        client.removeAllListeners('data').resume();
        target.removeAllListeners('data').resume();
      }
    },
    refuse() {
      behaviour = 'refuse';
      endAll();
    },
    answerWith(answer) {
      behaviour = { answer };
    },
    accept() {
      behaviour = 'accept';
    },
    close() {
      server.close();
      endAll();
    },
  };
}
