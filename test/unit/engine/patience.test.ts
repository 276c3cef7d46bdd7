/** How long a run waits for code that does something of its own, and for steps that are to stop, unless told otherwise. */
import { describe, expect, test } from '@jest/globals';
import { HandlerRun, type RunEnd } from '../../../src/engine/handler-run.ts';
import type { JournalEntry } from '../../../src/engine/journal.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';
import type { EngineHandler } from './engine-under-test.ts';

const clock = new ManualClock();
const never = new Promise<never>(() => {});

/** A run with the engine's own patience, and how it has ended so far. */
function start(handler: EngineHandler, recorded: readonly JournalEntry[] = []) {
  const state: { end?: RunEnd } = {};
  const run = new HandlerRun({
    handler,
    recorded,
    append: async () => {},
    startedAt: clock.now(),
    clock,
    random: manualRandom(1),
  });
  void run.execute().then((end) => {
    state.end = end;
  });
  return { run, state };
}

describe('a run', () => {
  test('that could suspend stays 20 ms for code that may be at something else [EXEC-2]', async () => {
    const dueAt = clock.now() + 3_600_000;
    const { state } = start((task) => task.wait('pause', { hours: 1 }));

    await clock.advance(19);
    expect(state.end).toBeUndefined();
    await clock.advance(1);

    expect(state.end).toEqual({ kind: 'suspended', dueAt });
  });

  test('that replays waits 30 s for code to ask for what it had asked for [EXEC-12]', async () => {
    const entry: JournalEntry = { at: clock.now(), asks: [{ kind: 'step', name: 'a' }] };
    const { state } = start(() => never, [entry]);

    await clock.advance(29_999);
    expect(state.end).toBeUndefined();
    await clock.advance(1);

    expect(state.end).toMatchObject({
      kind: 'mismatch',
      message: expect.stringMatching(/the code did not ask for it/),
    });
  });

  test('that is left gives the steps under way two seconds to come to an end [EXEC-5]', async () => {
    const { run, state } = start((task) => task.step('long', () => never));
    await clock.advance(0);
    run.leave(new Error('shut down'));

    await clock.advance(1_999);
    expect(state.end).toBeUndefined();
    await clock.advance(1);

    expect(state.end).toMatchObject({ kind: 'interrupted', error: { message: 'shut down' } });
  });
});
