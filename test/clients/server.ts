/**
 * The server under test for clients without tasks, as a process: `bin/serve.ts` with a waiting time of a second, for which
 * the command line has no option, so that what takes three seconds is handed over to the tools for tasks.
 * `node test/clients/server.ts (--port N | --stdio) --backend ADDRESS [--create-table]`.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/clock.ts';
import { startLocalServer, startStdioServer } from '../../src/index.ts';
import { createLineLogger } from '../../src/server/line-logger.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import tools from './tools.ts';

const WAIT_MS = 1_000;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    stdio: { type: 'boolean', default: false },
    backend: { type: 'string', default: 'memory' },
    'create-table': { type: 'boolean', default: false },
  },
});
const opened = await openBackend(parseBackendAddress(values.backend), { createTable: values['create-table'] });
const settings = {
  name: 'mcp-durable-tasks',
  version: '0.0.0',
  tools,
  backend: opened.backend,
  plainCallWaitMs: WAIT_MS,
  progressCallWaitMs: WAIT_MS,
  logger: createLineLogger('warn', systemClock, (line) => process.stderr.write(line)),
};
const end = () => opened.close().then(() => process.exit(0));
if (values.stdio) {
  const server = await startStdioServer(settings);
  process.on('SIGTERM', () => void server.close());
  void server.closed.then(end);
} else {
  const server = await startLocalServer({ ...settings, allowAnonymous: true, port: Number(values.port) });
  process.on('SIGTERM', () => void server.close().then(end));
}
