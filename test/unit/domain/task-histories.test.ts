/** Whatever is done to a task in whatever order, what may never happen does not happen. */
import assert from 'node:assert/strict';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { isTaskError } from '../../../src/domain/errors.ts';
import {
  acquireLease,
  claimOf,
  closeOverdueInputs,
  extendDeadline,
  giveBack,
  type LeaseClaim,
  renewLease,
  setStatusMessage,
  showInputs,
  suspendTask,
} from '../../../src/domain/run.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import {
  type AnswerOutcome,
  acceptAnswers,
  cancelTask,
  completeTask,
  enforceDeadline,
  failTask,
  type PendingInput,
  replaceVariables,
  type Task,
} from '../../../src/domain/task.ts';
import { NOW, REQUEST, RETENTION_MS, RUN_DEADLINE_MS, sampleTask } from './sample-task.ts';

/** A change, and the keys of the answers that it takes into the checkpoint log. */
interface Step {
  readonly name: string;
  readonly imports: readonly string[];
  readonly apply: (task: Task, now: number) => Task;
}

const key = fc.constantFrom('a', 'b', 'c', 'toString');
const keys = fc.uniqueArray(key, { maxLength: 4 });
const holder = fc.constantFrom('one', 'two');
/** Mostly the one that the task's current run has, otherwise any. */
const claim: fc.Arbitrary<(task: Task) => LeaseClaim> = fc
  .option(fc.record({ holder, epoch: fc.nat({ max: 6 }) }), { freq: 2 })
  .map((any) => (task) => (any === null ? claimOf(task) : any) ?? { holder: 'one', epoch: 0 });
const inputs: fc.Arbitrary<Readonly<Record<string, PendingInput>>> = fc.dictionary(
  key,
  fc.oneof(
    fc.constant(REQUEST),
    fc.constant({}),
    fc.nat({ max: 200 }).map((after) => ({ ...REQUEST, timeoutAt: NOW + after })),
  ),
);
const answers: fc.Arbitrary<Readonly<Record<string, AnswerOutcome>>> = fc.dictionary(
  key,
  fc.nat().map((value): AnswerOutcome => ({ outcome: 'answered', value: { json: value } })),
);

function step(name: string, apply: Step['apply'], imports: readonly string[] = []): Step {
  return { name, imports, apply };
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.nat().map((n) => step('complete', (task, now) => completeTask(task, { json: n }, now))) },
  {
    weight: 1,
    arbitrary: fc.nat().map((n) => step('fail', (task, now) => failTask(task, { code: n, message: 'm' }, now))),
  },
  { weight: 1, arbitrary: fc.constant(step('cancel', (task, now) => cancelTask(task, undefined, now))) },
  { weight: 12, arbitrary: holder.map((by) => step('acquire', (task, now) => acquireLease(task, by, 20, now))) },
  {
    weight: 6,
    arbitrary: claim.map((by) =>
      step('renew', (task, now) => renewLease(task, by(task), { leaseMs: 20, progressed: false }, now)),
    ),
  },
  { weight: 12, arbitrary: claim.map((by) => step('close', (task, now) => closeOverdueInputs(task, by(task), now))) },
  {
    weight: 12,
    arbitrary: fc.tuple(claim, inputs).map(([by, open]) => step('open', (t, now) => showInputs(t, by(t), open, now))),
  },
  {
    weight: 12,
    arbitrary: fc.tuple(claim, inputs, keys, fc.option(fc.nat({ max: 200 }))).map(([by, open, imported, due]) =>
      step(
        'suspend',
        (task, now) =>
          suspendTask(
            task,
            by(task),
            {
              inputs: open,
              imported: new Set(imported),
              dueAt: due === null ? null : now + due,
              turns: 1,
            },
            now,
          ),
        imported,
      ),
    ),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(claim, fc.boolean())
      .map(([by, crash]) => step('giveBack', (task, now) => giveBack(task, by(task), now, crash, now))),
  },
  {
    weight: 6,
    arbitrary: claim.map((by) => step('progress', (task, now) => setStatusMessage(task, by(task), `at ${now}`, now))),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(claim, fc.nat({ max: 200_000 }))
      .map(([by, ms]) => step('extend', (t, now) => extendDeadline(t, by(t), ms, now))),
  },
  { weight: 12, arbitrary: answers.map((given) => step('answer', (task, now) => acceptAnswers(task, given, now))) },
  {
    weight: 4,
    arbitrary: fc.nat().map((n) => step('variables', (task, now) => replaceVariables(task, { json: { n } }, now))),
  },
);

