/**
 * The server under test for clients without tasks, as a process: `bin/serve.ts` with a waiting time of a second, for which
 * the command line has no option, so that what takes three seconds is handed over to the tools for tasks.
 * `node test/clients/server.ts --port N --backend ADDRESS [--create-table]`.
 */
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/clock.ts';
import { startLocalServer } from '../../src/index.ts';
import { createLineLogger } from '../../src/server/line-logger.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import tools from './tools.ts';

const WAIT_MS = 1_000;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    backend: { type: 'string', default: 'memory' },
    'create-table': { type: 'boolean', default: false },
  },
});
const opened = await openBackend(parseBackendAddress(values.backend), { createTable: values['create-table'] });
const server = await startLocalServer({
  name: 'mcp-durable-tasks',
  version: '0.0.0',
  tools,
  backend: opened.backend,
  allowAnonymous: true,
  taskTools: true,
  plainCallWaitMs: WAIT_MS,
  progressCallWaitMs: WAIT_MS,
  logger: createLineLogger('warn', systemClock, (line) => process.stderr.write(line)),
  port: Number(values.port),
});
process.stdout.write(`MCP server  ${server.url}\n`);
process.on('SIGTERM', () => {
  void server.close().then(() => opened.close());
});
