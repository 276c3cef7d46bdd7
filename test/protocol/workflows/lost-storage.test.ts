/** Storage that goes away, or is slow, while a workflow begins or a step is recorded: what is there is told of, and nothing is lost. */
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { BackendError } from '../../../src/backends/errors.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { countingBackend } from '../../support/counting-backend.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { boundTo, WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const workflow = defineWorkflow({
  name: 'w',
  description: 'Goes.',
  arguments: z.object({}),
  steps: (steps) => steps.tool('one', () => ({ tool: 'go' })).client('two', () => ({ tool: 'put' })),
});
const go = plain('go', async () => json('gone'));
const put = plain('put', async () => json('put'));
const away = () => Promise.reject(new BackendError('unavailable', 'Storage is away.'));

test('the reply names a task that was made before storage went away, and the task goes on [WF-12 WF-2]', async () => {
  const backend = countingBackend(new MemoryBackend());
  // What a task is enqueued with is the last that is done for it before its reply.
  const queue = { enqueue: async () => backend.intercept(away) };
  const session = new WorkflowSession(
    holdServer([go, put], { workflows: [workflow], backend, queue, promptBudgetMs: 2_000 }),
  );
  const asking = session.peer.result('prompts/get', { name: 'w' });
  let isAnswered = false;
  void asking.finally(() => {
    isAnswered = true;
  });
  while (!isAnswered) await session.held.clock.advance(500);
  const { _meta: meta } = (await asking) as { _meta: { task_id: string } };

  expect(meta).toMatchObject({
    task_id: expect.any(String),
    task_status: 'working',
    pause_reason: { type: 'timeBudget', step: 'one' },
  });
  backend.intercept();
  await session.run(meta.task_id);
  expect(await session.peer.task(meta.task_id)).toMatchObject({
    status: 'working',
    statusMessage: '1 of 2 steps done; waits for step two: the client calls put.',
  });
});

test('a server that closes waits for what is still being recorded of calls [WF-5]', async () => {
  const inner = new MemoryBackend();
  const backend = countingBackend(inner);
  const first = new WorkflowSession(holdServer([go, put], { workflows: [workflow], backend }));
  const { taskId } = await first.get('w');
  let write: (() => void) | undefined;
  const isFree = new Promise<void>((resolve) => {
    write = resolve;
  });
  backend.intercept(async ({ verb }, proceed) => {
    if (verb === 'putIfVersion') await isFree;
    return proceed();
  });
  // The call itself is not held up by it for long.
  await first.meanwhile(first.peer.call('put', {}, boundTo(taskId)));
  let isClosed = false;
  const closing = first.held.server.drain().then(() => {
    isClosed = true;
  });
  await first.held.clock.advance(10_000);
  expect(isClosed).toBe(false);
  write?.();
  await closing;

  backend.intercept();
  const second = new WorkflowSession(
    holdServer([go, put], { workflows: [workflow] }, { clock: first.held.clock, backend: inner }),
  );
  await second.run(taskId);
  expect(await second.outputs(taskId)).toEqual(['gone', 'put']);
});
