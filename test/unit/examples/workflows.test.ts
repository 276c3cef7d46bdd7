/** The workflow prompts among the examples through a real server: the hand-over, what a client reports, questions, results. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { approveDeploy } from '../../../examples/approve-deploy.ts';
import { approveColumns, createReports, nameColumns } from '../../../examples/column-tools.ts';
import { columnGuide, describeCsv } from '../../../examples/describe-csv.ts';
import { createProfileCsv } from '../../../examples/profile-csv.ts';
import { createCheckTarget, releasePolicies, shipRelease } from '../../../examples/ship-release.ts';
import tools, { resources, workflows } from '../../../examples/tools.ts';
import { describeCsvWith } from '../../../examples/workflow-client.ts';
import * as deployed from '../../../lambda/tools.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import type { CallContext, Owner } from '../../../src/index.ts';
import { silentLogger, startLocalServer } from '../../../src/index.ts';
import type { JsonMap } from '../../support/mcp-requests.ts';
import { ExampleServer } from './example-server.ts';

const DATA = fileURLToPath(new URL('../../../examples/data/', import.meta.url));

const servers: ExampleServer[] = [];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reports-'));
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  await rm(folder, { recursive: true });
});

async function started(server: ExampleServer): Promise<ExampleServer> {
  servers.push(server);
  return server.start();
}

function textsOf(reply: JsonMap): string {
  const messages = reply['messages'] as unknown as { content: { text?: string } }[];
  return messages.map(({ content }) => content.text ?? JSON.stringify(content)).join('\n');
}

function idOf(reply: JsonMap): string {
  return (reply['_meta'] as { task_id: string }).task_id;
}

function statusesIn(reply: JsonMap): Record<string, string> {
  const { steps } = reply['_meta'] as unknown as { steps: { name: string; status: string }[] };
  return Object.fromEntries(steps.map(({ name, status }) => [name, status]));
}

/** The one question that a task asks, answered. */
async function answer(server: ExampleServer, taskId: string, response: JsonMap): Promise<string> {
  const task = await server.when(taskId, ({ status }) => status === 'input_required');
  const [[key, request] = ['', undefined]] = Object.entries(
    task['inputRequests'] as unknown as Record<string, { params: { message: string } }>,
  );
  await server.peer.result('tasks/update', { taskId, inputResponses: { [key]: response } });
  return request?.params.message ?? '';
}

test('tools.ts and lambda/tools.ts export workflows and resources with which a server starts [DX-2 WF-1]', async () => {
  const local = await started(new ExampleServer(tools, { workflows, resources }));
  const lambda = await started(
    new ExampleServer(deployed.default, { workflows: deployed.workflows, resources: deployed.resources }),
  );
  const namesOf = async (server: ExampleServer) =>
    ((await server.peer.result('prompts/list'))['prompts'] as { name: string }[]).map(({ name }) => name);

  expect(await namesOf(local)).toEqual(['describe_csv', 'ship_release']);
  // A function has no files but its bundle.
  expect(await namesOf(lambda)).toEqual(['ship_release']);
});

