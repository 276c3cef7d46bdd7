/** Who acts on a head that has just changed: polls and repeated answers, and whoever notices a missed deadline. */
import { expect, test } from '@jest/globals';
import { acquireLease, claimOf, suspendTask } from '../../src/domain/run.ts';
import { acceptAnswers } from '../../src/domain/task.ts';
import { checkAnswers } from '../../src/protocol/answers.ts';
import { detailedTask } from '../../src/protocol/wire.ts';
import { call, createdTask, HOUR_MS, onEveryBackend, type Stores } from './task-stores.ts';

const LARGE_REQUEST = {
  method: 'elicitation/create',
  params: { message: 'm'.repeat(600), requestedSchema: { type: 'object', properties: {} } },
};
const RECEIVED = { accepted: { k: { action: 'accept', content: {} } }, dropped: [] };

/** A task that waits for the answer to a request which has a record of its own. */
async function askingTask({ store, owner }: Stores) {
  const task = await createdTask(store, call(owner));
  const { task: held } = await store.update(task, (now, at) => acquireLease(now, 'holder', 1000, at));
  const claim = claimOf(held);
  if (claim === undefined) throw new Error('no lease');
  const inputs = { k: { request: await store.keep(task, 'request', LARGE_REQUEST) } };
  const suspension = { inputs, imported: new Set<string>(), dueAt: null, turns: 1 };
  return store.update(task, (now, at) => suspendTask(now, claim, suspension, at));
}

onEveryBackend('a request too large for the head', (open) => {
  test('stays readable for who read the head just before it was answered: a repeated answer, a poll [I4 MOD-4 I1]', async () => {
    const stores = await open();
    const { store, other } = stores;
    const { task } = await askingTask(stores);
    expect(task.inputs['k']?.request).toHaveProperty('ref');
    const [first, second, poll] = await Promise.all([store.get(task), other.get(task), other.get(task)]);

    const answers = await checkAnswers(store, first.task, RECEIVED);
    await store.update(task, (now, at) => acceptAnswers(now, answers, at), first);

    const repeated = await checkAnswers(other, second.task, RECEIVED);
    const after = await other.update(task, (now, at) => acceptAnswers(now, repeated, at), second);
    expect(after.task).toMatchObject({ inputs: {}, answers: { k: answers['k'] } });
    expect(await detailedTask(other, poll.task, poll.task.createdAt, ['elicitation.form'])).toMatchObject({
      status: 'input_required',
      inputRequests: { k: LARGE_REQUEST },
    });
  });
});

onEveryBackend('a missed deadline', (open) => {
  test.each([0, 150])(
    'is noticed with one write, of the head, after a log of %d entries [I10 LIFE-3]',
    async (entries) => {
      const { store, other, otherBackend, owner, clock } = await open();
      const task = await createdTask(store, call(owner));
      for (let entry = 0; entry < entries; entry += 1) await store.log.append(task, entry, { entry });
      clock.advance(HOUR_MS + 3);
      otherBackend.reset();

      const { task: noticed } = await other.get(task);

      expect(otherBackend.counts()).toEqual({ get: 1, putIfVersion: 1 });
      expect(noticed).toMatchObject({ status: 'failed', updatedAt: task.deadlineAt });
      expect((await store.log.read(task)).entries).toHaveLength(entries);
    },
  );

  test('looks the same whoever notices, whenever: a poll, an update, a listing [LIFE-3 I2 I9]', async () => {
    const { store, other, owner, clock } = await open();
    const task = await createdTask(store, call(owner));
    clock.advance(HOUR_MS);
    const { tasks: listedFirst } = await other.list(owner, { limit: 1 });
    clock.advance(60_000);
    const { tasks: listedLater } = await other.list(owner, { limit: 1 });
    const updated = await other.update(task, (now) => now);
    clock.advance(60_000);
    const { task: polled } = await store.get(task);

    expect(polled).toMatchObject({ status: 'failed', updatedAt: task.deadlineAt });
    expect([listedFirst[0], listedLater[0], updated.task]).toEqual([polled, polled, polled]);
  });
});
