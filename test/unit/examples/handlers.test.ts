/** The other examples through a real server, with time in the test's hand. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { approveDeploy, createApproveDeploy, type DeployStep } from '../../../examples/approve-deploy.ts';
import { startTasks } from '../../../examples/embedded.ts';
import { diskTrend } from '../../../examples/readme-tool.ts';
import { remindMe } from '../../../examples/remind-me.ts';
import { createResearchTopic, researchNotes, researchTopic } from '../../../examples/research-topic.ts';
import tools from '../../../examples/tools.ts';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import { credentials, type JsonMap, McpPeer, RELATED_TASK_KEY } from '../../support/mcp-requests.ts';
import { until } from '../../support/until.ts';
import { ExampleServer } from './example-server.ts';

const servers: ExampleServer[] = [];

async function serve(...served: AnyTool[]): Promise<ExampleServer> {
  const server = await new ExampleServer(served).start();
  servers.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

test('tools.ts lists every example tool, and a server takes them [DX-2]', async () => {
  const server = await serve(...tools);

  const listed = (await server.peer.result('tools/list'))['tools'] as { name: string }[];

  expect(listed.map(({ name }) => name)).toEqual(tools.map(({ name }) => name));
  const examples = [approveDeploy, diskTrend, remindMe, researchNotes, researchTopic];
  expect(tools).toEqual(expect.arrayContaining(examples));
});

describe('remind_me', () => {
  test('gives its message back after the time, not before [EXEC-2]', async () => {
    const server = await serve(remindMe);
    const startedAt = server.clock.now();

    const result = await server.run('remind_me', { message: 'tea', minutes: 2, seconds: 30 });

    expect(result.content).toEqual([{ type: 'text', text: 'tea' }]);
    expect(server.clock.now() - startedAt).toBeGreaterThanOrEqual(150_000);
    expect(server.clock.now() - startedAt).toBeLessThan(160_000);
  });

  test.each([{ message: 'now' }, { message: 'late', minutes: 60 * 24 * 31 }])('refuses %j [DX-2]', async (args) => {
    const server = await serve(remindMe);

    const { message } = await server.peer.call('remind_me', args);

    expect(message?.result).toMatchObject({ isError: true });
  });
});

test('disk_trend, the tool of the README, looks twice with the wait between [EXEC-2 DX-2]', async () => {
  const server = await serve(diskTrend);
  const startedAt = server.clock.now();

  const result = await server.run('disk_trend', { minutes: 1 });

  expect(result.content[0]?.text).toMatch(/^-?\d+\.\d MB used up in 1 minutes$/);
  expect(server.clock.now() - startedAt).toBeGreaterThanOrEqual(60_000);
});

describe('approve_deploy', () => {
  /** Which key asks for what: keys are the runtime's. */
  function keysOf(task: JsonMap): { readonly approver: string; readonly window: string } {
    const requests = Object.entries(
      task['inputRequests'] as unknown as Record<string, { params: { message: string } }>,
    );
    const keyOf = (start: string) => requests.find(([, { params }]) => params.message.startsWith(start))?.[0] ?? '';
    return { approver: keyOf('Approve'), window: keyOf('In which') };
  }

  const accept = (content: JsonMap) => ({ action: 'accept', content });

  test('asks both questions at once, takes answers one by one, and deploys in spite of failures [EXEC-2 EXEC-3]', async () => {
    const attempts: [DeployStep, number][] = [];
    const flaky = createApproveDeploy({
      async run(step, release, { attempt }) {
        attempts.push([step, attempt]);
        if (step === 'upload' && attempt < 3) throw new Error('busy');
        return `${step} ${release}`;
      },
    });
    const server = await serve(flaky);
    const taskId = await server.peer.createTask('approve_deploy', { release: 'v1' });

    const asked = await server.settled(taskId);
    const keys = keysOf(asked);
    await server.peer.result('tasks/update', {
      taskId,
      inputResponses: { [keys.window]: accept({ window: 'in a minute' }) },
    });
    const half = await server.settled(taskId);
    await server.peer.result('tasks/update', {
      taskId,
      inputResponses: { [keys.approver]: accept({ approver: 'Ada' }) },
    });
    const ended = await server.settled(taskId);

    expect(Object.keys(asked['inputRequests'] as object)).toHaveLength(2);
    expect(Object.keys(half['inputRequests'] as object)).toEqual([keys.approver]);
    expect(ended).toMatchObject({
      status: 'completed',
      result: {
        structuredContent: {
          deployed: true,
          approver: 'Ada',
          window: 'in a minute',
          log: ['upload v1', 'switch v1', 'verify v1'],
        },
      },
    });
    expect(attempts).toEqual([
      ['upload', 1],
      ['upload', 2],
      ['upload', 3],
      ['switch', 1],
      ['verify', 1],
    ]);
  });

  test.each(['decline', 'cancel'])(
    'one %s is enough for a clean result that nothing was deployed [EXEC-3]',
    async (action) => {
      const server = await serve(approveDeploy);
      const taskId = await server.peer.createTask('approve_deploy', { release: 'v1' });
      const { approver } = keysOf(await server.settled(taskId));

      await server.peer.result('tasks/update', { taskId, inputResponses: { [approver]: { action } } });
      const ended = await server.when(taskId, ({ status }) => status === 'completed');

      expect(ended['result']).toMatchObject({ structuredContent: { deployed: false, log: [] } });
      expect(JSON.stringify(ended['result'])).toContain(
        `v1 was not deployed: the question for the approver was answered with ${action}`,
      );
      expect(ended['result']).not.toHaveProperty('isError');
    },
  );

  test('an answer that is not one of the windows is refused and the question stays [MOD-4]', async () => {
    const server = await serve(approveDeploy);
    const taskId = await server.peer.createTask('approve_deploy', { release: 'v1' });
    const { window } = keysOf(await server.settled(taskId));

    const { message } = await server.peer.ask('tasks/update', {
      taskId,
      inputResponses: { [window]: accept({ window: 'never' }) },
    });
    const task = await server.settled(taskId);

    expect(message?.error?.message).toContain(window);
    expect(Object.keys(task['inputRequests'] as object)).toContain(window);
  });

  test('a target that never recovers is a tool error after five attempts [EXEC-2]', async () => {
    let calls = 0;
    const server = await serve(
      createApproveDeploy({
        async run() {
          calls += 1;
          throw new Error('the target is gone');
        },
      }),
    );
    const taskId = await server.peer.createTask('approve_deploy', { release: 'v1' });
    const { approver, window } = keysOf(await server.settled(taskId));

    await server.peer.result('tasks/update', {
      taskId,
      inputResponses: { [approver]: accept({ approver: 'Ada' }), [window]: accept({ window: 'now' }) },
    });
    const ended = await server.settled(taskId);

    expect(ended).toMatchObject({ status: 'completed', result: { isError: true } });
    expect(JSON.stringify(ended['result'])).toContain('the target is gone');
    expect(calls).toBe(5);
  });
});

