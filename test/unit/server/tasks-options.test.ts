/** What the operators' command line is told, and the one line for each thing that is wrong with it. */
import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../../bin/serve-options.ts';
import { readTasksOptions } from '../../../bin/tasks-options.ts';

const ID = '0'.repeat(44);

describe('a wrong usage says what to write instead:', () => {
  test.each([
    [['--json'], 'name a command: list, show,'],
    [['lost'], 'there is no "lost": use list, show,'],
    [['constructor'], 'there is no "constructor"'],
    [['list', '--bogus'], "Unknown option '--bogus'"],
    [['list', '--key', 'a'], '--key: is not for list'],
    [['stuck', '--owner', 'a'], '--owner: is not for stuck'],
    [['list', 'extra'], 'what is "extra"?'],
    [['list', '--status', 'lost'], 'use one of working, input_required'],
    [['list', '--limit', '0'], 'a whole number from 1 to 10000'],
    [['list', '--limit', '10001'], 'a whole number from 1 to 10000'],
    [['list', '--issuer', 'x'], 'go with --owner SUBJECT'],
    [['list', '--tenant', 'x'], 'go with --owner SUBJECT'],
    [['list', '--owner', ''], '--owner: An owner needs'],
    [['list', '--backend', 'memory'], 'in the memory of its server'],
    [['list', '--backend', 'postgres:x'], '--backend: unknown backend "postgres:x"'],
    [['list', '--stdio'], 'with --tools MODULE'],
    [['list', '--stdio', '--tools', 'x.ts'], 'name the host with --owner'],
    [['list', '--stdio', '--tools', 'x.ts', '--backend', 'sqlite:x'], 'is instead of --backend'],
    [['list', '--tools', 'x.ts'], '--tools: goes with --stdio'],
    [['show'], 'name a task, as tasks list prints it'],
    [['show', 'x'], '"x" is no task id'],
    [['show', ID, ID], 'one task at a time'],
    [['answer', ID], 'give one of --accept JSON'],
    [['answer', ID, '--decline', '--cancel'], 'give one of --accept JSON'],
    [['answer', ID, '--accept', '{'], '--accept: this is no JSON'],
    [['answer', ID, '--accept', '3'], 'is a JSON object'],
    [['retry', ID, '--tool-version', '1.5'], '--tool-version 1.5: use a whole number'],
    [['erase', '--yes'], 'erase: name the owner with --owner'],
    [['stuck', '--late', 'soon'], 'use seconds'],
    [['watch', ID, '--every', '0'], 'use seconds, more than 0'],
  ])('%j [OPS-1]', (args, problem) => {
    expect(() => readTasksOptions(args)).toThrow(UsageError);
    expect(() => readTasksOptions(args)).toThrow(problem);
  });
});

describe('an owner is named', () => {
  const ownerOf = (...args: string[]) => {
    const options = readTasksOptions(['list', ...args]);
    return options === 'help' ? undefined : options.owner;
  };

  test('by default as callers without credentials, else by its parts, a host by its name alone [OPS-1]', () => {
    expect(ownerOf()).toEqual({ issuer: 'anonymous', subject: 'anonymous' });
    expect(ownerOf('--owner', 'some-host')).toEqual({ issuer: 'stdio', subject: 'some-host' });
    expect(ownerOf('--owner', 's', '--issuer', 'https://i.example', '--tenant', 't')).toEqual({
      issuer: 'https://i.example',
      tenant: 't',
      subject: 's',
    });
  });
});

test.each([
  [['answer', ID, '--accept', '{"a":1}'], { kind: 'accept', content: { a: 1 } }],
  [['answer', ID, '--decline'], { kind: 'decline' }],
  [['answer', ID, '--cancel'], { kind: 'cancel' }],
  [['answer', ID, '--response', '[1]'], { kind: 'response', value: [1] }],
])('%j gives the answer [OPS-1]', (args, answer) => {
  expect(readTasksOptions(args)).toMatchObject({ command: { name: 'answer', id: ID, answer } });
});
