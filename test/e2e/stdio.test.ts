/**
 * The server as a host knows it: a process that the host starts, speaks to over stdin and stdout, and ends or kills when
 * it likes. Each case has processes of its own; what they share is the SQLite file.
 */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import { GenericTaskStore, type Task } from '../../src/index.ts';
import type { JsonMap, RpcMessage } from '../support/mcp-requests.ts';
import {
  connectLegacyStdioClient,
  connectOfficialStdioClient,
  type OfficialStdioClient,
  type SpawnedServer,
} from '../support/official-stdio-client.ts';
import type { StdioPeer } from '../support/stdio-peer.ts';
import { until } from '../support/until.ts';
import { SERVE, StdioProcess, type StdioProcessOptions } from './stdio-process.ts';

const TOOLS = fileURLToPath(new URL('./stdio-tools.ts', import.meta.url));

let folder: string;
const started: StdioProcess[] = [];
const clients: OfficialStdioClient[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'stdio-'));
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
  await Promise.all(started.splice(0).map((process) => process.end()));
});

afterAll(() => rm(folder, { recursive: true }));

/** One file and one log, and the processes that a test starts on them. */
function world(name: string) {
  const file = join(folder, `${name}.sqlite`);
  const log = join(folder, `${name}.log`);
  const args = ['--tools', TOOLS, '--backend', `sqlite:${file}`];
  const env = { STDIO_LOG: log };
  const lines = async () => (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  return {
    file,
    lines,
    said: async (what: string) => (await lines()).filter((line) => line.startsWith(`${what} `)).length,
    start: (options: StdioProcessOptions = {}, more: readonly string[] = []) => {
      const process = new StdioProcess([...args, ...more], { ...options, env: { ...env, ...options.env } });
      started.push(process);
      return process;
    },
    spawned: (): SpawnedServer => ({
      command: process.execPath,
      args: [SERVE, '--stdio', ...args],
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
    }),
  };
}

const textOf = (result: JsonMap) => (result['content'] as { text: string }[] | undefined)?.[0]?.text;
const resultText = (task: JsonMap) => textOf((task['result'] ?? {}) as JsonMap);

function completed(peer: StdioPeer, taskId: string): Promise<JsonMap> {
  return until('the end of the task', async () => {
    const task = await peer.task(taskId);
    return task['status'] === 'completed' ? task : undefined;
  });
}

function asking(peer: StdioPeer, taskId: string): Promise<string> {
  return until(
    'the question',
    async () => Object.keys(((await peer.task(taskId))['inputRequests'] ?? {}) as object)[0],
  );
}

/** The tasks of an owner in a file that no server has open. */
async function storedTasks(file: string, subject: string): Promise<readonly Task[]> {
  const backend = new SqliteBackend({ path: file });
  const { tasks } = await new GenericTaskStore({ backend }).list({ issuer: 'stdio', subject }, { limit: 10 });
  await backend.close();
  return tasks;
}

describe('the official client over stdio', () => {
  const connect = async (...parameters: Parameters<typeof connectOfficialStdioClient>) => {
    const connected = await connectOfficialStdioClient(...parameters);
    clients.push(connected);
    return connected;
  };

  test('of 2026-07-28 lists tools, calls a plain one, and follows a task that asks to its end [DX-4 MOD-1 MOD-4]', async () => {
    const { client, session } = await connect(world('official').spawned(), async () => {
      return { action: 'accept', content: { name: 'Ada' } } as never;
    });

    const { tools } = await client.listTools();
    const plain = await client.callTool({ name: 'greet', arguments: { name: 'Ada' } });
    const asked = await session.callTool('ask');

    expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(['greet', 'count', 'ask', 'long_work']));
    expect(plain).toMatchObject({ content: [{ text: 'Hello, Ada!' }] });
    expect(asked.kind).toBe('task');
    expect(await asked.result()).toMatchObject({
      status: 'completed',
      result: { content: [{ text: 'You are Ada.' }] },
    });
  });

  test('of 2026-07-28 cancels a task [DX-4 MOD-1]', async () => {
    const { session } = await connect(world('cancelled').spawned());
    const execution = await session.callTool('ask');
    if (execution.kind !== 'task') throw new Error('no task');

    await execution.cancel();

    expect((await execution.settle()).outcome).toMatchObject({ status: 'cancelled' });
  });

  test('of the 2025 era lists tools, and calls one that takes a while to its result [DX-4]', async () => {
    const client = await connectLegacyStdioClient(world('legacy').spawned());

    const { tools } = await client.listTools();
    const result = await client.callTool({ name: 'count', arguments: { steps: 3, stepMs: 100 } });
    await client.close();

    expect(tools.map(({ name }) => name)).toContain('count');
    expect(result).toMatchObject({ content: [{ text: 'counted to 3' }] });
  });
});

