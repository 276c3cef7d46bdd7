/** The durable engine's storage: one entry a checkpoint, the race for a place, answers copied once. */

import { isDurableExecutionClientError, type OperationUpdate } from '@aws/durable-execution-sdk-js';
import { describe, expect, test } from '@jest/globals';
import { MAX_PAYLOAD_BYTES } from '../../../src/domain/payload.ts';
import { CheckpointClient } from '../../../src/runtime/checkpoint-client.ts';
import { HeldTask } from '../../../src/runtime/held-task.ts';
import { RuntimeUnderTest, TIMES, toolOf } from './runtime-under-test.ts';

async function open(runtime: RuntimeUnderTest, created: HeldTask['task']) {
  const { clock, store, logger } = runtime;
  const held = await HeldTask.acquire(await store.get(created), 'runner', { store, clock, times: TIMES, logger });
  if (held === undefined) throw new Error('not held');
  const client = new CheckpointClient({ held, store, clock });
  await client.load();
  return { held, client };
}

async function setUp() {
  const runtime = new RuntimeUnderTest();
  return { runtime, ...(await open(runtime, await runtime.create('tool'))) };
}

const send = (client: CheckpointClient, ...Updates: OperationUpdate[]) =>
  client.checkpoint({ DurableExecutionArn: 'x', CheckpointToken: '1', Updates });
const start = (Id: string): OperationUpdate => ({ Id, Type: 'STEP', Action: 'START', Name: Id });
const succeed = (Id: string, Payload: string): OperationUpdate => ({ Id, Type: 'STEP', Action: 'SUCCEED', Payload });

describe('a checkpoint', () => {
  test('is one entry of the log, whatever it holds, and answers with what changed [EXEC-1]', async () => {
    const { runtime, held, client } = await setUp();

    const response = await send(client, start('a'), succeed('a', '1'), start('b'));

    expect(await runtime.log(held.task)).toHaveLength(1);
    expect(response.NewExecutionState?.Operations?.map(({ Id, Status }) => [Id, Status])).toEqual([
      ['a', 'SUCCEEDED'],
      ['b', 'STARTED'],
    ]);
    held.close();
  });

  test('that loses the race for its place is refused, stops the run, and leaves the winner’s entry [I3 I7]', async () => {
    const { runtime, held, client } = await setUp();
    await runtime.otherStore().log.append(held.task, 0, { at: 1, updates: [] });

    const lost = send(client, start('a'));

    await expect(lost).rejects.toMatchObject({ scope: 'INVOCATION' });
    expect(held.signal.reason).toMatchObject({ reason: 'lease_lost' });
    expect(await runtime.log(held.task)).toEqual([{ at: 1, updates: [] }]);
    held.close();
  });

  test('of a run that was stopped is refused before it is written [I2 I7]', async () => {
    const { runtime, held, client } = await setUp();
    held.stop('cancelled');

    await expect(send(client, start('a'))).rejects.toMatchObject({ scope: 'INVOCATION' });

    expect(await runtime.log(held.task)).toEqual([]);
    held.close();
  });

  test('that is too large ends the task, not just the run [EXEC-7]', async () => {
    const { held, client } = await setUp();

    const error: unknown = await send(client, succeed('a', 'x'.repeat(MAX_PAYLOAD_BYTES + 1))).catch(
      (thrown: unknown) => thrown,
    );

    expect(isDurableExecutionClientError(error) && error.scope).toBe('EXECUTION');
    held.close();
  });

  test('without updates asks whether something happened outside, and reads only if something can [I10]', async () => {
    const { runtime, held, client } = await setUp();
    let reads = 0;
    const get = runtime.backend.get.bind(runtime.backend);
    runtime.backend.get = (key) => {
      reads += 1;
      return get(key);
    };

    await send(client);
    expect(reads).toBe(0);
    await send(client, { Id: 'c', Type: 'CALLBACK', Action: 'START' });
    await send(client);

    expect(reads).toBe(1);
    held.close();
  });
});

describe('loading', () => {
  test('finds what an earlier run recorded, as the engine was told it [EXEC-1]', async () => {
    const { runtime, held, client } = await setUp();
    const told = await send(client, start('a'), succeed('a', '1'));
    held.close();
    await runtime.clock.advance(TIMES.leaseMs);

    const again = await open(runtime, held.task);

    const operations = again.client.initialOperations();
    expect(operations[0]).toMatchObject({ Type: 'EXECUTION', Status: 'STARTED' });
    expect(operations.slice(1)).toEqual(told.NewExecutionState?.Operations);
    again.held.close();
  });

  test('ends waits that are over, without writing that down [EXEC-2]', async () => {
    const { runtime, held, client } = await setUp();
    await send(client, { Id: 'w', Type: 'WAIT', Action: 'START', WaitOptions: { WaitSeconds: 10 } });
    held.close();
    await runtime.clock.advance(TIMES.leaseMs);

    const again = await open(runtime, held.task);

    expect(again.client.initialOperations()[1]).toMatchObject({ Id: 'w', Status: 'SUCCEEDED' });
    expect(await runtime.log(held.task)).toHaveLength(1);
    again.held.close();
  });
});

describe('a run that lost its place in the log while the lease is still its own', () => {
  test('gives the task back, so that it goes on without waiting for the lease to run out [I5 I7]', async () => {
    const runtime = new RuntimeUnderTest();
    let runs = 0;
    const tool = toolOf('steps', async (task) => {
      runs += 1;
      // A run that lost its lease long ago, and has not noticed, writes what it had to say.
      if (runs === 1) await runtime.otherStore().log.append(await runtime.read(ref), 0, { at: 1, updates: [] });
      await task.step('one', async () => 1);
      return { runs };
    });
    const ref = await runtime.create('steps');
    const runner = runtime.runner([tool]);

    expect(await runner.runTask(ref)).toBe('stopped');

    const { run } = await runtime.read(ref);
    const again = runtime.clock.now() + 1000;
    expect(run).toEqual({ epoch: 1, dueAt: again, wakeAt: again, crashes: 1 });
    expect(runtime.queue.deliveries.at(-1)?.notBefore).toBe(run.dueAt);
    await runtime.clock.advance(1000);
    expect(await runner.runTask(ref)).toBe('finished');
  });
});
