/** What must be true of everything that ever happened to one task, whoever did it and in whatever order. */
import assert from 'node:assert/strict';
import type { LeaseClaim } from '../../src/domain/run.ts';
import { isTerminal } from '../../src/domain/status.ts';
import type { Task } from '../../src/domain/task.ts';
import type { StoredTask } from '../../src/store/task-store.ts';

/** A change that was acknowledged: the task that it was made on, and what was stored as which version. */
export interface Change {
  readonly before: Task;
  readonly after: Task;
  readonly version: number;
  /** Of the run that made it; absent: a client. */
  readonly claim?: LeaseClaim;
  /** Answers that the run took into its checkpoint log with it. */
  readonly imported?: ReadonlySet<string>;
}

/** `changes` in any order; `last` is the task as it is read in the end. */
export function assertLawfulHistory(changes: readonly Change[], last: StoredTask): void {
  const inOrder = changes.toSorted((a, b) => a.version - b.version);
  assert.equal(new Set(inOrder.map(({ version }) => version)).size, inOrder.length, 'a version was written twice');

  const ends = inOrder.filter(({ before, after }) => !isTerminal(before.status) && isTerminal(after.status));
  assert.ok(ends.length <= 1, `${ends.length} outcomes were acknowledged`);
  const [end] = ends;
  assert.equal(isTerminal(last.task.status), end !== undefined, 'an end that nobody made, or one that was undone');
  if (end !== undefined) {
    // Who cleans up after it, and until when, is written beside the outcome.
    assert.deepEqual(outcomeOf(last.task), outcomeOf(end.after), 'a finished task changed');
    if (end.after.run.cleanup === undefined)
      assert.equal(last.version, end.version, 'a finished task was written again');
  }

  for (const { before, after, claim } of inOrder) {
    assert.ok(after.run.epoch >= before.run.epoch, 'the epoch decreased');
    if (claim === undefined) continue;
    assert.equal(before.run.epoch, claim.epoch, 'a run changed the task under an old epoch');
    assert.equal(before.run.lease?.holder, claim.holder, 'a run changed the task that another run holds');
  }
  assertAnswersKept(inOrder, last);
}

function outcomeOf({ run: _run, ...outcome }: Task): Omit<Task, 'run'> {
  return outcome;
}

/** An accepted answer is there in every later version until a run imports it or the task ends. */
function assertAnswersKept(inOrder: readonly Change[], last: StoredTask): void {
  let kept = new Map<string, unknown>();
  for (const { before, after, imported } of [
    ...inOrder,
    { before: last.task, after: last.task, imported: undefined },
  ]) {
    if (isTerminal(after.status)) return;
    for (const [key, answer] of kept) {
      assert.deepEqual(before.answers[key], answer, `the accepted answer to ${key} was lost or replaced`);
      if (imported?.has(key) !== true) assert.deepEqual(after.answers[key], answer, `the answer to ${key} was dropped`);
    }
    kept = new Map(Object.entries(after.answers));
  }
}
