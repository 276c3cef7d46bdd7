/**
 * The package as its user has it: built to JavaScript, below the `node_modules` of a project, with a module of tools in
 * TypeScript beside it that imports it by its name.
 */
import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';
import { until } from '../support/until.ts';
import { StdioProcess } from './stdio-process.ts';

const TOOLS = `
import { defineTaskTool, type CallToolResult } from 'mcp-durable-tasks';
import * as z from 'zod';

const text = (words: string): CallToolResult => ({ content: [{ type: 'text', text: words }] });

export default [
  defineTaskTool({
    name: 'add',
    description: 'Adds in a step.',
    inputSchema: z.object({ a: z.number(), b: z.number() }),
    run: async ({ a, b }, task) => text(String(await task.step('sum', async () => a + b))),
  }),
];
`;

let project: string;
let program: string;
const started: StdioProcess[] = [];

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'package-'));
  const modules = join(project, 'node_modules');
  const installed = join(modules, 'mcp-durable-tasks');
  await mkdir(installed, { recursive: true });
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  await writeFile(join(project, 'tools.ts'), TOOLS);
  for (const dependency of ['@modelcontextprotocol', 'zod']) {
    await symlink(join(REPOSITORY_ROOT, 'node_modules', dependency), join(modules, dependency));
  }
  await cp(join(REPOSITORY_ROOT, 'package.json'), join(installed, 'package.json'));
  const compiler = join(REPOSITORY_ROOT, 'node_modules/.bin/tsc');
  execFileSync(compiler, ['-p', join(REPOSITORY_ROOT, 'tsconfig.build.json'), '--outDir', join(installed, 'dist')]);
  const { bin } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
    readonly bin: Readonly<Record<string, string>>;
  };
  program = join(installed, bin['mcp-durable-tasks'] ?? '');
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process.end()));
});

afterAll(() => rm(project, { recursive: true }));

describe('the program of the package', () => {
  test('begins with the line that makes it one [DX-4]', async () => {
    expect((await readFile(program, 'utf8')).split('\n', 1)).toEqual(['#!/usr/bin/env node']);
  });

  test('serves tools in TypeScript over stdio, from whichever folder it is started [DX-4]', async () => {
    const server = new StdioProcess(['--tools', join(project, 'tools.ts')], {
      program,
      cwd: tmpdir(),
      env: { HOME: project, XDG_DATA_HOME: join(project, 'data') },
    });
    started.push(server);

    const { tools } = await server.peer.result('tools/list');
    const taskId = await server.peer.createTask('add', { a: 20, b: 22 });
    await until('the end', async () => (await server.peer.task(taskId))['status'] === 'completed');

    expect(tools).toMatchObject([{ name: 'add' }]);
    expect((await server.peer.task(taskId))['result']).toMatchObject({ content: [{ text: '42' }] });
  });

  test('has the commands of operators beside serve [DX-5 OPS-1]', async () => {
    const { NODE_OPTIONS: _ofJest, ...env } = process.env;
    const run = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args], { env, cwd: project });

    expect((await run('tasks', '--help')).stdout).toContain('Usage: npx mcp-durable-tasks tasks <command>');
    expect((await run('serve', '--help')).stdout).toContain('--stdio');
    await expect(run('tasks', 'list')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no file'),
    });
  });

  test('is built by whoever packs it, and in the package with all that it imports [DX-5]', async () => {
    const { scripts, files, bin } = JSON.parse(await readFile(join(REPOSITORY_ROOT, 'package.json'), 'utf8'));

    expect(scripts.prepack).toBe('npm run build');
    expect(files).toContain('dist');
    expect(bin).toEqual({ 'mcp-durable-tasks': './dist/bin/mcp-durable-tasks.js' });
  });

  test('says that it needs a list of tools, since the examples are not in the package [DX-4]', async () => {
    const { NODE_OPTIONS: _ofJest, ...env } = process.env;

    const run = promisify(execFile)(process.execPath, [program, '--stdio'], { env: { ...env, HOME: project } });

    await expect(run).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^serve: --tools: there is no file .*: name a module that exports a list of tools\n$/,
      ),
    });
  });
});
