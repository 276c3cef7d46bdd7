/** What is too large, too deep or too odd to be kept ends no workflow, and loses nothing that was reported to it. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import type { TaskServerOptions } from '../../../src/server/create-task-server.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import type { Workflow } from '../../../src/workflow/workflow.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});
const MIB = 1024 * 1024;

const go = plain('go', async () => json('gone'));
const begin = (workflow: Workflow, tools: readonly AnyTool[] = [], options: Partial<TaskServerOptions> = {}) =>
  new WorkflowSession(holdServer([go, ...tools], { workflows: [workflow], ...options }));

/** Ends with something that its client does. */
const thenRest = (tool: string) =>
  defineWorkflow({
    name: 'w',
    description: 'Does one thing.',
    arguments: NOTHING,
    steps: (steps) => steps.tool('one', () => ({ tool })).client('rest', () => ({ guidance: 'Rest.' })),
  });

/** The workflow is at work, and its client's last step ends it. */
async function goesOn(session: WorkflowSession, taskId: string, step = 'rest') {
  expect(await session.peer.task(taskId)).toMatchObject({ status: 'working' });
  await session.report(taskId, step, 'rested');
  expect(await session.peer.task(taskId)).toMatchObject({ status: 'completed', result: { structuredContent: {} } });
  return session.outputs(taskId);
}

describe('what does not fit a task’s variables ends no workflow:', () => {
  test('a prompt argument over 65,536 characters [WF-2]', async () => {
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Reads text.',
      goal: 'Read {argument.csv}',
      arguments: z.object({ csv: z.string() }),
      steps: (steps) =>
        steps
          .tool('one', ({ argument }) => ({ tool: 'go', arguments: { csv: argument('csv') } }))
          .client('rest', () => ({ guidance: 'Rest.' })),
    });
    const session = begin(workflow);
    const { taskId, statuses } = await session.get('w', { csv: 'x'.repeat(70_000) });

    expect(statuses).toEqual(['one: completed', 'rest: pending']);
    expect(await goesOn(session, taskId)).toEqual(['gone', 'rested']);
  });

  test('arguments that do not fit their tool in 2,000 places [WF-3]', async () => {
    const texts = plain('texts', async () => json(Array.from({ length: 2_000 }, () => 'x')));
    const numbers = defineTaskTool({
      name: 'numbers',
      description: 'Takes numbers.',
      taskSupport: 'forbidden',
      inputSchema: z.object({ values: z.array(z.number()) }),
      run: async () => json('taken'),
    });
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Takes numbers.',
      arguments: NOTHING,
      steps: (steps) =>
        steps
          .tool('texts', () => ({ tool: 'texts' }))
          .tool('numbers', ({ output }) => ({ tool: 'numbers', arguments: { values: output('texts') } })),
    });
    const session = begin(workflow, [texts, numbers]);
    const { taskId, pause } = await session.get('w');

    expect(pause).toMatchObject({ type: 'schemaMismatch', blockedStep: 'numbers' });
    expect((pause as { problem: string }).problem.length).toBeLessThanOrEqual(1_000);
    await goesOn(session, taskId, 'numbers');
  });

  test('a computed value whose function throws a long message [WF-3]', async () => {
    const need = defineTaskTool({
      name: 'need',
      description: 'Needs a text.',
      taskSupport: 'forbidden',
      inputSchema: z.object({ text: z.string() }),
      run: async () => json('had'),
    });
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Computes.',
      arguments: NOTHING,
      steps: (steps) =>
        steps.tool('need', ({ computed, constant }) => ({
          tool: 'need',
          arguments: {
            text: computed({ of: constant(1) }, () => {
              throw new Error('w'.repeat(100_000));
            }),
          },
        })),
    });
    const session = begin(workflow, [need]);
    const { taskId, pause } = await session.get('w');

    expect(pause).toMatchObject({ type: 'unresolvableParams', missingParam: 'text' });
    await goesOn(session, taskId, 'need');
  });

  test.each([
    ['that is no step’s', 'other', false],
    ['of 70,000 characters', 's'.repeat(70_000), true],
    ['that is no Unicode', '\ud800', true],
  ])('a report with a name %s [WF-5]', async (_what, step, isError) => {
    const session = begin(thenRest('go'));
    const { taskId } = await session.get('w');
    const said = await session.report(taskId, step, 1);

    expect(said['isError'] ?? false).toBe(isError);
    const { block } = await session.again('w', taskId);
    expect(block['aside']).toEqual(isError ? undefined : [{ tool: 'other', why: 'there is no such step' }]);
    expect(await goesOn(session, taskId)).toEqual(['gone', 'rested']);
  });

  test('the lists of five steps, of 1,000 items each [WF-11]', async () => {
    const items = Array.from({ length: 1_000 }, (_, at) => `${at} ${'n'.repeat(60)}`);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const workflow: Workflow = {
      name: 'w',
      description: 'Goes.',
      arguments: NOTHING,
      steps: [
        { name: 'one', kind: 'manual', by: 'client', guidance: 'Begin.' },
        ...names.map((name) => ({
          name,
          kind: 'tool' as const,
          by: 'client' as const,
          tool: 'go',
          arguments: {},
          forEach: { from: 'constant' as const, value: items },
        })),
      ],
    };
    const session = begin(workflow);
    const { taskId } = await session.get('w');
    // Each makes its step's list known.
    for (const name of names) await session.report(taskId, name, name);
    await session.report(taskId, 'one', 1);

    const { statuses, block } = await session.again('w', taskId);
    expect(statuses).toEqual(['one: completed', ...names.map((name) => `${name}: pending`)]);
    expect((block['remaining'] as { step: string }[])[0]?.step).toBe('a[1]');
    expect(await session.peer.task(taskId)).toMatchObject({ status: 'working' });
    expect(JSON.stringify((await session.allVariables(taskId))['_workflow.state']).length).toBeLessThan(1_000);
  });

  /** Leaves not 20 characters free. */
  const fill = plain('fill', async (_args, { related }) => {
    for (let size = 65_000, nth = 0; size > 20; nth += 1)
      await related?.variables.set(`v${nth}`, 'x'.repeat(size)).catch(() => {
        size = Math.floor(size / 2);
      });
    return json('filled');
  });

  test('variables of its tools that leave no room for its own [WF-2 WF-5 LIFE-6]', async () => {
    const session = begin(thenRest('fill'), [fill]);
    const { taskId, statuses } = await session.get('w');

    expect(statuses).toEqual(['one: completed', 'rest: pending']);
    expect(await goesOn(session, taskId)).toEqual(['filled', 'rested']);
  });

  test('variables of its client’s tools that leave no room for reports [WF-5 LIFE-6]', async () => {
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Fills.',
      arguments: NOTHING,
      steps: (steps) =>
        steps
          .client('fill', () => ({ tool: 'fill' }))
          .client('go', () => ({ tool: 'go' }))
          .client('rest', () => ({ guidance: 'Rest.' })),
    });
    const session = begin(workflow, [fill]);
    const { taskId } = await session.get('w');
    await session.call('fill', {}, taskId);
    await session.call('go', {}, taskId);

    expect((await session.again('w', taskId)).statuses).toEqual(['fill: completed', 'go: completed', 'rest: pending']);
    expect(await goesOn(session, taskId)).toEqual(['filled', 'gone', 'rested']);
  });
});

