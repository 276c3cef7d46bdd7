/**
 * A server of the unattended soak, run as a program with its settings in JSON as its argument: endpoint, worker and looker
 * in one process, over a store and a queue that it shares with others. Sends its parent its URL once it listens.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { type AnyTool, defineTaskTool, silentLogger, startLocalServer, type TaskContext } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { openSharedQueue } from '../../test/support/shared-queue.ts';

export interface UnattendedSettings {
  readonly address: string;
  /** Absent: each process has a queue of its own, which dies with it. */
  readonly queueUrl?: string;
  /** A file that gets a line for each step that has run. */
  readonly effects: string;
}

const settings = JSON.parse(process.argv[2] ?? '') as UnattendedSettings;

const done = { content: [{ type: 'text' as const, text: 'done' }] };
/** More than any task is killed in a row: it is not what this soak is about. */
const maxAttempts = 1_000;

const step = (task: TaskContext, name: string, takesMs = 0) =>
  task.step(name, async () => {
    if (takesMs > 0) await delay(takesMs);
    appendFileSync(settings.effects, `${task.id} ${name}\n`);
  });

const question = { message: 'A word?', requestedSchema: { type: 'object', properties: {} } };

const tools: readonly AnyTool[] = [
  defineTaskTool({
    name: 'works',
    description: 'Two steps, of which the second takes seconds.',
    inputSchema: z.object({}),
    maxAttempts,
    run: async (_args, task) => {
      await step(task, 'first');
      await step(task, 'second', 2_500);
      return done;
    },
  }),
  defineTaskTool({
    name: 'waits',
    description: 'A wait between two steps.',
    inputSchema: z.object({ seconds: z.number() }),
    maxAttempts,
    run: async ({ seconds }, task) => {
      await step(task, 'first');
      await task.wait('pause', { seconds });
      await step(task, 'second');
      return done;
    },
  }),
  defineTaskTool({
    name: 'asks',
    description: 'Asks for a word, and goes on without one after a while.',
    inputSchema: z.object({ seconds: z.number() }),
    maxAttempts,
    run: async ({ seconds }, task) => {
      await task.elicit(question, { timeout: { seconds } }).catch(() => undefined);
      await step(task, 'second');
      return done;
    },
  }),
  defineTaskTool({
    name: 'asks_for_ever',
    description: 'Asks for a word.',
    inputSchema: z.object({}),
    maxAttempts,
    run: async (_args, task) => {
      await task.elicit(question);
      return done;
    },
  }),
  defineTaskTool({
    name: 'overruns',
    description: 'Waits for longer than it may.',
    inputSchema: z.object({}),
    maxAttempts,
    runDeadlineMs: 8_000,
    run: async (_args, task) => {
      await task.wait('pause', { hours: 1 });
      return done;
    },
  }),
];

const { backend } = await openBackend(parseBackendAddress(settings.address));
const shared =
  settings.queueUrl === undefined ? {} : await openSharedQueue({ engine: 'sqs', queueUrl: settings.queueUrl });
const server = await startLocalServer({
  name: 'unattended',
  version: '1',
  tools,
  backend,
  ...shared,
  port: 0,
  allowAnonymous: true,
  maxActiveTasksPerOwner: 1_000_000,
  logger: silentLogger,
});
process.send?.({ url: server.url });
// The soak is gone: nobody will kill this process.
process.on('disconnect', () => process.exit(0));
