/** Callbacks that something outside completes, by the token that the handler gave away. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { eventLoopTurn } from '../../../../src/clock.ts';
import { newTaskId } from '../../../../src/domain/task-id.ts';
import { silentLogger } from '../../../../src/runtime/logger.ts';
import { decodeCallbackToken, encodeCallbackToken } from '../../../../src/runtime/running/callback-token.ts';
import type { ScopePort, TaskContext } from '../../../../src/runtime/running/task-context.ts';
import { createScope } from '../../../../src/runtime/running/task-scope.ts';
import { createTaskServer } from '../../../../src/server/create-task-server.ts';
import { defineTaskTool } from '../../../../src/server/define-task-tool.ts';
import { manualRandom } from '../../../../src/testing/manual-clock.ts';
import { EngineUnderTest } from '../../engine/engine-under-test.ts';
import { RuntimeUnderTest } from '../runtime-under-test.ts';

const text = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });

/** A server with one tool that hands out a token and waits; the test is the outside. */
async function waiting(wait: (task: TaskContext, submit: (token: string) => Promise<void>) => Promise<unknown>) {
  const runtime = new RuntimeUnderTest();
  const tokens: string[] = [];
  const tool = defineTaskTool({
    name: 'job',
    description: 'Waits for a job elsewhere.',
    inputSchema: z.object({}),
    run: async (_args, task) => text(await wait(task, async (token) => void tokens.push(token))),
  });
  const { backend, clock, queue } = runtime;
  const server = createTaskServer({
    name: 'test',
    logger: silentLogger,
    version: '1',
    tools: [tool],
    backend,
    clock,
    queue,
    random: manualRandom(3),
    graceMs: 0,
  });
  const task = await runtime.create('job');
  const report = await server.runTask(task);
  const [token = ''] = tokens;
  const outcome = async () => {
    const result = (await runtime.result(task)) as { content: { text: string }[]; isError?: boolean } | undefined;
    return result?.isError === true ? result.content[0]?.text : JSON.parse(result?.content[0]?.text ?? 'null');
  };
  return { runtime, server, task, report, token, tokens, outcome };
}

