/** Calls with one idempotency key at the same time: how long a creator is waited for, and how often all is tried again. */
import { describe, expect, test } from '@jest/globals';
import { BackendConflictError } from '../../../src/backends/errors.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { headsPartitions } from '../../../src/store/keys.ts';
import type { CreateTask } from '../../../src/store/task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import { countingBackend } from '../../support/counting-backend.ts';

const OWNER = { issuer: 'test', subject: 'alice' };

const call: CreateTask = {
  owner: OWNER,
  tool: 'greet',
  arguments: {},
  lifetime: DEFAULT_LIFETIME,
  pollIntervalMs: 1000,
  maxAttempts: 5,
  idempotencyKey: 'once',
};

/** Two stores on the same data; pauses are as long as they may be. */
function setUp() {
  const clock = new ManualClock();
  const records = new MemoryBackend({ clock });
  const storeOn = (seed: number) => {
    const ids = manualRandom(seed);
    const backend = countingBackend(records);
    const random = (count: number) => (count === 1 ? Uint8Array.of(255) : ids(count));
    return { backend, store: new GenericTaskStore({ backend, clock, random }) };
  };
  return { clock, first: storeOn(1), second: storeOn(2) };
}

describe('a call whose key another call has just taken', () => {
  test('looks for that call’s task four times within a tenth of a second, and then creates it itself [LIFE-9]', async () => {
    const { clock, first, second } = setUp();
    const partitions = headsPartitions(OWNER);
    first.backend.intercept((made, proceed) =>
      made.verb === 'putIfVersion' && partitions.includes(made.partition) ? new Promise(() => {}) : proceed(),
    );
    void first.store.create(call);
    await clock.advance(0);
    let isCreated: boolean | undefined;
    const creating = second.store.create(call).then(({ created }) => {
      isCreated = created;
    });

    await clock.advance(99);
    expect(isCreated).toBeUndefined();
    await clock.advance(1);

    await creating;
    expect(isCreated).toBe(true);
    const looks = second.backend.calls.filter((made) => made.verb === 'get' && partitions.includes(made.partition));
    expect(looks).toHaveLength(4);
  });
});

describe('a call whose key comes and goes', () => {
  test('is tried five times, and then is contention [LIFE-9 STORE-3]', async () => {
    const { clock, first } = setUp();
    first.backend.intercept(({ verb }, proceed) =>
      verb === 'putIfVersion' ? Promise.reject(new BackendConflictError(0, 1)) : proceed(),
    );

    const refused = first.store.create(call).catch((error: unknown) => error);
    await clock.advance(1000);

    expect(await refused).toMatchObject({ code: 'contention' });
    expect(first.backend.counts()).toEqual({ putIfVersion: 5, get: 5 });
  });
});
