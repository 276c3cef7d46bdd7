/**
 * Any interleaving of what clients and runs do to one task, on every backend: promises that must
 * hold in every history, and the same observable results everywhere.
 */
import { randomUUID } from 'node:crypto';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { MemoryBackend } from '../../src/backends/memory.ts';
import { isTaskError } from '../../src/domain/errors.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import {
  acquireLease,
  claimOf,
  extendDeadline,
  giveBack,
  type LeaseClaim,
  renewLease,
  showInputs,
  suspendTask,
} from '../../src/domain/run.ts';
import { isTerminal } from '../../src/domain/status.ts';
import {
  type AnswerOutcome,
  acceptAnswers,
  cancelTask,
  completeTask,
  failTask,
  type Task,
  type TaskRef,
} from '../../src/domain/task.ts';
import { present } from '../../src/present.ts';
import { GenericTaskStore } from '../../src/store/generic-task-store.ts';
import { activeCountKey } from '../../src/store/keys.ts';
import type { StoredTask } from '../../src/store/task-store.ts';
import { manualRandom } from '../../src/testing/manual-clock.ts';
import { assertLawfulHistory, type Change } from './lawful-history.ts';
import { BriefClock, call, onEveryBackend, type Stores } from './task-stores.ts';

const REQUEST = { request: { json: { method: 'elicitation/create' } } } as const;
const LEASE_MS = 1000;
const RENEWAL = { leaseMs: LEASE_MS, progressed: false };

const key = fc.constantFrom('a', 'b', 'c');
const keys = fc.uniqueArray(key, { maxLength: 3 });

type Operation =
  | { readonly kind: 'acquire' | 'renew' | 'giveBack' | 'complete' | 'fail' | 'cancel' | 'read' | 'list' | 'extend' }
  | { readonly kind: 'open' | 'answer'; readonly keys: readonly string[] }
  | { readonly kind: 'suspend'; readonly keys: readonly string[]; readonly imported: readonly string[] }
  | { readonly kind: 'merge'; readonly key: string; readonly large: boolean }
  | { readonly kind: 'append'; readonly sequence: number; readonly large: boolean }
  | { readonly kind: 'wait'; readonly ms: number };

/** `waits`: how long one may wait, in milliseconds. */
function operations(...waits: readonly number[]): fc.Arbitrary<Operation> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant<Operation>({ kind: 'acquire' }) },
    { weight: 2, arbitrary: fc.constantFrom<Operation[]>({ kind: 'renew' }, { kind: 'giveBack' }, { kind: 'extend' }) },
    { weight: 2, arbitrary: fc.constantFrom<Operation[]>({ kind: 'complete' }, { kind: 'fail' }, { kind: 'cancel' }) },
    { weight: 2, arbitrary: fc.constantFrom<Operation[]>({ kind: 'read' }, { kind: 'list' }) },
    { weight: 5, arbitrary: keys.map((open): Operation => ({ kind: 'open', keys: open })) },
    { weight: 6, arbitrary: keys.map((answered): Operation => ({ kind: 'answer', keys: answered })) },
    {
      weight: 4,
      arbitrary: fc.tuple(keys, keys).map(([open, imported]): Operation => ({ kind: 'suspend', keys: open, imported })),
    },
    {
      weight: 4,
      arbitrary: fc.tuple(key, fc.boolean()).map(([name, large]): Operation => ({ kind: 'merge', key: name, large })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.nat({ max: 2 }), fc.boolean())
        .map(([sequence, large]): Operation => ({ kind: 'append', sequence, large })),
    },
    { weight: 2, arbitrary: fc.constantFrom(...waits).map((ms): Operation => ({ kind: 'wait', ms })) },
  );
}

/** One that acts on the task: a run with its own idea of the lease it holds, and a client. */
class Worker {
  readonly #store: GenericTaskStore;
  readonly #ref: TaskRef;
  readonly #name: string;
  readonly #holder: string;
  readonly #note: (change: Change) => void;
  #claim: LeaseClaim;
  #count = 0;

  constructor(store: GenericTaskStore, ref: TaskRef, name: string, note: (change: Change) => void) {
    this.#store = store;
    this.#ref = ref;
    this.#name = name;
    // Runs may share a holder's name, as those of one process do: the epoch alone tells them apart.
    this.#holder = name === 'w0' ? 'one' : 'two';
    this.#note = note;
    this.#claim = { holder: this.#holder, epoch: 0 };
  }

  /** What could be observed of it: the task as stored, a value, or the code of the error. */
  async do(operation: Operation): Promise<unknown> {
    this.#count += 1;
    try {
      return await this.#attempt(operation);
    } catch (error) {
      if (!isTaskError(error)) throw error;
      return error.toJSON();
    }
  }

