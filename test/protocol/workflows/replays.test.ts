/**
 * A workflow that is open while servers come and go: what is done stays done, whatever becomes of its tools, and what was cut
 * off is done again.
 */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { AnyTool, CallContext } from '../../../src/protocol/tool.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { defineResource } from '../../../src/workflow/resources.ts';
import type { Workflow } from '../../../src/workflow/workflow.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';
import { WorkflowSession } from '../../support/workflow-session.ts';
import { json, plain } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});
const WAIT_MS = 10_000;

/** A server, or the one that takes over from it. */
const serve = (workflows: readonly Workflow[], tools: readonly AnyTool[], before?: HeldServer, more = {}) =>
  new WorkflowSession(holdServer(tools, { workflows, ...more }, before));

/** Ends with two things that its client does. */
const thenTwice = (tool: string, version?: number) =>
  defineWorkflow({
    name: 'w',
    description: 'Does one thing.',
    ...(version === undefined ? {} : { version }),
    arguments: z.object({ count: z.number().optional() }),
    steps: (steps) =>
      steps
        .tool('one', ({ argument, variable }) => ({
          tool,
          arguments: { count: argument('count'), more: variable('more') },
        }))
        .client('two', () => ({ guidance: 'Look.' }))
        .client('three', () => ({ guidance: 'Rest.' })),
  });

describe('a server that shuts down while a workflow’s step is at work', () => {
  /** Waits the first time until it is told to stop; says it in words of its own, or in those it is told. */
  function interruptible(inOwnWords: boolean) {
    let calls = 0;
    let begin: (() => void) | undefined;
    const hasBegun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const work = async (signal: AbortSignal): Promise<number> => {
      calls += 1;
      if (calls > 1) return calls;
      begin?.();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(inOwnWords ? new Error('Stopped.') : signal.reason));
      });
    };
    return { work, hasBegun, calls: () => calls };
  }
  const plainly = ({ work }: ReturnType<typeof interruptible>) =>
    plain('slow', async (_args, { signal }) => json(await work(signal)));
  const admitting = ({ work }: ReturnType<typeof interruptible>) =>
    defineTaskTool({
      name: 'slow',
      description: 'Takes long to be admitted.',
      inputSchema: z.looseObject({}),
      admit: async (_args, { signal }: CallContext) => work(signal),
      run: async (_args, task) => json(task.admission),
    });

  test.each([
    ['its tool', plainly, false],
    ['its tool, which says in its own words that it was stopped', plainly, true],
    ['the admission of its task tool', admitting, true],
  ])('cuts %s off, and the next worker calls it again [WF-3 WF-10]', async (_what, toolOf, inOwnWords) => {
    const { work, hasBegun, calls } = interruptible(inOwnWords);
    const tools = [toolOf({ work, hasBegun, calls })];
    const first = serve([thenTwice('slow')], tools);
    const asking = first.get('w');
    await hasBegun;
    await first.held.server.drain();
    const { taskId, pause } = await asking;
    expect(pause).toMatchObject({ type: 'timeBudget', step: 'one' });

    const second = serve([thenTwice('slow')], tools, first.held);
    await second.run(taskId);
    expect(calls()).toBe(2);
    expect((await second.again('w', taskId)).statuses[0]).toBe('one: completed');
  });

  test('cuts a resource off, and the next worker reads it again [WF-3 WF-9]', async () => {
    const { work, hasBegun, calls } = interruptible(true);
    const resource = defineResource({
      name: 'slow',
      uri: 'slow://it',
      read: async (_uri, _variables, { signal }) => `read ${await work(signal)}`,
    });
    const workflow = defineWorkflow({
      name: 'w',
      description: 'Reads.',
      arguments: NOTHING,
      steps: (steps) =>
        steps.resources('one', () => ({ resources: ['slow://it'] })).client('two', () => ({ guidance: 'Rest.' })),
    });
    const first = serve([workflow], [], undefined, { resources: [resource] });
    const asking = first.get('w');
    await hasBegun;
    await first.held.server.drain();
    const { taskId } = await asking;

    const second = serve([workflow], [], first.held, { resources: [resource] });
    await second.run(taskId);
    expect(calls()).toBe(2);
    expect((await second.again('w', taskId)).statuses).toEqual(['one: completed', 'two: pending']);
  });
});

