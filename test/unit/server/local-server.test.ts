/** The end of a local server: its last answers have their moment, and a client that holds its connection open does not keep it. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from '@jest/globals';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { startLocalServer } from '../../../src/server/local-server.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { eventually } from '../runtime/runtime-under-test.ts';

test('a server that closes waits half a second for a client in the middle of a request, and no longer [EXEC-5]', async () => {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  const server = await startLocalServer({
    name: 'closes',
    version: '1',
    logger: silentLogger,
    tools: [],
    backend,
    clock,
    port: 0,
  });
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1').on('error', () => {});
  const left = once(socket, 'close');
  socket.write('POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n');
  // The answer to the expectation: the server has the request, and waits for the rest of it.
  await once(socket, 'data');
  let isClosed = false;
  const closing = server.close().then(() => {
    isClosed = true;
  });
  // The one for the last answers; that of the sweep is gone.
  await eventually(() => clock.pendingTimers === 1);

  await clock.advance(499);
  expect([isClosed, socket.closed]).toEqual([false, false]);
  await clock.advance(1);

  await closing;
  await left;
  expect(clock.pendingTimers).toBe(0);
});
