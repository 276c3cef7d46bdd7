/**
 * `npm run bench:cold`: what a cold start loads, and what a warm `tasks/get` costs, as ratios of two things that
 * nobody can do without: a bundle of the bare MCP SDK and DynamoDB client, and a bare `GetItem`. Exits with 1
 * when a budget is exceeded.
 */

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { build } from 'esbuild';
import { createTable } from '../src/backends/dynamodb-table.ts';
import { startDynamoDbLocal } from '../test/support/engines/dynamodb-local.ts';
import { stopEngines } from '../test/support/engines/process.ts';
import { type Assembly, BUNDLE_BUDGETS, synthesize } from '../test/support/lambda/assembly.ts';
import { deployAssembly } from '../test/support/lambda/deployment.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROCESSES = 20;
const WARM_CALLS = 300;

const BARE = `
  import { McpServer, createMcpHandler } from '@modelcontextprotocol/server';
  import { DynamoDBClient, GetItemCommand, PutItemCommand, QueryCommand, UpdateItemCommand, DeleteItemCommand } from '@aws-sdk/client-dynamodb';
  const client = new DynamoDBClient({});
  const commands = [GetItemCommand, PutItemCommand, QueryCommand, UpdateItemCommand, DeleteItemCommand];
  export const handler = createMcpHandler(() => new McpServer({ name: 'bare', version: '1' }, { capabilities: { tools: {} } }));
  export { client, commands };`;

/** Bundled as the functions are, so that only what is in it differs. */
async function bundleBare(): Promise<string> {
  const folder = join(ROOT, '.cache', 'bench-cold');
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, 'bare.mjs');
  await build({
    stdin: { contents: BARE, resolveDir: ROOT, loader: 'ts' },
    outfile,
    bundle: true,
    minify: true,
    sourcemap: true,
    sourcesContent: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    mainFields: ['module', 'main'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    alias: { '@aws-sdk/credential-provider-node': join(ROOT, 'lambda/shared/environment-credentials.ts') },
    logLevel: 'error',
  });
  return outfile;
}

const LOADER = `
  globalThis.awslambda = { streamifyResponse: (handler) => handler, HttpResponseStream: { from: (stream) => stream } };
  const begun = performance.now();
  await import(process.argv[1]);
  process.stdout.write(String(performance.now() - begun));
  process.exit(0);`;

/** In a fresh process, as an instance of the function starts; source maps as they are set there. */
async function loadMs(file: string, variables: Readonly<Record<string, string>>): Promise<number> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', LOADER, '--', file],
    {
      env: {
        PATH: process.env['PATH'],
        AWS_REGION: 'eu-central-1',
        AWS_ACCESS_KEY_ID: 'x',
        AWS_SECRET_ACCESS_KEY: 'x',
        ...variables,
      },
    },
  );
  return Number(stdout);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** One of each in turn, so that what else the machine does meets all alike. */
async function measureCold(assembly: Assembly): Promise<boolean> {
  const bare = await bundleBare();
  const subjects = { bare, mcp: assembly.mcp.file, worker: assembly.worker.file };
  const times: Record<keyof typeof subjects, number[]> = { bare: [], mcp: [], worker: [] };
  const variables = { ...assembly.mcp.variables, TASKS_TABLE_NAME: 't', TASKS_QUEUE_URL: 'http://localhost/q' };
  for (let run = 0; run < PROCESSES; run += 1) {
    for (const name of ['bare', 'mcp', 'worker'] as const) times[name].push(await loadMs(subjects[name], variables));
  }
  const bareMs = median(times.bare);
  show(`bare    ${bareMs.toFixed(0)} ms   ${await kilobytes(bare)} KB`);
  let within = true;
  for (const name of ['mcp', 'worker'] as const) {
    const ratio = median(times[name]) / bareMs;
    const size = await kilobytes(subjects[name]);
    const { ratio: maxRatio, kilobytes: maxSize } = BUNDLE_BUDGETS[name];
    const verdict = ratio <= maxRatio && size <= maxSize ? 'within' : 'ABOVE';
    within &&= verdict === 'within';
    show(
      `${name.padEnd(7)} ${median(times[name]).toFixed(0)} ms   ${size} KB   ${ratio.toFixed(2)}×   ${verdict} ${maxRatio}× and ${maxSize} KB`,
    );
  }
  return within;
}

async function kilobytes(file: string): Promise<number> {
  return Math.round((await stat(file)).size / 1_000);
}

/** A poll through the Runtime API beside the one read that it rests on, with the same client library. */
async function measureWarm(assembly: Assembly): Promise<void> {
  const { endpoint } = await startDynamoDbLocal();
  await using deployment = await deployAssembly(assembly, {
    name: 'bench-cold',
    context: { auth: 'none' },
    dynamoDbEndpoint: endpoint,
  });
  const invoke = async (method: string, params: object) => {
    const owner = { issuer: 'bench', subject: 'bench' };
    const reply = await deployment.mcp.invoke({ jsonrpc: '2.0', id: 1, method, params, owner });
    if (reply.kind !== 'stream') throw new Error(JSON.stringify(reply));
    const answer = JSON.parse((await reply.body.toArray()).join('')) as { result?: { taskId?: string } };
    if (answer.result === undefined) throw new Error(JSON.stringify(answer));
    return answer.result;
  };
  const { taskId } = await invoke('tools/call', { name: 'remind_me', arguments: { message: 'bench', minutes: 60 } });
  const client = new DynamoDBClient({
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const TableName = `bare-${randomUUID()}`;
  await createTable({ client, tableName: TableName });
  const Key = { PK: { S: 'p' }, SK: { S: 's' } };
  await client.send(new PutItemCommand({ TableName, Item: { ...Key, data: { S: 'x'.repeat(2_000) } } }));
  const invocations: number[] = [];
  const reads: number[] = [];
  for (let call = 0; call < WARM_CALLS; call += 1) {
    reads.push(await timed(() => client.send(new GetItemCommand({ TableName, Key, ConsistentRead: true }))));
    invocations.push(await timed(() => invoke('tasks/get', { taskId })));
  }
  client.destroy();
  const ratio = median(invocations) / median(reads);
  show(
    `warm    tasks/get ${median(invocations).toFixed(2)} ms   GetItem ${median(reads).toFixed(2)} ms   ${ratio.toFixed(2)}×`,
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function show(line: string): void {
  process.stdout.write(`${line}\n`);
}

const assembly = await synthesize('bench-cold', { auth: 'none' });
const within = await measureCold(assembly);
try {
  await measureWarm(assembly);
} finally {
  await stopEngines();
}
process.exitCode = within ? 0 : 1;