describe('a host', () => {
  test('creates, reads, answers and cancels tasks [DX-4 MOD-1]', async () => {
    const { peer } = world('lines').start();

    const asked = await peer.createTask('ask');
    const other = await peer.createTask('ask');
    const key = await asking(peer, asked);
    const content = { name: 'Grace' };
    await peer.result('tasks/update', { taskId: asked, inputResponses: { [key]: { action: 'accept', content } } });
    await peer.result('tasks/cancel', { taskId: other });

    expect(resultText(await completed(peer, asked))).toBe('You are Grace.');
    expect((await peer.task(other))['status']).toBe('cancelled');
  });

  test('is told of each change of the tasks that it listens to, up to the end [DX-4 MOD-3]', async () => {
    const { peer } = world('listen').start();
    const taskId = await peer.createTask('ask');
    peer.request('listen', 'subscriptions/listen', { notifications: { taskIds: [taskId] } });
    const seen: RpcMessage[] = [];
    const next = async () => {
      const message = await peer.next();
      seen.push(message);
      return message;
    };
    while ((await next()).params?.['status'] !== 'input_required');
    const [key = ''] = Object.keys((seen.at(-1)?.params?.['inputRequests'] ?? {}) as object);

    const answer = { action: 'accept', content: { name: 'Ada' } };
    await peer.result('tasks/update', { taskId, inputResponses: { [key]: answer } });
    while ((await next()).result === undefined);

    expect(seen[0]?.params?.['notifications']).toEqual({ taskIds: [taskId] });
    expect(seen.at(-2)?.params).toMatchObject({ taskId, status: 'completed' });
    expect(seen.at(-1)).toMatchObject({ id: 'listen', result: { resultType: 'complete' } });
  });

  test('reads nothing but messages, whatever modules and tools write; that is on standard error [DX-4]', async () => {
    const server = world('loud').start();

    await server.peer.result('server/discover');
    await server.peer.call('greet', { name: 'Ada' });
    await server.peer.createTask('count', { steps: 1, stepMs: 0 });
    server.peer.end();
    const { stderr } = await server.exited;

    // The peer has parsed each line; a piece of a line before one would have made it unreadable.
    expect(server.peer.lines.map((line) => (JSON.parse(line) as RpcMessage).jsonrpc)).toEqual(['2.0', '2.0', '2.0']);
    for (const said of ['a line of a module', 'a line of a tool', 'a line that is where', 'not even a line']) {
      expect(stderr).toContain(said);
    }
    expect(stderr).toMatch(/^MCP server +over stdin and stdout/m);
    expect(stderr).toMatch(/^Tasks +SQLite file \S+loud\.sqlite$/m);
    expect(stderr).toMatch(/ info +Task created /);
  });

  test('finds its own tasks, and none of another host on the same file [DX-4 I6]', async () => {
    const shared = world('owners');
    const [one, other] = [shared.start({ name: 'host one' }).peer, shared.start({ name: 'host two' }).peer];
    const taskId = await one.createTask('ask');

    const foreign = await other.ask('tasks/get', { taskId });
    const unknown = await other.ask('tasks/get', { taskId: '0'.repeat(44) });
    const again = await shared.start({ name: 'host one' }).peer.task(taskId);

    expect(foreign.error).toEqual(unknown.error);
    expect(again['taskId']).toBe(taskId);
  });

  test('of any name has the tasks of --owner [DX-4]', async () => {
    const shared = world('named');
    const one = shared.start({ name: 'host one' }, ['--owner', 'me']).peer;
    const taskId = await one.createTask('ask');

    const seen = await shared.start({ name: 'host two' }, ['--owner', 'me']).peer.task(taskId);

    expect(seen['taskId']).toBe(taskId);
  });

  test('has as many unfinished tasks as --max-active-tasks says, and is told what to do about more [DX-4 LIFE-8]', async () => {
    const { peer } = world('limited').start({}, ['--max-active-tasks', '1']);
    await peer.createTask('ask');

    const { error } = await peer.ask('tools/call', { name: 'ask', arguments: {} });

    expect(error).toMatchObject({ code: -32000, data: { reason: 'too_many_tasks', limit: 1 } });
    expect(error?.message).toContain('tools task_list and task_cancel, or tasks/cancel');
  });

  test('of the 2025 era has its tasks under the name that it began with [DX-4]', async () => {
    const shared = world('legacy-name');
    const first = shared.start({ era: '2025-11-25', name: 'old host' });
    await first.peer.initialize();
    const call = first.peer.call('ask');
    await until('the task', async () => first.stderr.includes('Task created'));

    first.peer.end();
    await first.exited;
    await call;

    expect(await storedTasks(shared.file, 'old host')).toHaveLength(1);
  });
});