describe('a result that cannot be recorded', () => {
  const nested = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
  const odd = plain('odd', async ({ how }: never) => {
    if (how === 'good') return json('good');
    if (how === 'prototype') return { content: [], structuredContent: JSON.parse('{"__proto__":{"a":1}}') };
    if (how === 'deep') return { content: [], structuredContent: { deep: nested(500) } };
    return { content: [{ type: 'text', text: 'y'.repeat(5 * MIB - 10_000) }] };
  });

  test.each([
    ['with a prototype’s key', 'prototype'],
    ['500 levels deep', 'deep'],
    ['of nearly 5 MiB', 'large'],
  ])('%s, of a client’s call, leaves its step open and says why [WF-5]', async (_what, how) => {
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Is odd.',
      arguments: NOTHING,
      steps: (steps) => steps.client('odd', () => ({ tool: 'odd' })).client('rest', () => ({ guidance: 'Rest.' })),
    });
    const session = begin(workflow, [odd]);
    const { taskId } = await session.get('w');
    await session.call('odd', { how }, taskId);

    expect((await session.again('w', taskId)).pause).toMatchObject({
      type: 'toolError',
      failedStep: 'odd',
      error: expect.stringContaining('The result cannot be recorded: '),
      retryable: true,
    });
    await session.call('odd', { how: 'good' }, taskId);
    expect(await goesOn(session, taskId)).toEqual(['good', 'rested']);
  });

  test.each([
    ['of 6 MiB', () => ({ content: [{ type: 'text' as const, text: 'y'.repeat(6 * MIB) }] })],
    ['with a prototype’s key', () => ({ content: [], structuredContent: JSON.parse('{"__proto__":{"a":1}}') })],
    ['500 levels deep', () => ({ content: [], structuredContent: { deep: nested(500) } })],
  ])('%s, of the server’s call, fails its step once [WF-3]', async (_what, result) => {
    let calls = 0;
    const big = plain('big', async () => {
      calls += 1;
      return result();
    });
    const session = begin(thenRest('big'), [big]);
    const { taskId, pause } = await session.get('w');

    expect(pause).toMatchObject({ type: 'toolError', failedStep: 'one', retryable: false });
    await session.again('w', taskId);
    expect(calls).toBe(1);
    await session.report(taskId, 'one', 'by hand');
    expect(await goesOn(session, taskId)).toEqual(['by hand', 'rested']);
  });
});

test('a tool that throws within a workflow is logged as elsewhere [WF-10]', async () => {
  const warned: [string, unknown][] = [];
  const logger = {
    debug() {},
    info() {},
    warn: (message: string, fields?: unknown) => void warned.push([message, fields]),
    error() {},
  };
  const broken = plain('broken', async () => {
    throw new TypeError('The wheel is off.');
  });
  const session = begin(thenRest('broken'), [broken], { logger });
  await session.get('w');
  await session.peer.call('broken');

  const threw = warned.filter(([message]) => message === 'The tool threw');
  expect(threw).toHaveLength(2);
  for (const [, fields] of threw)
    expect(fields).toMatchObject({ tool: 'broken', error: 'TypeError', message: 'The wheel is off.' });
});
