/**
 * The command line as a person meets it: what it prints, the one line for each thing that can be
 * wrong, and how it stops. Each case is a process of its own.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { SqliteBackend } from '../../src/backends/sqlite.ts';
import { ANONYMOUS, GenericTaskStore, type Task } from '../../src/index.ts';
import { until } from '../support/until.ts';
import { type Exit, ServedProcess } from './served-process.ts';

const NEEDS_BOTH =
  'needs the packages @aws-sdk/client-dynamodb and @aws-sdk/lib-dynamodb: ' +
  'npm install @aws-sdk/client-dynamodb @aws-sdk/lib-dynamodb';
const DRAIN_TOOLS = fileURLToPath(new URL('./drain-tools.ts', import.meta.url));

let folder: string;
const started: ServedProcess[] = [];

function serve(...parameters: ConstructorParameters<typeof ServedProcess>): ServedProcess {
  const process = new ServedProcess(...parameters);
  started.push(process);
  return process;
}

function inFolder(name: string): string {
  return join(folder, name);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'serve-cli-'));
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process.end()));
});

afterAll(() => rm(folder, { recursive: true }));

describe('starting', () => {
  test('with memory prints the URL and that nothing is kept, and serves the examples [DX-1]', async () => {
    const server = serve(['--port', '0', '--backend', 'memory']);

    const peer = await server.peer();
    const { tools } = await peer.result('tools/list');

    expect(await server.url()).toMatch(/^http:\/\/localhost:\d+\/mcp$/);
    expect(server.stdout).toMatch(/^Tasks +in memory/m);
    expect(server.stdout).toContain('Ctrl-C stops it; unfinished tasks are lost then.');
    const names = (tools as { name: string }[]).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['profile_csv', 'approve_deploy', 'remind_me', 'research_topic']));
    // The server's own tools for workflows are not the module's.
    const own = names.filter((name) => !name.startsWith('task_'));
    expect(server.stdout).toContain(`Tools       ${own.toSorted().join(', ')}\n`);
    expect(server.stdout).toContain('Workflows   describe_csv, ship_release\n');
  });

  test('keeps tasks in an SQLite file below the current folder unless told otherwise [DX-1]', async () => {
    const server = serve(['--port', '0'], { cwd: folder });

    await server.url();

    expect(server.stdout).toMatch(/^Tasks +SQLite file \S+[/\\]\.data[/\\]tasks\.sqlite$/m);
    expect(server.stdout).toContain('unfinished tasks go on at the next start.');
    expect((await readFile(inFolder('.data/tasks.sqlite'))).subarray(0, 15).toString()).toBe('SQLite format 3');
  });

  test('an example runs to its end through the served URL [DX-1 DX-2]', async () => {
    const server = serve(['--port', '0', '--backend', `sqlite:${inFolder('example.sqlite')}`]);
    const peer = await server.peer();

    const taskId = await peer.createTask('profile_csv', { file: 'cities.csv' });
    await until('the end', async () => (await peer.task(taskId))['status'] === 'completed');

    expect(JSON.stringify((await peer.task(taskId))['result'])).toContain('cities.csv: 20 rows, 6 columns');
  });

  test('a request that names another host is refused: DNS rebinding [DX-1]', async () => {
    const server = serve(['--port', '0', '--backend', 'memory']);
    const { port } = new URL(await server.url());

    // fetch does not let a host header through.
    const answer = await rawRequest(Number(port), 'evil.example');

    expect(answer).toMatch(/^HTTP\/1\.1 403/);
  });

  test('web pages of the origins that are allowed may call, beside those of this machine [DX-1 SEC-6]', async () => {
    const origins = ['https://a.example', 'https://b.example', 'http://localhost:6274'];
    const server = serve([
      ...['--port', '0', '--backend', 'memory'],
      ...['--allow-origin', 'https://a.example', '--allow-origin', 'https://b.example'],
    ]);
    const url = await server.url();

    const asked = await Promise.all(
      [...origins, 'https://c.example'].map((origin) =>
        fetch(url, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } }),
      ),
    );

    expect(asked.map(({ headers }) => headers.get('access-control-allow-origin'))).toEqual([...origins, null]);
  });

  test('an address that others reach, and a Redis that may lose tasks, are warned about [DX-1]', async () => {
    const server = serve(['--port', '0', '--host', '0.0.0.0', '--backend', process.env['TEST_REDIS_URL'] ?? '']);
    await server.url();

    server.signal('SIGTERM');
    const { stdout, stderr } = await server.exited;

    expect(stderr).toContain('serve: whoever reaches 0.0.0.0 may call these tools');
    expect(stderr).toContain('serve: appendonly is off');
    expect(stdout).toMatch(/^Tasks +Redis at 127\.0\.0\.1:\d+$/m);
  });

  test('creates the DynamoDB table when asked, and says that it is missing otherwise [DX-1]', async () => {
    const table = `serve-${randomUUID()}`;
    const backend = `dynamodb:${table}?endpoint=${process.env['TEST_DYNAMODB_ENDPOINT']}`;

    const refused = await serve(['--port', '0', '--backend', backend]).exited;
    const server = serve(['--port', '0', '--backend', backend, '--create-table']);
    const peer = await server.peer();
    const taskId = await peer.createTask('profile_csv', { file: 'orders.csv' });

    expectOneLine(refused, 1, `the DynamoDB table ${table} does not exist: create it with --create-table`);
    await until('the end', async () => (await peer.task(taskId))['status'] === 'completed');
  });

  test('--help lists every option and --version is the package’s [DX-1]', async () => {
    const help = await serve(['--help']).exited;
    const version = await serve(['--version']).exited;

    expect(help.code).toBe(0);
    for (const option of ['port', 'host', 'allow-origin', 'backend', 'create-table', 'tools', 'log-level']) {
      expect(help.stdout).toContain(`--${option} `);
    }
    const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(version).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });
});

describe('a wrong option is one line and exit code 2:', () => {
  test.each([
    [['--bogus'], "Unknown option '--bogus'"],
    [['extra'], "Unexpected argument 'extra'"],
    [['--port'], 'argument missing'],
    [['--port', '65536'], 'a port is a whole number from 0 to 65535'],
    [['--port', '3000x'], 'a port is a whole number from 0 to 65535'],
    [['--port', ''], 'a port is a whole number from 0 to 65535'],
    [['--log-level', 'loud'], 'use one of debug, info, warn, error, silent'],
    [['--backend', 'postgres:x'], 'unknown backend "postgres:x": use memory, sqlite:FILE'],
    [['--backend', 'sqlite:'], 'names no file'],
    [['--allow-origin', 'https://a.example/'], '"https://a.example/" is no origin that a browser sends'],
    [['--create-table'], 'goes with --backend dynamodb:TABLE'],
  ])('%j [DX-1]', async (args, problem) => {
    expectOneLine(await serve(args).exited, 2, problem);
  });
});

describe('what cannot work is one line and exit code 1:', () => {
  const modules = [
    ['missing.ts', undefined, 'there is no file'],
    ['syntax.ts', 'const x: = ;', 'does not load'],
    ['import.mjs', "import 'not-installed-anywhere';", 'Cannot find package'],
    ['throws.mjs', "throw new Error('first\\nsecond');", 'does not load: first second'],
    ['no-default.mjs', 'export const tools = [];', 'exports no list of tools: write `export default'],
    ['empty.mjs', 'export default [];', 'exports no list of tools'],
    ['no-tool.mjs', 'export default [null];', 'Tool "(unnamed)": a name has'],
    ['bad-tool.mjs', "export default [{ name: 'half' }];", 'Tool "half": it needs a description'],
  ] as const;

  test.each(modules)('--tools %s (%j) [DX-1 DX-2]', async (name, text, problem) => {
    if (text !== undefined) await writeFile(inFolder(name), text);

    expectOneLine(await serve(['--backend', 'memory', '--tools', inFolder(name)]).exited, 1, problem);
  });

  test('a port in use [DX-1]', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const port = String((other.address() as { port: number }).port);

    const exit = await serve(['--backend', 'memory', '--port', port]).exited;
    other.close();

    expectOneLine(exit, 1, `port ${port} of 127.0.0.1 is in use: stop the program that has it, or choose another`);
  });

  test('a host that this machine does not have [DX-1]', async () => {
    const exit = await serve(['--backend', 'memory', '--port', '0', '--host', '203.0.113.1']).exited;

    expectOneLine(exit, 1, 'this machine has no such address');
  });

  test('a file that is no database, and a database of a newer format [DX-1]', async () => {
    await writeFile(inFolder('letter.txt'), 'A letter, not a database, and longer than a header.');
    const first = serve(['--port', '0', '--backend', `sqlite:${inFolder('newer.sqlite')}`]);
    await first.url();
    await first.end();
    const database = new DatabaseSync(inFolder('newer.sqlite'));
    database.exec('PRAGMA user_version = 99');
    database.close();

    const letter = await serve(['--backend', `sqlite:${inFolder('letter.txt')}`]).exited;
    const newer = await serve(['--backend', `sqlite:${inFolder('newer.sqlite')}`]).exited;

    expectOneLine(letter, 1, 'letter.txt is not a SQLite database: use another file');
    expectOneLine(newer, 1, 'newer.sqlite has storage format 99');
  });

  test.each([
    ['redis://user:secret@127.0.0.1:1', 'Redis at 127.0.0.1:1 cannot be used'],
    ['dynamodb:tasks?endpoint=http://127.0.0.1:1', 'DynamoDB GetItem on tasks'],
  ])('an engine that is not there: %s [DX-1]', async (backend, problem) => {
    const exit = await serve(['--backend', backend]).exited;

    expectOneLine(exit, 1, problem);
    expect(exit.stderr).not.toContain('secret');
  });

  test.each([
    ['ioredis', 'redis://127.0.0.1:1', 'needs the package ioredis: npm install ioredis'],
    ['@aws-sdk/client-dynamodb', 'dynamodb:tasks', NEEDS_BOTH],
    ['@aws-sdk/lib-dynamodb', 'dynamodb:tasks', NEEDS_BOTH],
  ])('a client library that is not installed: %s [DX-1 STORE-11]', async (library, backend, problem) => {
    const hook = inFolder(`without-${library.replaceAll(/\W/g, '-')}.mjs`);
    await writeFile(hook, withoutPackage(library));

    const exit = await serve(['--backend', backend], { env: { NODE_OPTIONS: `--import=${hook}` } }).exited;

    expectOneLine(exit, 1, problem);
  });
});

describe('stopping', () => {
  const withLog = (name: string) => {
    const log = inFolder(`${name}.log`);
    const args = ['--port', '0', '--tools', DRAIN_TOOLS, '--backend', `sqlite:${inFolder(`${name}.sqlite`)}`];
    return {
      args,
      env: { DRAIN_LOG: log },
      said: async (line: string) =>
        (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((said) => said === line).length,
    };
  };

  test('SIGTERM aborts a running handler, gives its task back, and the next server goes on at once [DX-1 EXEC-1 EXEC-4 LIFE-6]', async () => {
    const { args, env, said } = withLog('drain');
    const first = serve(args, { env });
    const taskId = await (await first.peer()).createTask('long_work');
    await until('the second step', async () => (await said('second began')) === 1);

    first.signal('SIGTERM');
    const exit = await first.exited;
    const left = await storedTask(inFolder('drain.sqlite'));
    const stoppedBy = Date.now();
    const peer = await serve(args, { env }).peer();
    await until('the end', async () => (await peer.task(taskId))['status'] === 'completed');

    expect(exit.code).toBe(0);
    expect(await said('signal fired: shutdown')).toBe(1);
    // An abandoned lease would keep the next server from it for 30 s.
    expect([left?.id, left?.run.lease]).toEqual([taskId, undefined]);
    expect(left?.run.dueAt).toBeLessThanOrEqual(stoppedBy);
    expect(await said('first ran')).toBe(1);
    expect(await said('second went on')).toBe(1);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'a second %s does not wait for the drain: exit code 130 [DX-1]',
    async (signal) => {
      const { args, env, said } = withLog(`deaf-${signal}`);
      const server = serve(args, { env });
      await (await server.peer()).createTask('deaf_work');
      await until('the handler', async () => (await said('deaf began')) === 1);

      server.signal(signal);
      await until('the first to be heard', () => server.stderr.includes(`${signal}: stopping`));
      // A repetition within half a second is the same key press, passed on by npm.
      await delay(700);
      server.signal(signal);

      expect((await server.exited).code).toBe(130);
    },
  );

  test('the same key press arriving twice still drains, and a deaf handler is not waited for [DX-1]', async () => {
    const { args, env, said } = withLog('twice');
    const server = serve(args, { env });
    await (await server.peer()).createTask('deaf_work');
    await until('the handler', async () => (await said('deaf began')) === 1);

    // What comes while a process stands still, comes at once when it goes on; but of each kind one signal only.
    for (const signal of ['SIGSTOP', 'SIGINT', 'SIGTERM', 'SIGCONT'] as const) server.signal(signal);

    expect((await server.exited).code).toBe(0);
  });
});

/** The only task in a database that no server has open. */
async function storedTask(file: string): Promise<Task | undefined> {
  const backend = new SqliteBackend({ path: file });
  const { tasks } = await new GenericTaskStore({ backend }).list(ANONYMOUS, { limit: 1 });
  await backend.close();
  return tasks[0];
}

function expectOneLine({ code, stdout, stderr }: Exit, expectedCode: number, problem: string): void {
  expect(stderr).toContain(problem);
  expect(stderr).toMatch(/^serve: .+\n$/);
  expect(stdout).toBe('');
  expect(code).toBe(expectedCode);
}

/** A module for `--import` that makes one package look as if nobody had installed it. */
function withoutPackage(name: string): string {
  const message = JSON.stringify(`Cannot find package '${name}' imported from here`);
  return `
    import { registerHooks } from 'node:module';
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== ${JSON.stringify(name)}) return next(specifier, context);
        throw Object.assign(new Error(${message}), { code: 'ERR_MODULE_NOT_FOUND' });
      },
    });`;
}

function rawRequest(port: number, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (data) => {
      resolve(data.toString());
      socket.destroy();
    });
    socket.write(
      `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}`,
    );
  });
}