describe('a server over stdio', () => {
  test('that is killed goes on at once when it is started again [DX-4 EXEC-1 EXEC-4 I5]', async () => {
    const shared = world('killed');
    const first = shared.start();
    const taskId = await first.peer.createTask('long_work');
    await until('the second step', async () => (await shared.said('second began')) === 1);

    first.signal('SIGKILL');
    await first.exited;
    const [torn] = await storedTasks(shared.file, 'test-client');
    const second = shared.start();
    await completed(second.peer, taskId);
    await second.end();
    const [done] = await storedTasks(shared.file, 'test-client');

    expect(await shared.said('first ran')).toBe(1);
    expect(await shared.said('second went on')).toBe(1);
    // Nobody waited for the lease of the process that was killed, which lasted for another half a minute.
    expect(torn?.run.lease?.until).toBeGreaterThan(done?.updatedAt ?? Number.POSITIVE_INFINITY);
  });

  test('drains when its input ends: handlers hear it, tasks are given back, exit code 0 [DX-4 EXEC-4 LIFE-6]', async () => {
    const shared = world('ended');
    const server = shared.start();
    const taskId = await server.peer.createTask('long_work');
    await until('the second step', async () => (await shared.said('second began')) === 1);

    server.peer.end();
    const exit = await server.exited;
    const [left] = await storedTasks(shared.file, 'test-client');

    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(await shared.said('signal fired: shutdown')).toBe(1);
    expect([left?.id, left?.status, left?.run.lease]).toEqual([taskId, 'working', undefined]);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('drains on %s as well [DX-4 EXEC-4]', async (signal) => {
    const shared = world(signal);
    const server = shared.start();
    await server.peer.createTask('long_work');
    await until('the second step', async () => (await shared.said('second began')) === 1);

    server.signal(signal);
    const exit = await server.exited;
    const [left] = await storedTasks(shared.file, 'test-client');

    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.stderr).toContain(`${signal}: stopping`);
    expect([left?.status, left?.run.lease]).toEqual(['working', undefined]);
  });

  test('keeps the task of a plain call whose host ends it, and answers with it [DX-4]', async () => {
    const shared = world('plain');
    const server = shared.start({ declares: false });
    const call = server.peer.call('long_work');
    await until('the second step', async () => (await shared.said('second began')) === 1);

    server.peer.end();
    const [answer, exit] = await Promise.all([call, server.exited]);
    const [left] = await storedTasks(shared.file, 'test-client');

    expect(exit.code).toBe(0);
    expect(left?.status).toBe('working');
    expect(textOf(answer)).toContain(left?.id ?? 'no task');
  });

  test('answers all that was piped into it before it ends [DX-4]', async () => {
    const server = world('piped').start({ era: '2025-11-25' });
    const initialized = server.peer.initialize();
    const call = server.peer.call('greet', { name: 'Ada', afterMs: 100 });
    const answers = [initialized, call, server.peer.result('ping')];

    server.peer.end();
    const [, greeting] = await Promise.all(answers);

    expect(greeting).toMatchObject({ content: [{ text: 'Hello, Ada!' }] });
    expect((await server.exited).code).toBe(0);
  });

  test('ends its subscriptions in good order before it ends itself [DX-4 MOD-3]', async () => {
    const server = world('prompt').start();
    const taskId = await server.peer.createTask('ask');
    await asking(server.peer, taskId);
    server.peer.request(1, 'subscriptions/listen', { notifications: { taskIds: [taskId] } });
    await server.peer.next();
    await server.peer.next();

    server.peer.end();
    const last = await server.peer.next();
    const { code } = await server.exited;

    expect([last.id, last.result?.['resultType'], code]).toEqual([1, 'complete', 0]);
  });

  test('shares one new file with another that starts at the same time: no step is done twice [DX-4 I3 I7]', async () => {
    const shared = world('shared');
    const servers = [shared.start(), shared.start()];
    const peers = servers.map(({ peer }) => peer);

    const created = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        (peers[index % 2] as StdioPeer).createTask('count', { steps: 3, stepMs: 20 }),
      ),
    );
    // Asked of the one that did not create it.
    await Promise.all(created.map((taskId, index) => completed(peers[(index + 1) % 2] as StdioPeer, taskId)));

    const steps = (await shared.lines()).map((line) => line.split(' ').slice(0, -1).join(' '));
    expect(steps.toSorted()).toEqual(created.flatMap((id) => [1, 2, 3].map((step) => `${id} step ${step}`)).toSorted());
  });

  test('keeps tasks in the data of the user, wherever it is started, and apart for other tools [DX-4]', async () => {
    const home = join(folder, 'home');
    const env = { STDIO_LOG: join(folder, 'home.log'), HOME: home, XDG_DATA_HOME: '' };
    const start = (cwd: string, tools: string) => {
      const process = new StdioProcess(['--tools', tools], { env, cwd });
      started.push(process);
      return process;
    };
    const first = start(folder, TOOLS);
    const taskId = await first.peer.createTask('ask');
    first.peer.end();
    await first.exited;

    const again = start(tmpdir(), TOOLS);
    const other = start(folder, fileURLToPath(new URL('./drain-tools.ts', import.meta.url)));
    const foreign = await other.peer.ask('tasks/get', { taskId });

    expect((await again.peer.task(taskId))['taskId']).toBe(taskId);
    expect(foreign.error?.code).toBe(-32602);
    const [, file = ''] = /^Tasks +SQLite file (.+)$/m.exec(again.stderr) ?? [];
    // Nobody else on the machine may look into it.
    expect((await stat(dirname(file))).mode & 0o077).toBe(0);
    expect(again.stderr).toMatch(/^Tasks +SQLite file \S+[/\\]mcp-durable-tasks[/\\]stdio-tools-[0-9a-f]{8}\.sqlite$/m);
  });
});
