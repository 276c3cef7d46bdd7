/**
 * A server to be killed, run as a program: `node crash-server.ts ADDRESS OWNER EFFECTS [QUEUE]`. Its tools leave a line
 * in the file EFFECTS for each side effect, so that a test can tell what ran, when, and in which process. QUEUE is one
 * that several such servers share, as JSON: see shared-queue.ts. Prints its URL once it listens.
 */
import { appendFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import * as z from 'zod';
import {
  defineTaskTool,
  type LeaseTimes,
  startLocalServer,
  type TaskContext,
  type TaskScope,
} from '../../src/index.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { crashWorkflow } from './crash-workflow.ts';
import { type Effect, LOST_LEASE } from './effects.ts';
import { openSharedQueue, type SharedQueue } from './shared-queue.ts';

const LEASE_TIMES: LeaseTimes = { leaseMs: Number(process.env['CRASH_LEASE_MS']), heartbeatMs: 300 };
const HEALING_GRACE_MS = 300;

/** Characters that do not fit a task's head: they are records of their own, written before it and deleted after. */
const LARGE = 5_000;

const [address = '', owner = '', effects = '', queue] = process.argv.slice(2);

let lastNonce = 0;

function note(task: string, name: string): string {
  const effect: Effect = { task, name, pid: process.pid, at: Date.now() };
  appendFileSync(effects, `${JSON.stringify(effect)}\n`);
  lastNonce += 1;
  // Unlike any other run of any step, so that what is used shows which run it is from.
  return `${process.pid} ${lastNonce}`;
}

const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
const form = (field: string) => ({
  message: field,
  requestedSchema: { type: 'object', properties: { [field]: { type: 'string' } }, required: [field] },
});
const effectStep = (scope: TaskScope, task: TaskContext, name: string) =>
  scope.step(name, async () => note(task.id, name));

/** Everything that a crash could tear: steps, variables small and large, two questions at once, a wait, branches, a result. */
const journey = defineTaskTool({
  name: 'journey',
  description: 'A long way with many stops.',
  inputSchema: z.object({}),
  pollIntervalMs: 50,
  run: async (_args, task) => {
    task.signal.addEventListener('abort', () => {
      if (task.signal.reason.reason === 'lease_lost') note(task.id, LOST_LEASE);
    });
    const nonces: Record<string, string> = {};
    nonces['begin'] = await effectStep(task, task, 'begin');
    await task.variables.merge({ phase: 'asking', ballast: 'x'.repeat(LARGE) });
    const [left, right] = await Promise.all([task.elicit(form('left')), task.elicit(form('right'))]);
    nonces['answered'] = await effectStep(task, task, 'answered');
    await task.wait('pause', { seconds: 0.5 });
    const branches = await task.map('branches', [1, 2, 3], (branch, item) =>
      effectStep(branch, task, `branch ${item}`),
    );
    branches.getResults().forEach((nonce, index) => {
      nonces[`branch ${index + 1}`] = nonce;
    });
    await task.variables.merge({ phase: 'done', ballast: 'y'.repeat(LARGE), left: String(left.content?.['left']) });
    nonces['end'] = await effectStep(task, task, 'end');
    return text({ left: left.content?.['left'], right: right.content?.['right'], nonces });
  },
});

/** Steps that take a while each, one after the other. */
const steps = defineTaskTool({
  name: 'steps',
  description: 'Some slow steps.',
  inputSchema: z.object({ count: z.number(), stepMs: z.number() }),
  pollIntervalMs: 50,
  run: async ({ count, stepMs }, task) => {
    for (let index = 0; index < count; index += 1) {
      await task.step(`step ${index}`, async () => {
        note(task.id, `step ${index}`);
        await new Promise((resolve) => setTimeout(resolve, stepMs));
      });
    }
    return text({ pid: process.pid });
  },
});

/** Suspends in between, which gives its delivery up and needs another one. */
const pausing = defineTaskTool({
  name: 'pausing',
  description: 'A step, a pause, a step.',
  inputSchema: z.object({ pauseSeconds: z.number() }),
  run: async ({ pauseSeconds }, task) => {
    await effectStep(task, task, 'before');
    await task.wait('pause', { seconds: pauseSeconds });
    await effectStep(task, task, 'after');
    return text({ pid: process.pid });
  },
});

/** Ends only when its signal fires, and says which way. */
const endless = defineTaskTool({
  name: 'endless',
  description: 'Runs until it is told to stop.',
  inputSchema: z.object({}),
  pollIntervalMs: 50,
  run: async (_args, task) => {
    note(task.id, 'running');
    await new Promise<void>((resolve) => task.signal.addEventListener('abort', () => resolve()));
    note(task.id, 'aborted');
    return text({});
  },
});

const workflow = crashWorkflow(note);
const opened = await openBackend(parseBackendAddress(address));
const server = await startLocalServer({
  logger: silentLogger,
  name: 'crash-server',
  version: '1',
  tools: [journey, steps, pausing, endless, ...workflow.tools],
  workflows: workflow.workflows,
  backend: opened.backend,
  ...(queue === undefined ? {} : await openSharedQueue(JSON.parse(queue) as SharedQueue)),
  port: 0,
  resolveOwner: () => ({ issuer: 'crash test', subject: owner }),
  leaseTimes: LEASE_TIMES,
  healingGraceMs: HEALING_GRACE_MS,
});
// A killed process writes no compile cache at its end, and the next one is to start fast.
flushCompileCache();
process.stdout.write(`listening at ${server.url}\n`);