const histories = fc.array(fc.tuple(steps, fc.oneof(fc.nat({ max: 30 }), fc.constantFrom(0, 0, 70_000))), {
  maxLength: 40,
});

const FROM_END = { runDeadlineMs: RUN_DEADLINE_MS, retentionMs: RETENTION_MS, retentionFromEnd: true } as const;

/** What a step may never do to a task; the text says which promise it would break. */
function assertLawful(before: Task, after: Task, imports: readonly string[]): void {
  if (isTerminal(before.status)) assert.deepEqual(outcomeOf(after), outcomeOf(before), 'a finished task changed');
  assert.equal(after.status === 'completed', after.result !== undefined, 'a result comes with completed, and only so');
  assert.equal(after.status === 'failed', after.error !== undefined, 'an error comes with failed, and only so');

  assert.ok(after.run.epoch >= before.run.epoch, 'the epoch decreased');
  assert.ok(after.deadlineAt >= before.deadlineAt, 'the deadline was brought forward');
  const kept =
    after.retentionFromEnd && isTerminal(after.status) ? after.updatedAt + RETENTION_MS : before.promisedUntil;
  assert.ok(Number(after.promisedUntil) >= Number(kept), 'the promise was shortened');

  if (isTerminal(after.status)) return;
  assert.ok(after.run.crashes < after.maxAttempts, 'one crash too many did not fail the task');
  const asks = Object.values(after.inputs).some((input) => 'request' in input);
  assert.equal(after.status, asks ? 'input_required' : 'working');
  for (const [name, answer] of Object.entries(before.answers)) {
    if (imports.includes(name)) continue;
    assert.equal(Object.hasOwn(after.answers, name) && after.answers[name], answer, `the answer to ${name} was lost`);
    assert.ok(!Object.hasOwn(after.inputs, name), `${name} was answered and is asked again`);
  }
}

/** All but who cleans up after it, and the promise, which is looked at by itself. */
function outcomeOf({ run: _run, promisedUntil: _promise, ...outcome }: Task): Omit<Task, 'run' | 'promisedUntil'> {
  return outcome;
}

describe('any history of a task', () => {
  test('keeps terminal final, one outcome, epochs rising and accepted answers until they are imported [LIFE-1 I2 I3 I4 I7]', () => {
    const reached = new Set<string>();
    const isLawful = fc.property(histories, fc.boolean(), (history, fromEnd) => {
      let task = sampleTask(fromEnd ? { lifetime: FROM_END } : {});
      let now = NOW;
      for (const [{ name, imports, apply }, passed] of history) {
        now += passed;
        const current = enforceDeadline(task, now);
        assertLawful(task, current, []);
        task = current;
        try {
          task = apply(current, now);
          reached.add(`${name} ${task === current ? 'changed nothing' : 'worked'}`);
        } catch (error) {
          if (!isTaskError(error)) throw error;
          reached.add(`${name} ${error.code}`);
          continue;
        }
        assertLawful(current, task, imports);
      }
    });
    fc.assert(isLawful, { numRuns: 2000 });

    // Histories that never get anywhere would prove nothing. These are always the same, since some changes come up rarely.
    fc.assert(isLawful, { numRuns: 4000, seed: 1 });
    for (const name of ['complete', 'acquire', 'renew', 'close', 'open', 'suspend', 'giveBack', 'extend', 'answer']) {
      expect([...reached]).toContain(`${name} worked`);
    }
  });
});