describe('describe_csv', () => {
  const COLUMNS = ['name', 'country', 'population', 'latitude', 'longitude', 'note'];
  const described = COLUMNS.map((column) => ({ column, title: `The ${column}`, meaning: `a|b of ${column}` }));

  function serve(): Promise<ExampleServer> {
    const { writeReport, reports } = createReports(folder);
    return started(
      new ExampleServer([createProfileCsv({ root: DATA }), nameColumns, approveColumns, writeReport], {
        workflows: [describeCsv],
        resources: [columnGuide, reports],
      }),
    );
  }

  async function named(server: ExampleServer, columns: readonly JsonMap[] = described): Promise<string> {
    const taskId = idOf(await server.prompt('describe_csv', { file: 'cities.csv' }));
    await server.peer.call('name_columns', { of: COLUMNS, columns, _task_id: taskId });
    return taskId;
  }

  test('profiles the file and hands the naming over with the guide and what it knows [WF-2 WF-4 WF-9]', async () => {
    const server = await serve();

    const reply = await server.prompt('describe_csv', { file: 'cities.csv' });

    expect(reply['_meta']).toMatchObject({
      task_status: 'working',
      pause_reason: { type: 'clientStep', step: 'names', suggestedTool: 'name_columns' },
    });
    expect(statusesIn(reply)).toEqual({
      profile: 'completed',
      names: 'pending',
      approve: 'pending',
      report: 'pending',
    });
    const said = textsOf(reply);
    expect(said).toContain('Say what each column of cities.csv means.');
    expect(said).toContain('A title has one to four words');
    expect(said).toContain(`name_columns with {"of":${JSON.stringify(COLUMNS)}}`);
    expect(said).toContain('Give each of the columns of cities.csv (20 rows) a title and a meaning.');
  });

  test('writes a report with the titles that the model gave and a person approved, readable as a resource [WF-5 WF-6 LIFE-6 DX-2]', async () => {
    const server = await serve();
    const taskId = await named(server);

    const question = await answer(server, taskId, { action: 'accept', content: { approver: 'Ada' } });
    const ended = await server.settled(taskId);

    expect(question).toContain('Are these the right titles for cities.csv? name: The name, country: The country');
    const uri = `column-report://${taskId}`;
    expect(ended).toMatchObject({ status: 'completed' });
    expect(ended['result']).toMatchObject({
      structuredContent: { steps: [{}, {}, { output: { approved: true } }, { output: { id: taskId, uri } }] },
    });
    const { contents } = await server.peer.result('resources/read', { uri }, { headers: { 'mcp-name': uri } });
    const [{ text } = { text: '' }] = contents as { text: string }[];
    expect(text).toContain('# cities.csv\n\n20 rows. Approved by Ada.\n');
    expect(text).toContain('| population | The population | a\\|b of population |');
  });

  test.each([['2026-07-28'], ['2025-11-25']])(
    'is gone on with by the official client of %s, as the guide shows it [WF-5 WF-7 DX-3]',
    async (era) => {
      const { writeReport, reports } = createReports(folder);
      const local = await startLocalServer({
        name: 'examples',
        version: '1.0.0',
        port: 0,
        allowAnonymous: true,
        logger: silentLogger,
        backend: new MemoryBackend(),
        tools: [createProfileCsv({ root: DATA }), nameColumns, approveColumns, writeReport],
        workflows: [describeCsv],
        resources: [columnGuide, reports],
      });
      const client = new Client(
        { name: 'host', version: '1.0.0' },
        {
          capabilities: { elicitation: { form: {} } },
          versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' },
        },
      );
      await client.connect(new StreamableHTTPClientTransport(new URL(local.url)));

      const reply = await describeCsvWith(client, 'cities.csv', async () => ({ of: COLUMNS, columns: described }));
      await client.close();
      await local.close();

      expect(statusesIn(reply as unknown as JsonMap)).toMatchObject({ names: 'completed', approve: 'pending' });
      expect(reply._meta).toMatchObject({ task_status: 'input_required', pause_reason: { type: 'needsInput' } });
    },
  );

  test('without approval ends with the report skipped and nothing written [WF-11]', async () => {
    const server = await serve();
    const taskId = await named(server);

    await answer(server, taskId, { action: 'decline' });
    const ended = await server.settled(taskId);

    expect(ended['status']).toBe('completed');
    expect(statusesIn(await server.prompt('describe_csv', {}, taskId))).toMatchObject({
      approve: 'completed',
      report: 'skipped',
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test('takes titles that leave columns out as a failed try, and the next ones as the step’s [WF-3 WF-5]', async () => {
    const server = await serve();
    const taskId = await named(server, described.slice(0, 2));

    const paused = await server.prompt('describe_csv', {}, taskId);
    await server.peer.call('name_columns', { of: COLUMNS, columns: described, _task_id: taskId });
    await answer(server, taskId, { action: 'accept', content: { approver: 'Ada' } });
    const ended = await server.settled(taskId);

    expect(paused['_meta']).toMatchObject({
      pause_reason: { type: 'toolError', failedStep: 'names', retryable: true, suggestedTool: 'name_columns' },
    });
    expect(JSON.stringify(paused['_meta'])).toContain('no title yet: population, latitude, longitude, note.');
    expect(ended['status']).toBe('completed');
  });

  test('pauses where the file is not there, with what the tool says of it [WF-3]', async () => {
    const server = await serve();

    const reply = await server.prompt('describe_csv', { file: 'none.csv' });

    expect(reply['_meta']).toMatchObject({
      task_status: 'working',
      pause_reason: { type: 'toolError', failedStep: 'profile', error: 'none.csv does not exist' },
    });
  });

  test('has reports for their owner alone, and no other files [SEC-3 WF-10]', async () => {
    const { writeReport, reports } = createReports(folder);
    await writeFile(join(folder, 'secret.md'), 'secret');
    const owner = { issuer: 'tests', subject: 'ada' };
    const call = { owner, signal: new AbortController().signal, logger: silentLogger };
    const { structuredContent } = (await writeReport.run({ file: 'a.csv', rows: 1, columns: described }, {
      ...call,
      related: undefined,
    } as unknown as CallContext)) as { structuredContent: { id: string } };
    const { id } = structuredContent;
    const read = (asked: string, who: Owner | undefined) =>
      reports.read(`column-report://${asked}`, { id: asked }, { ...call, owner: who });

    expect(await read(id, owner)).toContain('# a.csv');
    expect(await read(id, { ...owner, subject: 'bob' })).toBeUndefined();
    expect(await read(id, undefined)).toBeUndefined();
    expect(await read('../secret', owner)).toBeUndefined();
  });
});

describe('ship_release', () => {
  async function serve(check = createCheckTarget()): Promise<ExampleServer> {
    return started(
      new ExampleServer([check, approveDeploy], { workflows: [shipRelease], resources: [releasePolicies] }),
    );
  }

  const report = (server: ExampleServer, taskId: string) =>
    server.peer.call('task_report', { taskId, step: 'notes', result: { text: 'Faster.' } });

  test('checks each target, also one whose check fails twice, and waits for the notes [WF-2 WF-9 WF-11]', async () => {
    let calls = 0;
    const server = await serve(
      createCheckTarget(async () => {
        calls += 1;
        if (calls < 3) throw new Error('no answer');
        return { healthy: true };
      }),
    );

    const reply = await server.prompt('ship_release', { release: 'v1', targets: '["eu","us"]' });

    expect(calls).toBe(4);
    expect(statusesIn(reply)).toEqual({
      policy: 'completed',
      checks: 'completed',
      notes: 'pending',
      deploy: 'pending',
    });
    expect(textsOf(reply)).toContain('Deployments need an approval and a change window.');
    expect(textsOf(reply)).toContain('Step checks[1]: I call check_target with {"target":"us"}.');
  });

  test('asks a person for the release that the caller left out, then what the deployment asks [WF-11]', async () => {
    const server = await serve();
    const taskId = idOf(await server.prompt('ship_release', {}));

    await report(server, taskId);
    const question = await answer(server, taskId, { action: 'accept', content: { release: 'v7' } });
    const asked = await server.when(taskId, ({ inputRequests }) =>
      JSON.stringify(inputRequests ?? {}).includes('Approve'),
    );

    expect(question).toBe('Which release is to be shipped to production?');
    expect(JSON.stringify(asked['inputRequests'])).toContain('Approve the deployment of v7?');
  });

  test('does not deploy where the policy says so [WF-11 WF-6]', async () => {
    const server = await serve();
    const taskId = idOf(await server.prompt('ship_release', { release: 'v1', environment: 'preview' }));

    await report(server, taskId);
    const ended = await server.settled(taskId);

    expect(ended['status']).toBe('completed');
    expect(ended['result']).toMatchObject({
      structuredContent: { steps: [{}, {}, { output: { text: 'Faster.' } }, { name: 'deploy', status: 'skipped' }] },
    });
  });

  test('takes notes that are no notes for none [WF-3]', async () => {
    const server = await serve();
    const taskId = idOf(await server.prompt('ship_release', { release: 'v1' }));

    await server.peer.call('task_report', { taskId, step: 'notes', result: 'Faster.' });
    const paused = await server.prompt('ship_release', {}, taskId);

    expect(paused['_meta']).toMatchObject({ pause_reason: { type: 'toolError', failedStep: 'notes' } });
  });

  test('refuses an environment that is none, by its name [WF-1]', async () => {
    const server = await serve();

    await expect(server.prompt('ship_release', { environment: 'moon' })).rejects.toThrow('environment');
  });
});
