/** The status table, pinned word by word: it is what clients rely on. */
import { describe, expect, test } from '@jest/globals';
import { assertTransition, isTerminal, TASK_STATUSES, type TaskStatus } from '../../../src/domain/status.ts';

const ALLOWED: Readonly<Record<string, Readonly<Record<string, boolean>>>> = {
  working: { working: false, input_required: true, completed: true, failed: true, cancelled: true },
  input_required: { working: true, input_required: false, completed: true, failed: true, cancelled: true },
  completed: { working: false, input_required: false, completed: false, failed: false, cancelled: false },
  failed: { working: false, input_required: false, completed: false, failed: false, cancelled: false },
  cancelled: { working: false, input_required: false, completed: false, failed: false, cancelled: false },
};

describe('the status table', () => {
  test('has the five statuses of the protocol [LIFE-1]', () => {
    expect([...TASK_STATUSES]).toEqual(['working', 'input_required', 'completed', 'failed', 'cancelled']);
    expect(Object.keys(ALLOWED)).toEqual([...TASK_STATUSES]);
  });

  const pairs = TASK_STATUSES.flatMap((from) => TASK_STATUSES.map((to): [TaskStatus, TaskStatus] => [from, to]));

  test.each(pairs)('answers whether %s may become %s [LIFE-1]', (from, to) => {
    const attempt = () => assertTransition(from, to);

    if (ALLOWED[from]?.[to] === true) expect(attempt).not.toThrow();
    else expect(attempt).toThrow(expect.objectContaining({ code: 'invalid_transition', detail: { from, to } }));
  });

  test('calls exactly the statuses terminal that nothing may follow [LIFE-1 I2]', () => {
    expect(TASK_STATUSES.filter(isTerminal)).toEqual(['completed', 'failed', 'cancelled']);
  });

  test('says of a finished task that it is final [LIFE-1 I2]', () => {
    expect(() => assertTransition('failed', 'completed')).toThrow('already failed, which is final');
  });
});
