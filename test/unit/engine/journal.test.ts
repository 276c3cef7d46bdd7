/** What an entry of the journal may be: everything that a run writes, and nothing that a run could not go on from. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { type JournalEntry, journalEntry, type Outcome } from '../../../src/engine/journal.ts';
import { EngineUnderTest } from './engine-under-test.ts';

const step = { kind: 'step', name: 'a' };

/** The entry that a stored value is, or what is wrong with it. */
function readEntry(stored: unknown): { readonly entry: JournalEntry } | { readonly fault: string } {
  const checked = journalEntry.safeParse(stored);
  return checked.success ? { entry: checked.data } : { fault: z.prettifyError(checked.error) };
}

describe('a journal entry', () => {
  test('of every kind that a run writes is read as it was written [EXEC-13]', async () => {
    const engine = new EngineUnderTest();
    let tries = 0;
    const end = await engine.finish(
      async (task) => {
        const controller = new AbortController();
        const given = task.wait('given up', { days: 1 }, { signal: controller.signal }).catch(() => {});
        await task
          .child('child', 'inner', 1)
          .step('pay', async () => ({ a: [1, null, { b: 'x' }] }), { atMostOnce: true });
        controller.abort(new Error('enough'));
        await given;
        task.patched('since');
        await task.step(task.uuid(), async () => {
          tries += 1;
          const error = new RangeError('not yet', { cause: new Error('why') });
          if (tries === 1) throw Object.assign(error, { code: 'E', data: [1] });
        });
        await task.waitUntil('a date', new Date(engine.startedAt + 5));
        return task.input('question', 'q', { request: 1 }).promise;
      },
      ([key]) => key,
    );

    expect(end).toEqual({ kind: 'returned', value: { to: expect.any(String) } });

    const asked = new Set(engine.asks.map(({ kind }) => kind));
    const happened = new Set(engine.entries.flatMap(({ outcomes = [] }) => outcomes.map(({ kind }) => kind)));
    expect([...asked].toSorted()).toEqual(['patch', 'question', 'step', 'value', 'wait', 'withdraw']);
    expect([...happened].toSorted()).toEqual(['begun', 'ok', 'retry']);
    for (const entry of engine.entries) expect(readEntry(entry)).toEqual({ entry });
  });

  test.each<Outcome>([
    { kind: 'failed', of: 1, error: { name: 'E', message: 'm', cause: { name: 'F', message: 'n', thrown: null } } },
    { kind: 'timed_out', of: 2 },
    { kind: 'retry', of: 3, attempt: 1, dueAt: 5, afterMs: 4, state: { left: 2 } },
    { kind: 'aborted', cause: 'deadline' },
  ])('of $kind is read as it was written [EXEC-13]', (outcome) => {
    const entry = { at: 1, outcomes: [outcome] };

    expect(readEntry(entry)).toEqual({ entry });
  });

  test.each<[string, unknown, RegExp]>([
    ['is nothing', null, /expected object/],
    ['has no time', { asks: [step] }, /at/],
    ['asks for what is unknown', { at: 1, asks: [{ kind: 'teleport', name: 'a' }] }, /asks\[0\].kind/],
    ['asks without a name', { at: 1, asks: [{ kind: 'step' }] }, /asks\[0\].name/],
    ['has an outcome of an unknown kind', { at: 1, outcomes: [{ kind: 'exploded', of: 0 }] }, /outcomes\[0\].kind/],
    ['has an outcome of nothing', { at: 1, outcomes: [{ kind: 'ok' }] }, /outcomes\[0\].of/],
    ['has a failure without what failed', { at: 1, outcomes: [{ kind: 'failed', of: 0 }] }, /outcomes\[0\].error/],
    ['has a try without a time', { at: 1, outcomes: [{ kind: 'retry', of: 0, attempt: 1 }] }, /outcomes\[0\].dueAt/],
    ['has a number that is none', { at: 1, asks: [{ ...step, nth: -1 }] }, /asks\[0\].nth/],
  ])('that %s is refused, saying where [EXEC-13]', (_what, stored, fault) => {
    expect(readEntry(stored)).toEqual({ fault: expect.stringMatching(fault) });
  });

  test('with members of a newer build is read without them [EXEC-13]', () => {
    expect(readEntry({ at: 1, epoch: 2, asks: [{ ...step, colour: 'red' }], signed: true })).toEqual({
      entry: { at: 1, asks: [step] },
    });
  });
});