  #attempt(operation: Operation): Promise<unknown> {
    const store = this.#store;
    const mark = `${this.#name} ${this.#count}`;
    switch (operation.kind) {
      case 'acquire':
        return this.#change((task, now) => acquireLease(task, this.#holder, LEASE_MS, now)).then((stored) => {
          this.#claim = claimOf(stored.task) ?? this.#claim;
          return stored;
        });
      case 'renew':
        return this.#run((task, claim, now) => renewLease(task, claim, RENEWAL, now));
      case 'giveBack':
        return this.#run((task, claim, now) => giveBack(task, claim, now, false, now));
      case 'extend':
        return this.#run((task, claim, now) => extendDeadline(task, claim, 7_200_000, now));
      case 'open':
        return this.#run((task, claim, now) => showInputs(task, claim, inputsOf(operation.keys), now));
      case 'suspend': {
        const imported = new Set(operation.imported);
        const suspension = { inputs: inputsOf(operation.keys), imported, dueAt: null, turns: 1 };
        return this.#run((task, claim, now) => suspendTask(task, claim, suspension, now), imported);
      }
      case 'complete':
        return this.#run((task, _claim, now) => completeTask(task, { json: mark }, now));
      case 'fail':
        return this.#run((task, _claim, now) => failTask(task, { code: 1, message: mark }, now));
      case 'cancel':
        return this.#change((task, now) => cancelTask(task, mark, now));
      case 'answer':
        return this.#change((task, now) => acceptAnswers(task, answersOf(operation.keys, mark), now));
      case 'merge':
        return store.mergeVariables(this.#ref, { [operation.key]: operation.large ? mark.padEnd(2000) : mark });
      case 'append':
        return this.#append(operation.sequence, operation.large ? mark.padEnd(400_000) : mark);
      case 'read':
        return this.#read();
      case 'list':
        return store.list(this.#ref.owner, { limit: 10 });
      case 'wait':
        return Promise.resolve('waited');
    }
  }

  async #append(sequence: number, entry: string): Promise<unknown> {
    const { task } = await this.#store.get(this.#ref);
    const won = await this.#store.log.append(task, sequence, entry);
    return [won, sequence === 0 ? await this.#store.log.read(task).catch(() => 'a gap') : undefined];
  }

  async #read(): Promise<readonly [StoredTask, JsonObject]> {
    return [await this.#store.get(this.#ref), await this.#store.readVariables(this.#ref)];
  }

  #run(
    transition: (task: Task, claim: LeaseClaim, now: number) => Task,
    imported?: ReadonlySet<string>,
  ): Promise<StoredTask> {
    const claim = this.#claim;
    return this.#change(
      (task, now) => {
        // As the runner does it: nothing without the lease, ends included.
        renewLease(task, claim, RENEWAL, now);
        return transition(task, claim, now);
      },
      { claim, ...present({ imported }) },
    );
  }

  async #change(
    transition: (task: Task, now: number) => Task,
    by: Pick<Change, 'claim' | 'imported'> = {},
  ): Promise<StoredTask> {
    let before: Task | undefined;
    const stored = await this.#store.update(this.#ref, (task, now) => {
      before = task;
      return transition(task, now);
    });
    if (before !== undefined && stored.task !== before)
      this.#note({ before, after: stored.task, version: stored.version, ...by });
    return stored;
  }
}

function inputsOf(open: readonly string[]) {
  return Object.fromEntries(open.map((name) => [name, REQUEST]));
}

function answersOf(answered: readonly string[], mark: string): Record<string, AnswerOutcome> {
  return Object.fromEntries(answered.map((name) => [name, { outcome: 'answered', value: { json: mark } }]));
}

async function activeCount(stores: Stores): Promise<number> {
  return Number((await stores.backend.get(activeCountKey(stores.owner)))?.value);
}

/** What happens when each of the workers follows its plan, all of them at the same time. */
async function interleave(
  stores: Stores,
  plans: readonly (readonly Operation[])[],
): Promise<{ readonly changes: readonly Change[]; readonly last: StoredTask }> {
  const { stored } = await stores.store.create(call(stores.owner));
  const changes: Change[] = [{ before: stored.task, after: stored.task, version: 1 }];
  await Promise.all(
    plans.map(async (plan, index) => {
      const store = index === 0 ? stores.store : stores.other;
      const worker = new Worker(store, stored.task, `w${index}`, (change) => changes.push(change));
      for (const operation of plan) {
        if (operation.kind === 'wait') stores.clock.advance(operation.ms);
        await worker.do(operation);
      }
    }),
  );
  return { changes, last: await stores.store.get(stored.task) };
}

