/** The words that infrastructure and functions share. */
import { describe, expect, test } from '@jest/globals';
import {
  oneOf,
  readEnvironment,
  required,
  toVariables,
  wholeNumber,
  wholeNumberOrNone,
} from '../../../lambda/shared/environment.ts';
import { BACKENDS, VARIABLES, type VariableName } from '../../../lambda/shared/words.ts';

describe('the environment', () => {
  test('comes back as it was written [AWS-5]', () => {
    const environment = Object.fromEntries(
      (Object.keys(VARIABLES) as VariableName[]).map((name, at) => [name, `value ${at}`]),
    );

    expect(readEnvironment(toVariables(environment))).toEqual(environment);
  });

  test('has no two words for one variable, and only TASKS_ ones [AWS-5]', () => {
    const names = Object.values(VARIABLES);

    expect(new Set(names).size).toBe(names.length);
    expect(names.every((name) => /^TASKS_[A-Z_]+$/.test(name))).toBe(true);
  });

  test('takes an empty variable for a missing one, and passes over others [AWS-1]', () => {
    expect(readEnvironment({ TASKS_TABLE_NAME: '', TASKS_QUEUE_URL: 'q', PATH: '/bin' })).toEqual({ queueUrl: 'q' });
  });

  test('names the variable that is missing or wrong [AWS-1]', () => {
    expect(() => required({}, 'tableName')).toThrow('TASKS_TABLE_NAME is not set');
    expect(() => oneOf({ backend: 'mysql' }, 'backend', BACKENDS)).toThrow(
      'TASKS_BACKEND must be one of dynamodb, redis; it is mysql',
    );
    expect(oneOf({}, 'backend', BACKENDS, 'redis')).toBe('redis');
  });

  test.each(['0', '-1', '1.5', 'x', ' ', '1e99'])('refuses %p for a positive whole number [AWS-1]', (leaseMs) => {
    expect(() => wholeNumber({ leaseMs }, 'leaseMs')).toThrow('TASKS_LEASE_MS must be a positive whole number');
  });

  test('reads a whole number, or that there is none [AWS-1]', () => {
    expect([wholeNumber({ leaseMs: '1500' }, 'leaseMs'), wholeNumber({}, 'leaseMs')]).toEqual([1500, undefined]);
    expect(['none', '7', undefined].map((leaseMs) => wholeNumberOrNone({ leaseMs }, 'leaseMs'))).toEqual([
      null,
      7,
      undefined,
    ]);
  });
});
