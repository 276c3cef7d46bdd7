/** The table between task errors and JSON-RPC errors, pinned row by row. */
import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from '@modelcontextprotocol/server';
import { TASK_ERROR_CODES, TaskError, type TaskErrorCode } from '../../../src/domain/errors.ts';
import { tasksRequired, toProtocolError } from '../../../src/protocol/errors.ts';

const INVALID_PARAMS = -32602;
const INVALID_REQUEST = -32600;
const BUSY = -32000;
const INTERNAL = -32603;

const TABLE: Readonly<Record<TaskErrorCode, number>> = {
  task_not_found: INVALID_PARAMS,
  invalid_transition: INVALID_PARAMS,
  invalid_variables: INVALID_PARAMS,
  invalid_answer: INVALID_PARAMS,
  invalid_arguments: INVALID_PARAMS,
  invalid_cursor: INVALID_PARAMS,
  idempotency_conflict: INVALID_PARAMS,
  value_too_large: INVALID_PARAMS,
  owner_required: INVALID_REQUEST,
  invalid_owner: INVALID_REQUEST,
  too_many_tasks: BUSY,
  contention: BUSY,
  unavailable: BUSY,
  lease_held: INTERNAL,
  lease_lost: INTERNAL,
  storage_lost: INTERNAL,
  unreadable_record: INTERNAL,
  invalid_definition: INTERNAL,
};

const shown = (error: unknown) => {
  const { code, message, data } = toProtocolError(error);
  return { code, message, data };
};

describe('a task error', () => {
  test.each(TASK_ERROR_CODES)('%s has its place in the table [SEC-3]', (code) => {
    const detail = { path: 'a.b', limit: 3 };

    const {
      code: rpc,
      message,
      data,
    } = shown(new TaskError(code, 'What to do.', { detail, cause: new Error('inside') }));

    expect(rpc).toBe(TABLE[code]);
    if (code === 'storage_lost') expect([message, data]).toEqual(['What to do.', { reason: code }]);
    else if (rpc === INTERNAL) expect([message, data]).toEqual(['Internal error', undefined]);
    else expect(message).toBe('What to do.');
    if (rpc !== INTERNAL && code !== 'task_not_found') expect(data).toEqual({ reason: code, path: 'a.b', limit: 3 });
  });

  test('of an unknown task carries nothing that could tell it from another owner’s [I6]', () => {
    expect(shown(new TaskError('task_not_found', 'Gone.', { detail: { owner: 'bob' } })).data).toBeUndefined();
  });

  test('never shows what caused it [SEC-4]', () => {
    const error = new TaskError('unavailable', 'Try again.', { cause: new Error('postgres://user:secret@host') });

    expect(JSON.stringify(shown(error))).not.toContain('secret');
  });
});

describe('any other error', () => {
  test.each([
    ['an error', new Error('secret')],
    ['an error with a code', Object.assign(new Error('secret'), { code: -32602, data: 'secret' })],
    ['a string', 'secret'],
    ['nothing', undefined],
    ['null', null],
    ['an object', { code: -32602, message: 'secret' }],
  ])('is an internal error without detail: %s [SEC-3 SEC-4]', (_what, error) => {
    expect(shown(error)).toEqual({ code: -32603, message: 'Internal error', data: undefined });
  });

  test('of the protocol goes out as it is [SEC-3]', () => {
    const error = new ProtocolError(-32050, 'No more coffee.', { cups: 0 });

    expect(toProtocolError(error)).toBe(error);
  });
});

test('what a client must declare is in the error’s data [MOD-1]', () => {
  expect(shown(tasksRequired())).toMatchObject({
    code: -32021,
    data: { requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } },
  });
});