describe('a callback', () => {
  test('is completed with JSON by whoever holds the token, and the task goes on [EXEC-2]', async () => {
    const { runtime, server, task, report, token, tokens, outcome } = await waiting((context, submit) =>
      context.waitForCallback('job', submit),
    );
    expect(report).toBe('suspended');
    expect((await runtime.read(task)).status).toBe('working');

    await server.completeCallback(token, { value: { rows: 7, list: [null, 'a'] } });
    expect(runtime.queue.deliveries.at(-1)).toMatchObject({ notBefore: runtime.clock.now() });
    await server.runTask(task);

    expect(await outcome()).toEqual({ rows: 7, list: [null, 'a'] });
    expect(tokens).toHaveLength(1);
  });

  test('that fails rejects in the handler with the given message [EXEC-2]', async () => {
    const { server, task, token, outcome } = await waiting((context, submit) => context.waitForCallback('job', submit));

    await server.completeCallback(token, { failure: 'the job exploded' });
    await server.runTask(task);

    expect(await outcome()).toBe('the job exploded');
  });

  test('that times out rejects, and a later completion changes nothing [EXEC-2 I4]', async () => {
    const { runtime, server, task, token, outcome } = await waiting(async (context, submit) => {
      try {
        return await context.waitForCallback('job', submit, { timeout: { minutes: 5 } });
      } catch (error) {
        return (error as Error).name;
      }
    });
    expect((await runtime.read(task)).run.dueAt).toBe(runtime.clock.now() + 300_000);

    await runtime.clock.advance(300_000);
    await server.completeCallback(token, { value: 'late' });
    await server.runTask(task);

    expect(await outcome()).toBe('CallbackTimeoutError');
  });

  test('is completed once: the first completion counts [EXEC-2 I4]', async () => {
    const { server, task, token, outcome } = await waiting((context, submit) => context.waitForCallback('job', submit));

    await server.completeCallback(token, { value: 'first' });
    await server.completeCallback(token, { value: 'second' });
    await server.runTask(task);
    await server.completeCallback(token, { value: 'third' });

    expect(await outcome()).toBe('first');
  });

  test('may be completed before the handler has even begun to wait [EXEC-2]', async () => {
    let complete = async (_token: string) => {};
    const begun = waiting((context) => context.waitForCallback('job', (token) => complete(token)));
    const { server, task, runtime } = await begun;
    // The submitter above ran without completing; this one completes inside.
    complete = (token) => server.completeCallback(token, { value: 'at once' });
    const second = await runtime.create('job');

    await server.runTask(second);
    await server.runTask(second);

    expect((await runtime.read(second)).status).toBe('completed');
    expect((await runtime.read(task)).status).toBe('working');
  });

  test('is not shown to the client as a request [EXEC-3]', async () => {
    const { runtime, task } = await waiting((context, submit) => context.waitForCallback('job', submit));

    expect(await runtime.asked(task)).toEqual([]);
    expect(Object.keys((await runtime.read(task)).inputs)).toHaveLength(1);
  });

  test('stays open beside others that were opened at the same time [EXEC-2 I4]', async () => {
    const { runtime, server, task, tokens, outcome } = await waiting((context, submit) =>
      Promise.all(['a', 'b', 'c'].map((name) => context.waitForCallback(name, submit))),
    );
    expect(Object.keys((await runtime.read(task)).inputs)).toHaveLength(3);

    for (const [index, token] of tokens.entries()) await server.completeCallback(token, { value: index });
    await server.runTask(task);

    expect(await outcome()).toEqual([0, 1, 2]);
  });

  test('whose submission fails is submitted again with the same token [EXEC-2]', async () => {
    let tries = 0;
    const { runtime, server, task, tokens } = await waiting((context, submit) =>
      context.waitForCallback(
        'job',
        async (token) => {
          await submit(token);
          tries += 1;
          if (tries === 1) throw new Error('the other side is down');
        },
        { retryStrategy: () => ({ shouldRetry: true, delay: { seconds: 1 } }) },
      ),
    );
    await runtime.clock.advance(1000);

    await server.runTask(task);

    expect(tokens).toHaveLength(2);
    expect(new Set(tokens).size).toBe(1);
    expect((await runtime.read(task)).run.dueAt).toBeNull();
  });

  test('that is refused or withdrawn at once gives no token away: nobody could complete it [EXEC-2 EXEC-14]', async () => {
    const { tokens, outcome } = await waiting(async (context, submit) => {
      const nameOf = (error: unknown) => (error as Error).name;
      const signal = AbortSignal.abort(new RangeError('given up'));
      const withdrawn = await context.waitForCallback('withdrawn', submit, { signal }).catch(nameOf);
      const inTime = async () => 'in time';
      let late: unknown;
      await context.race('race', [
        inTime,
        async (branch) => {
          await branch.wait('long', { hours: 1 }).catch(() => {});
          late = await branch.waitForCallback('refused', submit).catch(nameOf);
          return 'late';
        },
      ]);
      await context.step('afterwards', async () => {});
      return [withdrawn, late];
    });

    expect(await outcome()).toEqual(['RangeError', 'OperationWithdrawn']);
    expect(tokens).toEqual([]);
  });

  test('that is withdrawn while it is being opened is not submitted [EXEC-2 EXEC-14]', async () => {
    const engine = new EngineUnderTest();
    const submitted: string[] = [];
    const opening = Promise.withResolvers<string>();
    const port: ScopePort = {
      logger: silentLogger,
      mayAsk: undefined,
      openCallback: () => opening.promise,
      assertAskable: () => {},
      readVariables: async () => ({}),
      mergeVariables: async () => {},
    };
    const { end } = engine.start((root) =>
      createScope(root, port).race('race', [
        (branch) => branch.step('wins', async () => 'won'),
        (branch) => branch.waitForCallback<string>('late', async (token) => void submitted.push(token)),
      ]),
    );
    expect(await end).toEqual({ kind: 'returned', value: 'won' });

    opening.resolve('a token');
    await eventLoopTurn();

    expect(submitted).toEqual([]);
  });

  test('that has timed out is not submitted again [EXEC-2]', async () => {
    let tries = 0;
    const { runtime, server, task, outcome } = await waiting(async (context) => {
      const submit = async () => {
        tries += 1;
        throw new Error('away');
      };
      const retryStrategy = (_: Error, attempt: number) => ({ shouldRetry: attempt < 3, delay: { minutes: 10 } });
      const late = context.waitForCallback('job', submit, { timeout: { minutes: 5 }, retryStrategy });
      const name = await late.catch((error: unknown) => (error as Error).name);
      await context.wait('long enough for another try', { minutes: 20 });
      return name;
    });
    for (let minutes = 0; minutes < 30; minutes += 5) {
      await runtime.clock.advance(300_000);
      await server.runTask(task);
    }

    expect(await outcome()).toBe('CallbackTimeoutError');
    expect(tries).toBe(1);
  });

  test('inside a branch that was opened by a crashed run keeps its token [EXEC-1 EXEC-2]', async () => {
    const { runtime, server, task, token, outcome } = await waiting((context, submit) =>
      context.runInChildContext('inner', (branch) => branch.waitForCallback('job', submit)),
    );
    await runtime.store.update(task, (now, at) => ({
      ...now,
      run: { ...now.run, epoch: now.run.epoch + 1, lease: { holder: 'died', until: at + 1000 } },
    }));
    await runtime.clock.advance(1000);
    await server.runTask(task);

    await server.completeCallback(token, { value: 'yes' });
    await server.runTask(task);

    expect(await outcome()).toBe('yes');
  });
});

describe('a callback token', () => {
  const id = newTaskId(0, manualRandom(5));

  test.each([
    { issuer: 'https://issuer', subject: 'me' },
    { issuer: 'a:b', subject: 'ü["', tenant: 't' },
  ])('names owner, task and key whatever the owner is called: %j', (owner) => {
    const address = { ref: { owner, id }, key: '0001-abc' };

    expect(decodeCallbackToken(encodeCallbackToken(address))).toEqual(address);
  });

  test.each([
    '',
    'garbage',
    Buffer.from('[]').toString('base64url'),
    Buffer.from('["x","y","z","w"]').toString('base64url'),
  ])('that is none is refused: %j [SEC-3]', (token) => {
    expect(() => decodeCallbackToken(token)).toThrow(expect.objectContaining({ code: 'invalid_answer' }));
  });
});
