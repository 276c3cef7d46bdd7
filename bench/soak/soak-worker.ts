/**
 * A worker process of the soak: endpoint and runner over one DynamoDB table, until it is killed.
 * Keeps nothing itself. What it does that the store cannot tell afterwards (that a step's action
 * ran, that it wrote the end of a task) goes to a journal, one line an event, before it goes on.
 */
import { randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { toNodeHandler } from '@modelcontextprotocol/node';
import * as z from 'zod';
import { DynamoDbBackend } from '../../src/backends/dynamodb.ts';
import { isTerminal } from '../../src/domain/status.ts';
import { createTaskServer, defineTaskTool, silentLogger } from '../../src/index.ts';
import { dynamoDbClient } from '../../test/support/engines/clients.ts';
import { LEASE_TIMES, LIMIT, OWNER_HEADER, ownerNamed, TOOL, type WorkerSettings } from './soak-settings.ts';

const { tableName, journal } = JSON.parse(process.argv[2] ?? '{}') as WorkerSettings;

const job = defineTaskTool({
  name: TOOL,
  description: 'Some steps, and a question in between if asked to.',
  inputSchema: z.object({ steps: z.number(), question: z.boolean() }),
  run: async ({ steps, question }, task) => {
    const outcomes: string[] = [];
    const step = (name: string) =>
      task.step(name, async () => {
        note({ ran: name, task: task.id });
        await delay(20 + Math.random() * 120);
        return randomUUID();
      });
    outcomes.push(await step('first'));
    const answer = question ? await task.elicit({ message: 'Go on?', requestedSchema: SCHEMA }) : undefined;
    for (let index = 1; index < steps; index += 1) outcomes.push(await step(`step ${index}`));
    return { content: [], structuredContent: { outcomes, answer: answer?.content?.['word'] ?? null } };
  },
});
const SCHEMA = { type: 'object', properties: { word: { type: 'string' } }, required: ['word'] } as const;

const server = createTaskServer({
  name: 'soak',
  logger: silentLogger,
  version: '1',
  tools: [job],
  backend: new DynamoDbBackend({ client: dynamoDbClient(), tableName }),
  concurrency: 64,
  maxActiveTasksPerOwner: LIMIT,
  leaseTimes: LEASE_TIMES,
  resolveOwner: (authInfo) => ownerNamed(authInfo?.clientId ?? 'nobody'),
});
server.store.onChange(({ task }, before) => {
  if (isTerminal(task.status) && (before === undefined || !isTerminal(before.status)))
    note({ ended: task.status, task: task.id });
});

const handle = toNodeHandler({ fetch: server.fetch });
const listener = createServer((request, response) => {
  const auth = { token: 'soak', clientId: String(request.headers[OWNER_HEADER]), scopes: [] };
  void handle(Object.assign(request, { auth }) as unknown as Parameters<typeof handle>[0], response);
});
await server.start();
listener.listen(0, '127.0.0.1', () => {
  const { port } = listener.address() as AddressInfo;
  process.send?.({ url: `http://127.0.0.1:${port}/mcp` });
});
// The soak is gone: nobody will kill this process.
process.on('disconnect', () => process.exit(0));

function note(event: object): void {
  appendFileSync(journal, `${JSON.stringify(event)}\n`);
}