onEveryBackend('any interleaving', (open) => {
  test('of three workers keeps terminal final, one outcome, answers, leases and the count [I2 I3 I4 I7 I8]', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.array(operations(1, LEASE_MS), { minLength: 4, maxLength: 10 }), { minLength: 3, maxLength: 3 }),
        async (scheduler, plans) => {
          const stores = await open({ brief: true, maxActiveTasksPerOwner: 1 });
          for (const backend of [stores.backend, stores.otherBackend]) {
            backend.intercept(async (made, proceed) => {
              await scheduler.schedule(Promise.resolve(), made.verb);
              return proceed();
            });
          }

          const { changes, last } = await scheduler.waitFor(interleave(stores, plans));

          assertLawfulHistory(changes, last);
          stores.backend.intercept();
          expect(await activeCount(stores)).toBe(isTerminal(last.task.status) ? 0 : 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  // What chance may leave out in the histories above is arranged here: that their steps do lead somewhere.
  test.each<[string, readonly Operation[], readonly Task['status'][]]>([
    [
      'completed, over a question',
      [
        { kind: 'acquire' },
        { kind: 'suspend', keys: ['a'], imported: [] },
        { kind: 'answer', keys: ['a'] },
        { kind: 'acquire' },
        { kind: 'suspend', keys: [], imported: ['a'] },
        { kind: 'acquire' },
        { kind: 'complete' },
      ],
      ['working', 'working', 'input_required', 'working', 'working', 'working', 'working', 'completed'],
    ],
    [
      'cancelled, while it waits',
      [{ kind: 'acquire' }, { kind: 'open', keys: ['a', 'b'] }, { kind: 'cancel' }, { kind: 'answer', keys: ['a'] }],
      ['working', 'working', 'input_required', 'cancelled'],
    ],
    [
      'failed, after its run was taken over',
      [
        { kind: 'acquire' },
        { kind: 'wait', ms: LEASE_MS },
        { kind: 'acquire' },
        { kind: 'fail' },
        { kind: 'complete' },
      ],
      ['working', 'working', 'working', 'failed'],
    ],
  ])('leads to %s, where that is arranged [I2 I3 I4]', async (_end, plan, statuses) => {
    const stores = await open({ brief: true });

    const { changes, last } = await interleave(stores, [plan]);

    assertLawfulHistory(changes, last);
    expect(changes.map(({ after }) => after.status)).toEqual(statuses);
  });

  test('gives the same observable results as on any other backend [I9]', async () => {
    const history = fc.array(fc.tuple(fc.nat({ max: 2 }), operations(1, LEASE_MS, 5_000_000)), {
      minLength: 5,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), async (steps, seed) => {
        const stores = await open({ brief: true, random: manualRandom(seed) });
        const model = new MemoryBackend({ clock: stores.clock });
        const memory = new GenericTaskStore({
          backend: model,
          clock: new BriefClock(stores.clock),
          random: manualRandom(seed),
        });
        const [real, reference] = await Promise.all(
          [stores.store, memory].map(async (store) => {
            const { stored } = await store.create(call(stores.owner));
            return {
              stored,
              workers: [0, 1, 2].map((index) => new Worker(store, stored.task, `w${index}`, () => undefined)),
            };
          }),
        );

        expect(real?.stored).toEqual(reference?.stored);
        for (const [index, operation] of steps) {
          if (operation.kind === 'wait') stores.clock.advance(operation.ms);
          expect([operation, await real?.workers[index]?.do(operation)]).toEqual([
            operation,
            await reference?.workers[index]?.do(operation),
          ]);
        }
        expect(await activeCount(stores)).toBe(Number((await model.get(activeCountKey(stores.owner)))?.value));
      }),
      { numRuns: 40 },
    );
  });

  test('of creates and ends by many keeps the limit and ends with a right count [I8]', async () => {
    const plan = fc.array(fc.constantFrom('create', 'complete', 'cancel'), { minLength: 2, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(plan, { minLength: 4, maxLength: 4 }), async (scheduler, plans) => {
        const stores = await open({ brief: true, maxActiveTasksPerOwner: 2 });
        const owner = { issuer: 'test', subject: randomUUID() };
        for (const backend of [stores.backend, stores.otherBackend]) {
          backend.intercept(async (made, proceed) => {
            await scheduler.schedule(Promise.resolve(), made.verb);
            return proceed();
          });
        }
        let held = 0;
        let most = 0;
        const work = async (steps: readonly string[], index: number) => {
          const store = index % 2 === 0 ? stores.store : stores.other;
          const mine: Task[] = [];
          for (const step of steps) {
            if (step === 'create') {
              const created = await store.create(call(owner)).catch((error: unknown) => {
                if (!isTaskError(error, 'too_many_tasks')) throw error;
              });
              if (created === undefined) continue;
              held += 1;
              most = Math.max(most, held);
              mine.push(created.stored.task);
            } else {
              const task = mine.pop();
              if (task === undefined) continue;
              // Before it ends: afterwards another one may take its place at any time.
              held -= 1;
              await store.update(task, (now, at) =>
                step === 'cancel' ? cancelTask(now, undefined, at) : completeTask(now, { json: 1 }, at),
              );
            }
          }
        };

        await scheduler.waitFor(Promise.all(plans.map(work)));

        expect(most).toBeLessThanOrEqual(2);
        for (const backend of [stores.backend, stores.otherBackend]) backend.intercept();
        const active = (await stores.store.list(owner, { limit: 50 })).tasks.filter(
          ({ status }) => !isTerminal(status),
        );
        expect(active).toHaveLength(held);
        // A slot that two repairs have both counted is found by the first refusal that none before it is remembered for.
        stores.clock.advance(3_001);
        const room = [0, 1, 2].map(() => stores.other.create(call(owner)));
        const settled = await Promise.allSettled(room);
        expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(2 - held);
      }),
      { numRuns: 40 },
    );
  });
});
