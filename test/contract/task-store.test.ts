/** The task store on every backend: creating, reading, changing and listing tasks, and what each costs. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { systemRandom } from '../../src/clock.ts';
import type { TaskError } from '../../src/domain/errors.ts';
import { acquireLease, extendDeadline } from '../../src/domain/run.ts';
import { cancelTask } from '../../src/domain/task.ts';
import { newTaskId } from '../../src/domain/task-id.ts';
import { headKey } from '../../src/store/keys.ts';
import type { StoredTask } from '../../src/store/task-store.ts';

import { call, complete, createdTask, HOUR_MS, onEveryBackend, tasksOf } from './task-stores.ts';

onEveryBackend('the task store', (open) => {
  describe('a created task', () => {
    test('is working and is read back as it was made, by another instance at once [LIFE-1 STORE-3 I1]', async () => {
      const { store, other, owner, clock } = await open();
      const related = newTaskId(clock.now(), systemRandom);
      const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b' };

      const { stored, created } = await store.create(call(owner, { admission: { approved: true }, related, trace }));

      expect(created).toBe(true);
      expect(await other.get(stored.task)).toEqual(stored);
      expect(stored).toEqual({
        version: 1,
        task: {
          owner,
          id: expect.stringMatching(/^[0-9a-f]{44}$/),
          tool: 'greet',
          status: 'working',
          createdAt: clock.now(),
          updatedAt: clock.now(),
          deadlineAt: clock.now() + HOUR_MS,
          retentionMs: HOUR_MS,
          promisedUntil: clock.now() + 2 * HOUR_MS,
          pollIntervalMs: 1000,
          maxAttempts: 3,
          arguments: { json: { name: 'Ada' } },
          admission: { json: { approved: true } },
          inputs: {},
          answers: {},
          run: { epoch: 0, dueAt: clock.now(), crashes: 0 },
          related,
          trace,
        },
      });
    });

    test('costs three writes and one read of the counter, the head and the agenda being two of the writes [I10 STORE-14]', async () => {
      const { store, backend, owner } = await open();

      await store.create(call(owner));

      expect(backend.counts()).toEqual({ addIfBelow: 1, putIfVersion: 2, get: 1 });
    });
  });

  describe('a task that cannot be had', () => {
    test('is one and the same error: unknown, somebody else’s, malformed or expired [LIFE-3 SEC-1 I6]', async () => {
      const { store, other, owner, clock } = await open();
      const stranger = { issuer: 'test', subject: randomUUID() };
      const theirs = await createdTask(other, call(stranger));
      const expired = await createdTask(store, call(owner, { lifetime: { runDeadlineMs: 1000, retentionMs: 1000 } }));
      clock.advance(2000);
      const asked = [
        { owner, id: newTaskId(clock.now(), systemRandom) },
        { owner, id: theirs.id },
        { owner, id: expired.id },
        { owner: { ...stranger, tenant: 'x' }, id: theirs.id },
      ];
      const operations: ((ref: (typeof asked)[number]) => Promise<unknown>)[] = [
        (ref) => store.get(ref),
        (ref) => store.update(ref, (task, now) => cancelTask(task, undefined, now)),
        (ref) => store.readVariables(ref),
        (ref) => store.mergeVariables(ref, { a: 1 }),
      ];

      const errors = await Promise.all(
        operations.flatMap((operation) =>
          asked.map((ref) => operation(ref).catch((error: TaskError) => error.toJSON())),
        ),
      );

      expect(errors).toHaveLength(16);
      for (const error of errors) {
        expect(error).toEqual({
          name: 'TaskError',
          code: 'task_not_found',
          message: 'Task not found: the id is unknown or the task has expired.',
          detail: {},
        });
      }
    });

    test('costs one read, whyever it is not there [I6 I10]', async () => {
      const { store, backend, other, owner, clock } = await open();
      const theirs = await createdTask(other, call({ issuer: 'test', subject: randomUUID() }));
      backend.reset();

      await store.get({ owner, id: theirs.id }).catch(() => undefined);
      await store.get({ owner, id: newTaskId(clock.now(), systemRandom) }).catch(() => undefined);

      expect(backend.counts()).toEqual({ get: 2 });
    });
  });

  describe('the two clocks', () => {
    test('fail a task at its deadline when it is read, and that is durable [LIFE-3 I2]', async () => {
      const { store, other, otherBackend, owner, clock } = await open();
      const task = await createdTask(store, call(owner));
      clock.advance(HOUR_MS - 1);
      expect((await store.get(task)).task.status).toBe('working');
      clock.advance(1);

      const read = await store.get(task);

      expect(read.task).toMatchObject({ status: 'failed', error: { json: { data: { reason: 'deadline_exceeded' } } } });
      expect(read.version).toBe(2);
      otherBackend.reset();
      expect(read).toMatchObject(await other.get(task));
      expect(otherBackend.counts()).toEqual({ get: 1 });
    });

    test('show an overdue task as failed in a listing, which writes nothing [LIFE-3 STORE-6]', async () => {
      const { store, backend, owner, clock } = await open();
      await store.create(call(owner));
      clock.advance(HOUR_MS);
      backend.reset();

      expect((await store.list(owner, { limit: 10 })).tasks.map(({ status }) => status)).toEqual(['failed']);
      expect(backend.counts()).toEqual({ list: 32 });
    });

    test('never let a change win over the deadline [LIFE-3 I2]', async () => {
      const { store, owner, clock } = await open();
      const { stored } = await store.create(call(owner));
      clock.advance(HOUR_MS);

      await expect(store.update(stored.task, complete, stored)).rejects.toMatchObject({ code: 'invalid_transition' });
      expect((await store.get(stored.task)).task.status).toBe('failed');
    });

    test('keep a finished task for its retention, and not a millisecond longer [LIFE-3 I1]', async () => {
      const { store, other, owner, clock } = await open();
      const task = await createdTask(store, call(owner));
      await store.update(task, complete);
      clock.advance(2 * HOUR_MS - 1);
      expect((await other.get(task)).task.status).toBe('completed');

      clock.advance(1);

      await expect(other.get(task)).rejects.toMatchObject({ code: 'task_not_found' });
      expect(await tasksOf(other, owner)).toEqual([]);
    });

    test('that are extended keep the large values and the log as long as the head [LIFE-3 LIFE-10]', async () => {
      const { store, other, owner, clock } = await open();
      const big = { text: 'x'.repeat(400_000) };
      const task = await createdTask(store, call(owner, { arguments: big }));
      await store.log.append(task, 0, { n: 0 });
      await store.log.append(task, 1, big);
      const held = await store.update(task, (now, at) => acquireLease(now, 'w', 9 * HOUR_MS, at));

      await store.update(held.task, (now, at) => extendDeadline(now, { holder: 'w', epoch: 1 }, 8 * HOUR_MS, at));
      clock.advance(8 * HOUR_MS - 1);

      const late = (await other.get(task)).task;
      expect(late.status).toBe('working');
      expect(await other.load(late, late.arguments)).toEqual(big);
      expect((await other.log.read(late)).entries).toEqual([{ n: 0 }, big]);
    });

    test('may be without an end after the task’s own [LIFE-7]', async () => {
      const { store, other, owner, clock } = await open();
      const big = { text: 'x'.repeat(10_000) };
      const lifetime = { runDeadlineMs: HOUR_MS, retentionMs: null };
      const task = await createdTask(store, call(owner, { arguments: big, lifetime }));
      await store.update(task, complete);

      clock.advance(1000 * 365 * 24 * HOUR_MS);

      expect(await other.load(task, (await other.get(task)).task.arguments)).toEqual(big);
    });
  });

  describe('a poll', () => {
    test('of a working task is one read of a record of at most 4 KB, whatever belongs to the task [LIFE-10 I10]', async () => {
      const { store, backend, owner } = await open();
      const { stored } = await store.create(call(owner, { arguments: { text: 'x'.repeat(5 * 1024 * 1024 - 100) } }));
      for (const key of ['a', 'b', 'c', 'd', 'e'])
        await store.mergeVariables(stored.task, { [key]: 'x'.repeat(60_000) });
      await store.update(stored.task, (task, now) => acquireLease(task, 'w', 1000, now));
      for (let entry = 0; entry < 20; entry += 1) await store.log.append(stored.task, entry, { entry });
      backend.reset();

      const { task } = await store.get(stored.task);

      expect(task.status).toBe('working');
      expect(backend.calls).toEqual([{ verb: 'get', ...headKey(task) }]);
      expect(Buffer.byteLength((await backend.get(headKey(task)))?.value ?? '')).toBeLessThan(1000);
    });

    test.each([1150, 4000, 50_000])(
      'of a task with values of %d bytes each stays one read unit [I10]',
      async (bytes) => {
        const { store, backend, owner } = await open();
        const value = { text: 'x'.repeat(bytes) };
        const task = await createdTask(
          store,
          call(owner, { arguments: value, admission: bytes > 1150 ? value : null }),
        );
        await store.mergeVariables(task, { note: 'x'.repeat(bytes > 1150 ? bytes : 750) });
        const result = await store.keep(task, 'result', value);

        await store.update(task, (now, at) => ({ ...complete(now, at), result }));

        expect(Buffer.byteLength((await backend.get(headKey(task)))?.value ?? '')).toBeLessThan(4096);
      },
    );
  });

  describe('a change', () => {
    test('is one write for who has just read the task, and a read more for who has not [STORE-1]', async () => {
      const { store, backend, owner } = await open();
      const { stored } = await store.create(call(owner));
      backend.reset();

      const second = await store.update(stored.task, (task, now) => acquireLease(task, 'w', 1000, now), stored);
      expect(backend.counts()).toEqual({ putIfVersion: 1 });
      await store.update(stored.task, (task) => ({ ...task, statusMessage: 'x' }));

      expect(second.version).toBe(2);
      expect(backend.counts()).toEqual({ putIfVersion: 2, get: 1 });
    });

    test('to a terminal status gives the place back with one read and one write more, and is taken off the agenda [LIFE-8 STORE-14]', async () => {
      const { store, backend, owner } = await open();
      const { stored } = await store.create(call(owner));
      backend.reset();

      await store.update(stored.task, complete, stored);

      expect(backend.counts()).toEqual({ get: 1, putIfVersion: 1, addIfBelow: 1, delete: 1 });
    });

    test('that changes nothing writes nothing and resolves to the task at hand [STORE-3]', async () => {
      const { store, backend, owner } = await open();
      const { stored } = await store.create(call(owner));
      backend.reset();

      expect(await store.update(stored.task, (task) => task, stored)).toEqual({ ...stored, changed: false });
      expect(backend.counts()).toEqual({});
    });

    test('that is refused writes nothing [STORE-3 I2]', async () => {
      const { store, backend, owner } = await open();
      const task = await createdTask(store, call(owner));
      await store.update(task, complete);
      backend.reset();

      await expect(store.update(task, (now, at) => cancelTask(now, undefined, at))).rejects.toMatchObject({
        code: 'invalid_transition',
      });
      expect(backend.counts()).toEqual({ get: 1 });
    });

    test('of an outdated reading is made again on the newest one [STORE-1 STORE-3]', async () => {
      const { store, other, owner } = await open();
      const { stored } = await store.create(call(owner));
      await other.update(stored.task, (task) => ({ ...task, statusMessage: 'theirs' }));
      const seen: (string | undefined)[] = [];

      const written = await store.update(
        stored.task,
        (task) => {
          seen.push(task.statusMessage);
          return { ...task, pollIntervalMs: 7 };
        },
        stored,
      );

      expect(seen).toEqual([undefined, 'theirs']);
      expect(written).toMatchObject({ version: 3, task: { statusMessage: 'theirs', pollIntervalMs: 7 } });
    });

    test('that never wins the race ends as contention, after a bounded number of tries [STORE-3]', async () => {
      const { store, backend, otherBackend, owner } = await open();
      const task = await createdTask(store, call(owner));
      backend.reset();
      backend.intercept(async (made, proceed) => {
        if (made.verb === 'putIfVersion') {
          const head = await otherBackend.get(headKey(task));
          if (head !== undefined) await otherBackend.putIfVersion(headKey(task), { value: head.value }, head.version);
        }
        return proceed();
      });

      await expect(store.update(task, (now) => ({ ...now, statusMessage: 'mine' }))).rejects.toMatchObject({
        code: 'contention',
      });
      expect(backend.counts().putIfVersion).toBe(20);
      expect((await store.get(task)).task).not.toHaveProperty('statusMessage');
    });

    test('by 20 workers at once is made once by each, on whichever instance [STORE-3 I9]', async () => {
      const { store, other, owner } = await open();
      const task = await createdTask(store, call(owner, { pollIntervalMs: 0 }));

      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? store : other).update(task, (now) => ({ ...now, pollIntervalMs: now.pollIntervalMs + 1 })),
        ),
      );

      expect(await store.get(task)).toMatchObject({ version: 21, task: { pollIntervalMs: 20 } });
    });

    test('by many that all want to end the task gives it one outcome [LIFE-4 I2 I3]', async () => {
      const { store, other, owner } = await open();
      const task = await createdTask(store, call(owner));

      const settled = await Promise.allSettled(
        Array.from({ length: 30 }, (_, index) =>
          (index % 2 === 0 ? store : other).update(task, (now, at) =>
            index % 3 === 0 ? cancelTask(now, `by ${index}`, at) : { ...complete(now, at), result: { json: index } },
          ),
        ),
      );

      const won = settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
      expect(won).toHaveLength(1);
      expect(won[0]).toMatchObject(await other.get(task));
    });

    test('is told to listeners of that instance once it is stored, and in order [MOD-3]', async () => {
      const { store, other, owner } = await open();
      const heard: StoredTask[] = [];
      const stop = store.onChange((stored) => heard.push(stored));
      const { stored } = await store.create(call(owner));
      await store.update(stored.task, (task) => ({ ...task, statusMessage: 'x' }));
      await store.update(stored.task, (task) => task);
      await other.update(stored.task, (task) => ({ ...task, statusMessage: 'y' }));
      await store.update(stored.task, complete);
      stop();
      await store.create(call(owner));

      expect(heard.map(({ task, version }) => [task.status, version])).toEqual([
        ['working', 1],
        ['working', 2],
        ['completed', 4],
      ]);
    });
  });
});
