/** What the local server's command line takes for its numbers, and with --stdio. Addresses: `open-backend.test.ts`, `open-queue.test.ts`. */
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readOptions, type ServeOptions, UsageError } from '../../../bin/serve-options.ts';
import { userDataFile } from '../../../bin/user-data.ts';

test.each([
  [[], undefined],
  [['--concurrency', '1'], 1],
  [['--concurrency', '64'], 64],
  [['--concurrency', '1000'], 1000],
])('%j runs as many tasks at a time [DX-1 EXEC-8]', (args, concurrency) => {
  expect((readOptions(args) as { concurrency?: number }).concurrency).toBe(concurrency);
});

test.each(['0', '1001', '-3', '1.5', '1e3', 'many', ''])(
  '--concurrency=%s is wrong usage, in one line [DX-1]',
  (text) => {
    const read = () => readOptions([`--concurrency=${text}`]);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(`--concurrency ${text}: the number of tasks at a time is a whole number from 1 to 1000`);
  },
);

describe('--stdio', () => {
  const read = (...args: string[]) => readOptions(args) as ServeOptions;

  test.each([
    [['--port', '3000'], '--port'],
    [['--port', '3001'], '--port'],
    [['--host', '127.0.0.1'], '--host'],
    [['--allow-origin', 'https://a.example'], '--allow-origin'],
  ])('with %j, which is for HTTP, is wrong usage and says so [DX-4]', (args, option) => {
    expect(() => read('--stdio', ...args)).toThrow(UsageError);
    expect(() => read('--stdio', ...args)).toThrow(`${option}: is for HTTP, which --stdio does not speak`);
  });

  test('goes with all other options [DX-4]', () => {
    const args = ['--backend', 'redis://localhost', '--queue', 'bullmq:redis://localhost', '--concurrency', '4'];

    expect(read('--stdio', '--log-level', 'debug', '--owner', 'me', ...args)).toMatchObject({
      stdio: true,
      owner: 'me',
      logLevel: 'debug',
      backend: { engine: 'redis' },
      concurrency: 4,
    });
  });

  test('keeps tasks in a file of the user; HTTP in one below the current folder [DX-4 DX-1]', () => {
    const [stdio, http] = [read('--stdio', '--tools', 'my-tools.ts').backend, read().backend];

    expect(stdio).toEqual({ engine: 'sqlite', file: userDataFile('my-tools.ts') });
    expect(http).toEqual({ engine: 'sqlite', file: '.data/tasks.sqlite' });
  });

  test('takes an owner, which HTTP does not [DX-4]', () => {
    expect(read('--stdio').owner).toBeUndefined();
    expect(() => read('--owner', 'me')).toThrow('--owner: goes with --stdio');
    expect(() => read('--stdio', '--owner', '')).toThrow('--owner: An owner needs an issuer and a subject');
    expect(() => read('--stdio', '--owner', 'x'.repeat(1000))).toThrow('--owner: The owner is longer than 960 bytes');
  });
});

describe('--max-active-tasks', () => {
  test.each([
    [[], 10_000],
    [['--max-active-tasks', '1'], 1],
    [['--stdio', '--max-active-tasks', '1000000'], 1_000_000],
  ])('%j: so many unfinished tasks of one owner [DX-1 DX-4]', (args, count) => {
    expect(readOptions(args)).toMatchObject({ maxActiveTasks: count });
  });

  test.each(['0', '1000001', '-1', '1.5', 'many', ''])('=%s is wrong usage [DX-1]', (text) => {
    expect(() => readOptions([`--max-active-tasks=${text}`])).toThrow(
      `--max-active-tasks ${text}: the number of unfinished tasks is a whole number from 1 to 1000000`,
    );
  });
});

test('--no-task-tools leaves them out, over either transport [MOD-6]', () => {
  expect(readOptions([])).toMatchObject({ taskTools: true });
  expect(readOptions(['--no-task-tools'])).toMatchObject({ taskTools: false });
  expect(readOptions(['--stdio', '--no-task-tools'])).toMatchObject({ taskTools: false });
});

describe('the file of a user', () => {
  const home = resolve('/home-of-ada');
  const on = (platform: NodeJS.Platform, env: Record<string, string> = {}, tools = '/project/tools.ts') =>
    userDataFile(tools, { platform, home, env });

  test.each([
    ['linux', {}, [home, '.local', 'share']],
    ['linux', { XDG_DATA_HOME: '/data' }, ['/data']],
    ['linux', { XDG_DATA_HOME: 'relative' }, [home, '.local', 'share']],
    ['darwin', { XDG_DATA_HOME: '/data' }, [home, 'Library', 'Application Support']],
    ['win32', {}, [home, 'AppData', 'Local']],
    ['win32', { LOCALAPPDATA: '/local' }, ['/local']],
  ] as const)('on %s with %j is below %j [DX-4]', (platform, env, folder) => {
    expect(dirname(on(platform, env))).toBe(join(...folder, 'mcp-durable-tasks'));
  });

  test('is named after the module, and another one for a module of the same name elsewhere [DX-4]', () => {
    const [one, other] = [on('linux'), on('linux', {}, '/elsewhere/tools.mjs')];

    expect(basename(one)).toMatch(/^tools-[0-9a-f]{8}\.sqlite$/);
    expect(basename(other)).toMatch(/^tools-[0-9a-f]{8}\.sqlite$/);
    expect(one).not.toBe(other);
    expect(on('linux', {}, relative('.', '/project/tools.ts'))).toBe(one);
  });
});

test.each([
  [[], 'strict'],
  [['--headers', 'strict'], 'strict'],
  [['--headers', 'lenient'], 'lenient'],
])('%j takes headers as %s [DX-1]', (args, headers) => {
  expect(readOptions(args)).toMatchObject({ headers });
});

test('--headers of another kind are wrong usage, in one line [DX-1]', () => {
  expect(() => readOptions(['--headers', 'loose'])).toThrow('--headers loose: use one of strict, lenient');
});