describe('research_topic and research_notes', () => {
  test('findings of all questions are in the result, and in variables that a bound call reads [EXEC-2 LIFE-6]', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'research-'));
    await writeFile(join(folder, 'a.md'), '# Leases\n\nA lease ends after thirty seconds.\n\nOther text.');
    await writeFile(join(folder, 'b.md'), 'Who holds a lease? The runner does.');
    const server = await serve(createResearchTopic(folder), researchNotes);

    const taskId = await server.peer.createTask('research_topic', {
      topic: 'lease',
      questions: ['seconds', 'runner', 'zebra'],
    });
    const ended = await server.settled(taskId);
    const notes = await server.peer.call('research_notes', {}, { meta: { [RELATED_TASK_KEY]: { taskId } } });
    await rm(folder, { recursive: true });

    expect(JSON.stringify(ended['result'])).toContain('runner: Who holds a lease? The runner does. (b.md)');
    expect(notes.message?.result?.['structuredContent']).toEqual({
      topic: 'lease',
      questions: ['seconds', 'runner', 'zebra'],
      'finding-1': { question: 'seconds', source: 'a.md', text: 'A lease ends after thirty seconds.' },
      'finding-2': { question: 'runner', source: 'b.md', text: 'Who holds a lease? The runner does.' },
      'finding-3': { question: 'zebra', source: 'a.md', text: '# Leases' },
    });
  });

  test('notes of no task are a tool error that says how to bind the call [DX-2]', async () => {
    const server = await serve(researchNotes);

    const { message } = await server.peer.call('research_notes');

    expect(message?.result).toMatchObject({ isError: true });
    expect(JSON.stringify(message?.result)).toContain('related-task');
  });
});

test('the embedded server of the guide runs the examples for callers with credentials, and refuses others [DX-2 SEC-1]', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'));
  const server = await startTasks(join(folder, 'tasks.sqlite'));
  const peer = new McpPeer(server.fetch, credentials('somebody'));

  const taskId = await peer.createTask('profile_csv', { file: 'malformed.csv' });
  const stranger = await new McpPeer(server.fetch).call('profile_csv', { file: 'cities.csv' });
  await until('the end', async () => (await peer.task(taskId))['status'] === 'completed');
  await server.drain();
  await rm(folder, { recursive: true });

  expect(stranger.message?.error?.message).toBe('Tasks need an authenticated caller.');
});
