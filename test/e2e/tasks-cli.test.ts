/**
 * The operators' command line as a person meets it: beside a server that runs, on SQLite and on DynamoDB; what it says of
 * wrong options; and what it prints is for people and for programs.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { McpPeer } from '../support/mcp-requests.ts';
import { until } from '../support/until.ts';
import { durableBackends, type OpenDurable } from './durable-backends.ts';
import { type Exit, ServedProcess } from './served-process.ts';
import { runProgram } from './tasks-process.ts';

const TOOLS = fileURLToPath(new URL('./tasks-tools.ts', import.meta.url));
const ANONYMOUS = ['--owner', 'anonymous', '--issuer', 'anonymous'];

describe.each(durableBackends.filter(({ name }) => name !== 'redis'))('beside a server on $name', ({ open }) => {
  let durable: OpenDurable;
  let server: ServedProcess | undefined;
  let address: string;
  let peer: McpPeer;

  beforeAll(async () => {
    durable = await open();
  });

  afterAll(() => durable.dispose());

  afterEach(() => server?.end());

  async function start(): Promise<void> {
    address = await durable.address();
    server = new ServedProcess(['--port', '0', '--backend', address, '--tools', TOOLS]);
    peer = await server.peer();
  }

  function tasks(...args: string[]): Promise<Exit> {
    return runProgram(['tasks', ...args, '--backend', address]);
  }

  async function json(...args: string[]) {
    const { stdout, stderr, code } = await tasks(...args, '--json');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    return JSON.parse(stdout);
  }

  async function created(tool: string, status: string): Promise<string> {
    const id = await peer.createTask(tool, {});
    await until(status, async () => (await peer.task(id))['status'] === status);
    return id;
  }

  test('tasks are listed, shown, answered and watched to their end [OPS-1]', async () => {
    await start();
    const failed = await created('fails', 'failed');
    const asking = await created('asks', 'input_required');

    const listed = await tasks('list');
    const some = await json('list', '--status', 'failed', '--tool', 'fails');
    const shown = await tasks('show', asking);
    const report = await json('show', asking);
    const watching = tasks('watch', asking, '--every', '0.1');
    const answered = await tasks('answer', asking, '--accept', '{"name":"Ann"}');
    const watched = await watching;

    expect(listed.stdout.split('\n').map((line) => line.split(/ +/).slice(0, 3))).toEqual([
      ['TASK', 'TOOL', 'STATUS'],
      [asking, 'asks', 'input_required'],
      [failed, 'fails', 'failed'],
      [''],
    ]);
    expect(some.tasks.map(({ id }: { id: string }) => id)).toEqual([failed]);
    expect(shown.stdout).toMatch(/^Status +input_required/m);
    expect(shown.stdout).toMatch(/step +before +done +1 /);
    expect(shown.stdout).not.toContain('\u001b');
    expect(report.waitsFor).toMatchObject([{ kind: 'question', request: { params: { message: 'Who?' } } }]);
    expect(answered).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^Answered "/) });
    expect(watched).toMatchObject({ code: 0, stdout: expect.stringMatching(/completed\n$/) });
    expect((await peer.task(asking))['result']).toMatchObject({ content: [{ text: 'Hello Ann' }] });
  });

  test('a task is cancelled, retried as a new one that a server runs, and exported [OPS-1]', async () => {
    await start();
    const waiting = await created('asks', 'input_required');

    const cancelled = await tasks('cancel', waiting);
    const again = await tasks('cancel', waiting);
    const retried = await json('retry', waiting);
    await until('the new task', async () => (await peer.task(retried.id))['status'] === 'input_required');
    const exported = JSON.parse((await tasks('export', retried.id)).stdout);

    expect(cancelled.stdout).toMatch(/^Cancelled\./);
    expect(again).toEqual({ code: 1, stdout: '', stderr: 'tasks: The task has ended already: it is cancelled\n' });
    expect(await json('show', waiting)).toMatchObject({ status: 'cancelled', retriedAs: retried.id });
    expect(exported).toMatchObject({ retryOf: waiting, journal: [{ epoch: 1 }, {}] });
    expect(await json('retry', waiting)).toMatchObject({ id: retried.id, created: false });
  });

  test('what is stuck is found while no server runs, woken, and goes on with the next one [OPS-1 OPS-7]', async () => {
    await start();
    const parked = await created('asks', 'input_required');
    await server?.end();
    await tasks('answer', parked, '--accept', '{"name":"Bea"}');
    await until('to be late', async () => (await json('stuck', '--late', '0.1')).stuck.length === 1);

    const stuck = await tasks('stuck', '--late', '0.1');
    const doctor = await tasks('doctor', '--late', '0.1');
    const woken = await tasks('wake', parked);
    server = new ServedProcess(['--port', '0', '--backend', address, '--tools', TOOLS]);
    peer = await server.peer();
    await until('the end', async () => (await peer.task(parked))['status'] === 'completed');

    expect(stuck.stdout).toMatch(new RegExp(`${parked} +asks +anonymous / anonymous`));
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/^servers +wrong +nobody has looked/m) });
    expect(woken).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Woken\./) });
    expect(await json('stuck')).toMatchObject({ stuck: [] });
    expect((await tasks('doctor')).code).toBe(0);
  });

  test('an owner is erased only with --yes, beside a server that runs [OPS-6]', async () => {
    await start();
    const asking = await created('asks', 'input_required');
    await created('fails', 'failed');

    const refused = await tasks('erase', ...ANONYMOUS);
    const erased = await json('erase', ...ANONYMOUS, '--yes');

    expect(refused).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the 2 tasks of anonymous / anonymous, 1 of them unfinished'),
    });
    expect(erased).toMatchObject({ tasks: 2, cancelled: 1, withoutCleanup: 0 });
    expect(await json('list')).toEqual({ tasks: [], hasMore: false });
    expect(await tasks('show', asking)).toMatchObject({ code: 1, stderr: expect.stringContaining('has no such task') });
  });
});

describe('the command line', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tasks-cli-'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  test.each([
    [['tasks', 'lost'], 'tasks: there is no "lost": use list, show,'],
    [['bogus'], 'mcp-durable-tasks: there is no command "bogus": use serve or tasks'],
    [['serve', '--bogus'], "serve: Unknown option '--bogus'"],
  ])('says what is wrong with %j, with exit code 2 [OPS-1]', async (args, problem) => {
    const { code, stdout, stderr } = await runProgram(args, { cwd: folder });

    expect(stderr).toContain(problem);
    expect(stderr).toMatch(/^.+\n$/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('makes no file where there is none, and says where it looked [OPS-1]', async () => {
    const exit = await runProgram(['tasks', 'list'], { cwd: folder });

    expect(exit).toMatchObject({ code: 1, stdout: '' });
    expect(exit.stderr).toMatch(
      /^tasks: there is no file \S+tasks\.sqlite: name the servers’ with --backend sqlite:FILE\n$/,
    );
    expect(await runProgram(['tasks', 'list'], { cwd: folder })).toEqual(exit);
  });

  test('the doctor says what is wrong with a store that does not answer [OPS-1]', async () => {
    const { code, stdout } = await runProgram(['tasks', 'doctor', '--backend', 'redis://127.0.0.1:1']);

    expect(stdout).toMatch(/^opening +wrong +Redis at 127\.0\.0\.1:1 cannot be used/m);
    expect(code).toBe(1);
  });

  test('finds the tasks of a host over stdio by its tools and its name [OPS-1]', async () => {
    const env = { HOME: folder, XDG_DATA_HOME: folder };
    const args = ['tasks', 'list', '--stdio', '--tools', TOOLS, '--owner', 'a host'];

    const { stderr } = await runProgram(args, { env });

    expect(stderr).toMatch(/there is no file \S+mcp-durable-tasks\/tasks-tools-[0-9a-f]{8}\.sqlite/);
  });

  test('is told by --help, and by help [OPS-1 DX-5]', async () => {
    const help = await runProgram(['tasks', '--help']);

    expect(help.code).toBe(0);
    for (const name of [
      'list',
      'show',
      'watch',
      'answer',
      'cancel',
      'wake',
      'retry',
      'export',
      'erase',
      'stuck',
      'doctor',
    ]) {
      expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    }
    expect((await runProgram(['help'])).stdout).toContain('serve    a server on this machine');
    expect((await runProgram(['serve', '--help'])).stdout).toContain('--stdio');
    expect((await runProgram(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
