/** What calls that are bound to a workflow read and write of its task's variables. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { RelatedTask } from '../../../src/runtime/running/task-context.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineVariables } from '../../../src/workflow/typed-variables.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { WorkflowSession } from '../../support/workflow-session.ts';
import { json, note, profile, profileTools } from '../../support/workflow-tools.ts';

const OPTIONS = { workflows: [profile], resources: [note] };

describe('the variables of the task', () => {
  const variablesTool = (use: (variables: RelatedTask['variables']) => Promise<unknown>) =>
    defineTaskTool({
      name: 'use',
      description: 'Uses them.',
      taskSupport: 'forbidden',
      inputSchema: z.object({}),
      run: async (_args, { related }) => {
        if (related === undefined) return json('no task');
        return json((await use(related.variables)) ?? null);
      },
    });
  const using = async (use: (variables: RelatedTask['variables']) => Promise<unknown>) => {
    const session = new WorkflowSession(holdServer([...profileTools, variablesTool(use)], OPTIONS));
    const { taskId } = await session.get('profile', { file: 'a.csv' });
    const result = await session.call('use', {}, taskId);
    return { result, kept: await session.allVariables(taskId) };
  };

  test('are read and written by calls that are bound to it [LIFE-6]', async () => {
    const { result, kept } = await using(async (variables) => {
      await variables.set('a', 1);
      await variables.merge({ b: { c: 2 }, d: 3 });
      await variables.delete('d');
      const { workflow, a, b, seen } = await variables.all();
      return [{ a, b, seen }, await variables.get('a'), (await variables.get('d')) ?? 'gone', typeof workflow];
    });

    expect(result).toMatchObject(json([{ a: 1, b: { c: 2 }, seen: 2 }, 1, 'gone', 'object']));
    expect(kept).toMatchObject({ a: 1, b: { c: 2 } });
  });

  test('show nothing internal to calls, and take nothing internal from them [LIFE-6]', async () => {
    const { result } = await using(async (variables) => {
      const refused = await Promise.allSettled([
        variables.set('_workflow.state', {}),
        variables.merge({ fine: 1, _mine: 1 }),
        variables.delete('_workflow.inbox'),
      ]);
      const names = Object.keys(await variables.all()).sort();
      return [refused.map((one) => one.status), names, (await variables.get('_workflow.state')) ?? 'hidden'];
    });

    expect(result).toMatchObject(json([['rejected', 'rejected', 'rejected'], ['seen', 'workflow'], 'hidden']));
  });

  test('have the types of a schema where one is given, and what does not fit is refused [LIFE-6]', async () => {
    const typed = defineVariables(z.object({ rows: z.number().optional(), seen: z.number() }));
    const { result } = await using(async (plain) => {
      const variables = typed.of(plain);
      await variables.set('rows', 3);
      const refused = await Promise.allSettled([
        // @ts-expect-error: rows are a number
        variables.set('rows', 'three'),
        // @ts-expect-error: there is no such variable
        variables.get('none'),
      ]);
      const rows: number | undefined = await variables.get('rows');
      return [rows, await variables.all(), refused.map(({ status }) => status)];
    });

    expect(result).toMatchObject(json([3, { rows: 3, seen: 2 }, ['rejected', 'fulfilled']]));
  });

  test('rejects all of them where what is there does not fit [LIFE-6]', async () => {
    const typed = defineVariables(z.object({ seen: z.string() }));
    const { result } = await using((plain) => typed.of(plain).all());

    expect(result).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('The variables do not fit their schema: seen: ') }],
    });
  });
});
