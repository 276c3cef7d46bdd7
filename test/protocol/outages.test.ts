/** What clients are told while the queue does not answer, and when the server closes under them. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { ANONYMOUS } from '../../src/domain/owner.ts';
import type { TaskRef } from '../../src/domain/task.ts';
import { HEALING_GRACE_MS } from '../../src/runtime/queues/deliveries.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { startLocalServer } from '../../src/server/local-server.ts';
import { ask, createWaiting, greet } from '../support/hostile-world.ts';
import { mcpRequest, readAnswer } from '../support/mcp-requests.ts';
import { HandQueue, holdServer } from '../support/mcp-server.ts';

class FailingQueue extends HandQueue {
  broken = false;

  override async enqueue(ref: TaskRef, options: { readonly notBefore: number }): Promise<void> {
    if (this.broken) throw new Error('the queue is down');
    await super.enqueue(ref, options);
  }
}

function holdOnFailingQueue() {
  const queue = new FailingQueue();
  const held = holdServer([greet, ask], { queue });
  const runDue = async () => {
    for (let ref = queue.takeDue(held.clock.now()); ref !== undefined; ref = queue.takeDue(held.clock.now())) {
      await held.server.runTask(ref);
    }
  };
  return { ...held, queue, runDue };
}

describe('while the queue does not answer', () => {
  test('a call returns its task; polls answer, and the first after a grace period brings it to a worker [I1 I5 EXEC-8]', async () => {
    const { peer, queue, clock, runDue } = holdOnFailingQueue();
    queue.broken = true;

    const taskId = await peer.createTask('greet', { name: 'Ada' });

    expect(await peer.task(taskId)).toMatchObject({ status: 'working' });
    await clock.advance(HEALING_GRACE_MS + 1);
    expect(await peer.task(taskId)).toMatchObject({ status: 'working' });
    queue.broken = false;
    // Whoever enqueues a task again waits as long as it had waited by then before it does so once more.
    await clock.advance(HEALING_GRACE_MS + 2);
    await peer.task(taskId);
    await runDue();
    expect(await peer.task(taskId)).toMatchObject({ status: 'completed' });
  });

  test('answers are accepted, and used once a later poll has brought the task to a worker [I4 I5 EXEC-8]', async () => {
    const held = holdOnFailingQueue();
    const { peer, queue, clock, runDue } = held;
    const { taskId, form, roots, sampling } = await createWaiting(held, peer);
    queue.broken = true;
    const inputResponses = {
      [form]: { action: 'accept', content: { approved: true } },
      [roots]: { roots: [] },
      [sampling]: { role: 'assistant', content: { type: 'text', text: 'Hi' }, model: 'm' },
    };

    expect(await peer.result('tasks/update', { taskId, inputResponses })).toMatchObject({ resultType: 'complete' });

    expect(await peer.task(taskId)).toMatchObject({ status: 'working' });
    queue.broken = false;
    await clock.advance(HEALING_GRACE_MS + 1);
    await peer.task(taskId);
    await runDue();
    expect(await peer.task(taskId)).toMatchObject({ status: 'completed' });
  });
});

describe('a server that closes while a plain call waits', () => {
  const HANDED_OVER = {
    content: [{ type: 'text', text: expect.stringContaining('This is no failure') }],
    structuredContent: { status: 'working' },
  };

  test('answers the call with its task, which stays unfinished [I5 MOD-6]', async () => {
    const { peer, queue, clock, server } = holdServer([greet]);
    const answer = peer.call('greet', { name: 'Ada' }, { declares: false });
    await queue.filled();
    await clock.advance(100);

    await server.drain();

    expect((await answer).message?.result).toMatchObject(HANDED_OVER);
    const { tasks } = await server.store.list({ issuer: 'unspecified', subject: 'client alice' }, { limit: 2 });
    expect(tasks.map(({ status }) => status)).toEqual(['working']);
  });

  test('does so over HTTP too, before it hangs up [I5 MOD-6]', async () => {
    const begun = Promise.withResolvers<void>();
    const waits = defineTaskTool({
      name: 'waits',
      description: 'Waits.',
      inputSchema: z.object({}),
      run: async (_args, task) => {
        begun.resolve();
        await task.wait('pause', { seconds: 20 });
        return { content: [] };
      },
    });
    const server = await startLocalServer({
      name: 'closing',
      version: '1',
      tools: [waits],
      backend: new MemoryBackend(),
      port: 0,
      allowAnonymous: true,
    });
    const call = mcpRequest('tools/call', { name: 'waits', arguments: {} }, { declares: false, url: server.url });
    const answer = fetch(call).then(readAnswer);
    await begun.promise;

    await server.close();

    expect((await answer).message?.result).toMatchObject(HANDED_OVER);
    const { tasks } = await server.tasks.store.list(ANONYMOUS, { limit: 2 });
    expect(tasks.map(({ status }) => status)).toEqual(['working']);
  });
});
