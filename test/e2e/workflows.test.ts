/** Workflows as users of the official client see them, in both eras, on every backend: from the prompt to the task's end. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { type LocalServer, silentLogger, startLocalServer, systemClock } from '../../src/index.ts';
import { backends, type OpenEngine } from '../contract/backends.ts';
import { connectWorkflowClient, ERAS, type WorkflowClient } from '../support/workflow-client.ts';
import tools, { resources, workflows } from '../support/workflow-fixtures.ts';

const NAMED = { names: ['x', 'y'] };

/** Of each driver one: how a store spreads its records over machines makes no difference here. */
const oneOfEach = backends.filter(({ variant }) => variant === undefined);

describe.each(oneOfEach)('workflows on $driver', ({ open }) => {
  let engine: OpenEngine;
  const stores: Awaited<ReturnType<OpenEngine['create']>>[number][] = [];
  /** Two, on the same data. */
  const servers: LocalServer[] = [];
  const clients: WorkflowClient[] = [];

  beforeAll(async () => {
    engine = await open();
    stores.push(...(await engine.create(systemClock, 2)));
    for (const backend of stores) {
      servers.push(
        await startLocalServer({
          logger: silentLogger,
          name: 'workflows',
          version: '1',
          tools,
          workflows,
          resources,
          backend,
          port: 0,
          allowAnonymous: true,
        }),
      );
    }
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client[Symbol.asyncDispose]();
  });

  afterAll(async () => {
    for (const server of servers) await server.close();
    for (const backend of new Set(stores)) await backend.close();
    await engine.dispose();
  });

  describe.each(ERAS)('with the official client of %s', (era) => {
    async function connect(to = 0): Promise<WorkflowClient> {
      const client = await connectWorkflowClient(servers[to]?.url ?? '', era);
      clients.push(client);
      return client;
    }

    test('one that needs no help is done when its prompt answers [WF-2 WF-6 WF-9]', async () => {
      const client = await connect();

      const reply = await client.prompt('survey', { file: 'x.csv' });

      expect(reply.status).toBe('completed');
      expect(reply.steps).toEqual({
        measured: 'completed',
        rules: 'completed',
        shouted: 'completed',
        written: 'completed',
      });
      expect(reply.pause).toBeUndefined();
      expect(reply.text).toContain('Every step is done.');
      expect(reply.messages).toContainEqual({
        role: 'user',
        content: { type: 'resource', resource: expect.objectContaining({ text: 'Short names.' }) },
      });
      const task = await client.task(reply.taskId);
      expect(task).toMatchObject({ status: 'completed' });
      expect(await client.result(reply.taskId)).toMatchObject({
        structuredContent: {
          goal: 'Surveys a file, without any help.',
          steps: [
            { name: 'measured', tool: 'measure', status: 'completed', output: { columns: ['a', 'b'], file: 'x.csv' } },
            { name: 'rules', status: 'completed' },
            { name: 'shouted', tool: 'shout', status: 'completed', output: ['A', 'B'] },
            { name: 'written', tool: 'write_report', status: 'completed', output: { report: { words: ['A', 'B'] } } },
          ],
        },
      });
    });

    test('one with a step for the client pauses there, and ends with a summary once the client has called the tool [WF-3 WF-4 WF-5 WF-6 LIFE-6]', async () => {
      const client = await connect();

      const reply = await client.prompt('profile', { file: 'x.csv', rows: '5' });
      expect(reply.status).toBe('working');
      expect(reply.pause).toEqual({ type: 'clientStep', step: 'named', suggestedTool: 'name_columns' });
      expect(reply.steps).toEqual({
        measured: 'completed',
        shouted: 'completed',
        named: 'pending',
        written: 'pending',
      });
      expect(reply.block).toMatchObject({
        taskId: reply.taskId,
        remaining: [
          {
            step: 'named',
            tool: 'name_columns',
            by: 'client',
            arguments: { columns: ['A', 'B'] },
            unresolved: [{ argument: 'names', why: 'it is yours to say' }],
          },
          { step: 'written', tool: 'write_report', by: 'server' },
        ],
      });
      expect(reply.text).toContain('Find a name for each of ["A","B"].');
      const paused = await client.task(reply.taskId);
      expect([paused['status'], paused['statusMessage']]).toEqual([
        'working',
        '2 of 4 steps done; waits for step named: the client calls name_columns.',
      ]);

      expect(await client.call('name_columns', NAMED, reply.taskId)).toEqual(NAMED);

      expect(await client.result(reply.taskId)).toMatchObject({
        structuredContent: {
          goal: 'Profile x.csv.',
          steps: [
            { name: 'measured', output: { rows: 5 } },
            { name: 'shouted' },
            { name: 'named', status: 'completed', output: NAMED },
            { name: 'written', output: { report: { ...NAMED, shouted: 2, namedBy: 'the client' } } },
          ],
        },
      });
    });

    test('its prompt, asked for again, says where it stands [WF-7]', async () => {
      const client = await connect();
      const first = await client.prompt('profile', { file: 'x.csv' });

      const again = await client.prompt('profile', {}, first.taskId);
      await client.call('name_columns', NAMED, first.taskId);
      const after = await client.prompt('profile', {}, first.taskId);

      expect(again).toMatchObject({ taskId: first.taskId, status: 'working', steps: first.steps, pause: first.pause });
      expect(after).toMatchObject({ taskId: first.taskId, status: 'completed', steps: { written: 'completed' } });
    });

    test('one that asks a person goes on with the answers, of its own form and of a tool that it runs [WF-3 WF-11 EXEC-3]', async () => {
      const client = await connect();

      const reply = await client.prompt('approval', { file: 'x.csv' });
      expect(reply).toMatchObject({ status: 'input_required', pause: { type: 'needsInput', step: 'measured' } });

      const result = await client.result(reply.taskId, { 'Who signs x.csv?': { file: 'Ada' } });
      expect(result).toMatchObject({
        structuredContent: { steps: [{}, {}, { output: { report: { signer: 'Ada', said: 'accept' } } }] },
      });
    });

    test('the client completes one with a result of its own [WF-6]', async () => {
      const client = await connect();
      const { taskId } = await client.prompt('profile', { file: 'x.csv' });

      if (era === '2026-07-28')
        await client.client.callTool({ name: 'task_complete', arguments: { taskId, result: { enough: true } } });
      else
        await client.client.request(
          { method: 'tasks/cancel', params: { taskId, result: { enough: true } } },
          z.looseObject({}),
        );

      expect(await client.task(taskId)).toMatchObject({ status: 'completed' });
      expect(await client.result(taskId)).toMatchObject({ structuredContent: { enough: true } });
      const after = await client.prompt('profile', {}, taskId);
      expect(after).toMatchObject({ status: 'completed', steps: { named: 'pending' } });
    });

    test('one that another instance has begun goes on here [WF-5 WF-7 LIFE-6]', async () => {
      const [here, there] = [await connect(0), await connect(1)];
      const { taskId, steps } = await here.prompt('profile', { file: 'x.csv' });

      expect(await there.prompt('profile', {}, taskId)).toMatchObject({ taskId, steps });
      await there.call('name_columns', NAMED, taskId);

      const result = await there.result(taskId);
      expect(result).toMatchObject({
        structuredContent: { steps: [{}, {}, { output: NAMED }, { status: 'completed' }] },
      });
      expect(await here.result(taskId)).toMatchObject({ structuredContent: result['structuredContent'] });
    });

    test('two calls for it at once, at two instances, one of which becomes a task, both count [WF-5]', async () => {
      const [here, there] = [await connect(0), await connect(1)];
      for (let round = 0; round < 5; round += 1) {
        const { taskId } = await here.prompt('pair');

        await Promise.all([
          here.call('name_columns', NAMED, taskId),
          there.call('describe_columns', { description: 'letters' }, taskId),
        ]);

        expect(await here.result(taskId)).toMatchObject({
          structuredContent: {
            steps: [
              { output: NAMED },
              { output: { description: 'letters' } },
              { output: { report: { ...NAMED, description: 'letters' } } },
            ],
          },
        });
      }
    });
  });
});