describe('versions that are deployed beside older ones', () => {
  const versioned = (version: number) =>
    defineTaskTool({
      name: 't',
      description: 'Takes a while.',
      version,
      inputSchema: z.looseObject({}),
      run: async (_args, task) => {
        await task.step(`begin as ${version}`, async () => version);
        await task.wait(`wait as ${version}`, { milliseconds: WAIT_MS });
        return json(await task.step(`end as ${version}`, async () => `version ${version}`));
      },
    });

  test.each([
    ['done', WAIT_MS],
    ['at work', 0],
  ])('leave an open workflow its version of a task tool that is %s [WF-1 EXEC-17]', async (_what, laterMs) => {
    const first = serve([thenTwice('t', 1)], [versioned(1)], undefined, { promptBudgetMs: 1_000 });
    const { taskId, pause } = await first.get('w');
    expect(pause).toMatchObject({ type: 'timeBudget', step: 'one' });
    await first.held.clock.advance(laterMs);
    await first.held.runDue();
    await first.held.server.drain();

    const second = serve([thenTwice('t', 1), thenTwice('t', 2)], [versioned(1), versioned(2)], first.held);
    await second.held.clock.advance(WAIT_MS);
    await second.run(taskId);
    const { taskId: newer } = await second.get('w');
    for (const id of [taskId, newer]) {
      await second.report(id, 'two', 2);
      await second.report(id, 'three', 3);
    }
    expect(await second.outputs(taskId)).toEqual(['version 1', 2, 3]);
    expect(await second.outputs(newer)).toEqual(['version 2', 2, 3]);
  });

  test('may have a tool that does not fit an older version; it must fit the newest [WF-1]', () => {
    const renamed = defineTaskTool({
      name: 't',
      description: 'Takes it by another name.',
      inputSchema: z.object({ amount: z.number().optional() }),
      run: async () => json(1),
    });
    const newest = defineWorkflow({
      name: 'w',
      version: 2,
      description: 'Does one thing.',
      arguments: z.object({ count: z.number().optional() }),
      steps: (steps) => steps.tool('one', ({ argument }) => ({ tool: 't', arguments: { amount: argument('count') } })),
    });

    expect(() => serve([thenTwice('t', 1), newest], [renamed])).not.toThrow();
    expect(() => serve([newest, thenTwice('t', 3)], [renamed])).toThrow('tool "t" has no argument "count"');
  });
});

describe('a step that is done', () => {
  const shape = { count: z.number(), more: z.number().optional() };
  const taking = (inputSchema: z.ZodObject) =>
    defineTaskTool({
      name: 't',
      description: 'Takes a count.',
      taskSupport: 'forbidden',
      inputSchema,
      run: async () => json('taken'),
    });
  const asTask = defineTaskTool({
    name: 't',
    description: 'Takes a count, as a task.',
    inputSchema: z.looseObject({}),
    run: async (_args, task) => json(await task.step('count', async () => 'taken')),
  });
  const without = defineWorkflow({
    name: 'w',
    version: 2,
    description: 'Does nothing.',
    arguments: NOTHING,
    steps: (steps) => steps.client('rest', () => ({ guidance: 'Rest.' })),
  });
  const older = thenTwice('t', 1);

  test.each<[string, readonly AnyTool[], readonly Workflow[]]>([
    ['takes less', [taking(z.object({ ...shape, count: z.number().max(100) }))], [older]],
    ['needs one argument more', [taking(z.object({ ...shape, more: z.number() }))], [older]],
    ['is gone', [], [older, without]],
    ['is a task', [asTask], [older]],
  ])('stays done though its tool %s now [WF-7 EXEC-17]', async (_what, tools, workflows) => {
    const first = serve([older], [taking(z.object(shape))]);
    const { taskId, statuses } = await first.get('w', { count: '200' });
    expect(statuses).toEqual(['one: completed', 'two: pending', 'three: pending']);
    await first.held.server.drain();

    const second = serve(workflows, tools, first.held);
    await second.report(taskId, 'two', 2);
    expect(await second.peer.task(taskId)).toMatchObject({
      status: 'working',
      statusMessage: '2 of 3 steps done; waits for step three: the client calls task_report.',
    });
    await second.report(taskId, 'three', 3);
    expect(await second.outputs(taskId)).toEqual(['taken', 2, 3]);
  });
});
