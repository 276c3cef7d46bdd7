/** What clients do for a workflow outside of its prompt: which step gets it, what is kept aside, and that no call fails by it. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { BackendError } from '../../../src/backends/errors.ts';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { countingBackend } from '../../support/counting-backend.ts';
import { LegacyClient } from '../../support/legacy-client.ts';
import { credentials, type JsonMap } from '../../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';
import { boundTo, WorkflowSession } from '../../support/workflow-session.ts';
import { failing, json } from '../../support/workflow-tools.ts';

const NOTHING = z.object({});

const put = defineTaskTool({
  name: 'put',
  description: 'Puts something somewhere; fails on request.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ what: z.string(), fails: z.boolean().optional() }),
  run: async ({ what, fails }) => (fails === true ? failing(`${what} fell down`) : json({ put: what })),
});

const haul = defineTaskTool({
  name: 'haul',
  description: 'The same, as a task.',
  inputSchema: z.object({ what: z.string() }),
  run: async ({ what }, task) => {
    await task.wait('drive', { seconds: 1 });
    if (what === 'lead') throw new Error('Too heavy.');
    return json({ hauled: what });
  },
});

const see = defineTaskTool({
  name: 'see',
  description: 'Sees what was put.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ put: z.string() }),
  run: async (args) => json({ seen: args.put }),
});

const move = defineWorkflow({
  name: 'move',
  description: 'Moves things.',
  arguments: NOTHING,
  steps: (steps) =>
    steps
      .client('one', ({ constant }) => ({ tool: 'put', arguments: { what: constant('box') } }))
      .client('two', ({ constant }) => ({ tool: 'put', arguments: { what: constant('bag') } }))
      .tool('look', ({ output }) => ({ tool: 'see', arguments: { put: output('one', 'put') } }))
      .client('load', ({ constant }) => ({ tool: 'haul', arguments: { what: constant('box') } })),
});

/** Ends with something that is the client's. */
const single = defineWorkflow({
  name: 'single',
  description: 'Moves one thing.',
  arguments: NOTHING,
  steps: (steps) =>
    steps
      .client('one', ({ constant }) => ({ tool: 'put', arguments: { what: constant('box') } }))
      .tool('two', ({ output }) => ({ tool: 'see', arguments: { put: output('one', 'put') } }))
      .client('three', () => ({ guidance: 'Rest.' })),
});
const PUT_BOX = { content: [{ type: 'text', text: '{"put":"box"}' }] };

let held: HeldServer;
let session: WorkflowSession;
let taskId: string;

beforeEach(async () => {
  held = holdServer([put, haul, see], { workflows: [move] });
  session = new WorkflowSession(held);
  ({ taskId } = await session.get('move'));
});

const status = async () => (await held.peer.task(taskId))['status'];
const doneIn = (block: JsonMap) =>
  (block['done'] as { step: string; output: unknown }[]).map(({ step, output }) => [step, output]);

describe('a call that carries the task’s id', () => {
  test.each([
    ['as its related task', (id: string) => ({ meta: boundTo(id).meta }), () => ({})],
    ['as _task_id in its _meta', (id: string) => ({ meta: { _task_id: id } }), () => ({})],
    ['as the argument _task_id', () => ({}), (id: string) => ({ _task_id: id })],
  ])('%s is recorded as the step of its tool [WF-5]', async (_how, changes, args) => {
    await held.peer.call('put', { what: 'box', ...args(taskId) }, changes(taskId));
    const { block, statuses } = await session.again('move', taskId);

    expect(statuses).toEqual(['one: completed', 'two: pending', 'look: pending', 'load: pending']);
    expect(doneIn(block)).toEqual([['one', { put: 'box' }]]);
  });

  test('goes to the first open step of its tool, in order [WF-5]', async () => {
    await session.call('put', { what: 'box' }, taskId);
    await session.call('put', { what: 'bag' }, taskId);
    const { block } = await session.again('move', taskId);

    expect(doneIn(block)).toEqual([
      ['one', { put: 'box' }],
      ['two', { put: 'bag' }],
      ['look', { seen: 'box' }],
    ]);
  });

  test('of a later step counts before the steps before it are done [WF-5]', async () => {
    await session.call('haul', { what: 'box' }, taskId);
    await held.clock.advance(60_000);
    await held.runDue();
    const { statuses } = await session.again('move', taskId);

    expect(statuses).toEqual(['one: pending', 'two: pending', 'look: pending', 'load: completed']);
  });

  test('with other arguments than the workflow has is recorded as such [WF-5]', async () => {
    await session.call('put', { what: 'crate' }, taskId);
    await session.call('put', { what: 'bag' }, taskId);
    const { words } = await session.again('move', taskId);

    expect(words).toContain('The client did this, with other arguments than the workflow has. Result:');
    expect(words).toContain('Step one: I call put with {"what":"crate"}.');
    expect(words).toContain('The client did this. Result:');
  });

  test('that fails makes its step fail, until one does not [WF-3 WF-5]', async () => {
    await session.call('put', { what: 'box', fails: true }, taskId);
    const failed = await session.again('move', taskId);
    expect(failed.statuses[0]).toBe('one: failed');
    expect(failed.pause).toMatchObject({
      type: 'toolError',
      failedStep: 'one',
      error: 'box fell down',
      retryable: true,
    });

    await session.call('put', { what: 'box' }, taskId);
    expect((await session.again('move', taskId)).statuses[0]).toBe('one: completed');
  });

  test('that the tool’s schema refuses is no step [WF-5]', async () => {
    const { message } = await session.meanwhile(held.peer.call('put', { what: 7 }, boundTo(taskId)));
    expect(message?.result).toMatchObject({ isError: true });
    await held.runDue();

    expect((await session.again('move', taskId)).statuses[0]).toBe('one: pending');
  });

  test('of a step that was done replaces its result until a later step has used it [WF-5]', async () => {
    for (const what of ['box', 'bag', 'late', 'later']) await session.call('put', { what }, taskId);
    await session.call('see', { put: 'x' }, taskId);
    const { block } = await session.again('move', taskId);

    // `one` was used by `look`; nothing uses `two` and `look`.
    expect(doneIn(block)).toEqual([
      ['one', { put: 'box' }],
      ['two', { put: 'later' }],
      ['look', { seen: 'x' }],
    ]);
  });

  test('is kept aside, and shown, where it is of no step, or of one that was used [WF-5]', async () => {
    held = holdServer([put, see, haul], { workflows: [single] });
    session = new WorkflowSession(held);
    ({ taskId } = await session.get('single'));
    await held.peer.createTask('haul', { what: 'x' }, boundTo(taskId));
    await held.runDue();
    await held.clock.advance(1_000);
    await held.runDue();
    await session.call('see', { put: 'x' }, taskId);
    for (const what of ['box', 'late']) await session.call('put', { what }, taskId);
    const { block } = await session.again('single', taskId);

    expect(doneIn(block)).toEqual([
      ['one', { put: 'box' }],
      ['two', { seen: 'x' }],
    ]);
    expect(block['aside']).toEqual([
      { tool: 'haul', why: 'no step has this tool' },
      { tool: 'put', why: 'every step with this tool is done, and later steps have used it' },
    ]);
    expect(await session.allVariables(taskId)).toMatchObject({
      '_workflow.extra.haul': { why: 'no step has this tool' },
      '_workflow.extra.put': { why: expect.any(String) },
    });
  });

  test('is answered as it would be without, of a task that has ended too [WF-5]', async () => {
    await held.peer.result('tasks/cancel', { taskId });
    await held.runDue();

    expect(await session.call('put', { what: 'box' }, taskId)).toMatchObject(json({ put: 'box' }));
  });

  test('and is a task itself is recorded when that ends [WF-5]', async () => {
    const id = await held.peer.createTask('haul', { what: 'box' }, boundTo(taskId));
    await held.runDue();
    expect((await session.allVariables(taskId))['_workflow.result.load']).toBeUndefined();
    await held.clock.advance(1_000);
    await held.runDue();

    expect(await held.peer.task(id)).toMatchObject({ status: 'completed' });
    expect((await session.again('move', taskId)).statuses[3]).toBe('load: completed');
  });

  test('and is a task that fails is recorded as failed, one that is cancelled not at all [WF-5]', async () => {
    const cancelled = await held.peer.createTask('haul', { what: 'box' }, boundTo(taskId));
    await held.runDue();
    await held.peer.result('tasks/cancel', { taskId: cancelled });
    await held.runDue();
    expect((await session.again('move', taskId)).statuses[3]).toBe('load: pending');

    await held.peer.createTask('haul', { what: 'lead' }, boundTo(taskId));
    await held.runDue();
    await held.clock.advance(1_000);
    await held.runDue();
    expect((await session.again('move', taskId)).statuses[3]).toBe('load: failed');
  });
});

describe('a call while the run is at work', () => {
  test('is taken in as soon as the run waits, without another event [WF-5]', async () => {
    const busy = defineTaskTool({
      name: 'busy',
      description: 'While it works, a client does the next step.',
      taskSupport: 'forbidden',
      inputSchema: NOTHING,
      run: async (_args, { related }) => {
        await held.peer.call('put', { what: 'box' }, boundTo(related?.id ?? ''));
        return json('worked');
      },
    });
    const workflow = defineWorkflow({
      name: 'work',
      description: 'Works.',
      arguments: NOTHING,
      steps: (steps) =>
        steps
          .tool('busy', () => ({ tool: 'busy' }))
          .client('put', ({ constant }) => ({ tool: 'put', arguments: { what: constant('box') } })),
    });
    held = holdServer([busy, put], { workflows: [workflow] });
    session = new WorkflowSession(held);

    const { statuses, meta } = await session.get('work');
    expect(statuses).toEqual(['busy: completed', 'put: completed']);
    expect(meta['task_status']).toBe('completed');
  });
});

describe('many calls at once', () => {
  test('are all recorded, each once [WF-5 I1]', async () => {
    const many = defineWorkflow({
      name: 'many',
      description: 'Many.',
      arguments: NOTHING,
      steps: (steps) =>
        steps.client('all', ({ constant, item }) => ({
          tool: 'put',
          forEach: constant(Array.from({ length: 20 }, (_, at) => `box ${at}`)),
          arguments: { what: item() },
        })),
    });
    held = holdServer([put], { workflows: [many] });
    session = new WorkflowSession(held);
    ({ taskId } = await session.get('many'));
    await session.meanwhile(
      Promise.all(Array.from({ length: 20 }, (_, at) => held.peer.call('put', { what: `box ${at}` }, boundTo(taskId)))),
    );
    await held.runDue();

    const { result } = (await held.peer.task(taskId)) as { result: { structuredContent: { steps: JsonMap[] } } };
    const outputs = result.structuredContent.steps[0]?.['output'] as { put: string }[];
    expect(outputs.map(({ put: what }) => what).sort()).toEqual(
      Array.from({ length: 20 }, (_, at) => `box ${at}`).sort(),
    );
  });
});

describe('a store that does not answer', () => {
  test('fails no call that is bound to a workflow, and holds it up for a second at the most [WF-5 WF-12]', async () => {
    const backend = countingBackend(new MemoryBackend());
    held = holdServer([put, see], { workflows: [single], backend });
    session = new WorkflowSession(held);
    ({ taskId } = await session.get('single'));
    const call = async () =>
      (await session.meanwhile(held.peer.call('put', { what: 'box' }, boundTo(taskId)))).message?.result;
    const away = async () => Promise.reject(new BackendError('unavailable', 'Storage is away.'));

    backend.intercept(({ verb }, proceed) => (verb === 'putIfVersion' ? away() : proceed()));
    expect(await call()).toMatchObject(PUT_BOX);
    backend.intercept(away);
    expect(await call()).toMatchObject(PUT_BOX);
    const before = held.clock.now();
    backend.intercept(({ verb }, proceed) => (verb === 'putIfVersion' ? new Promise(() => {}) : proceed()));
    expect(await call()).toMatchObject(PUT_BOX);
    expect(held.clock.now() - before).toBe(1_000);

    backend.intercept();
    expect((await session.again('single', taskId)).statuses[0]).toBe('one: pending');
  });
});

describe('completing a workflow', () => {
  test('by task_complete gives its task the client’s result, whatever is open [WF-6]', async () => {
    await session.call('put', { what: 'box' }, taskId);
    const result = await session.call('task_complete', { taskId, result: { moved: 1 } }, taskId);

    expect(result).toMatchObject({ content: [{ text: `Task ${taskId} is completed.` }] });
    expect(await held.peer.task(taskId)).toMatchObject({
      status: 'completed',
      result: { content: [{ type: 'text', text: '{"moved":1}' }], structuredContent: { moved: 1 } },
    });
    const { list, pause } = await session.again('move', taskId);
    expect(list).toContain(`This is task ${taskId}, now completed.`);
    expect(list).toContain('Nothing more is to be done for it.');
    expect(pause).toBeUndefined();
    const twice = await session.meanwhile(held.peer.call('task_complete', { taskId }));
    expect(twice.message?.result).toMatchObject({ isError: true, content: [{ text: 'The task is completed.' }] });
  });

  test('by task_complete and task_report is refused for a task that is no workflow’s [WF-6]', async () => {
    const other = await held.peer.createTask('haul', { what: 'box' });
    for (const [tool, args] of [
      ['task_complete', { taskId: other }],
      ['task_report', { taskId: other, step: 'one', result: 1 }],
    ] as const) {
      const { message } = await held.peer.call(tool, args);
      expect(message?.result).toMatchObject({ isError: true });
      expect(JSON.stringify(message?.result)).toContain('The task is no workflow');
    }
  });

  test('by tasks/cancel with a result, in the 2025 era, completes it; without one cancels it [WF-6]', async () => {
    const client = await LegacyClient.connect(held.server.fetch, { authInfo: credentials('alice') });
    const cancelled = (await session.get('move')).taskId;
    expect(await client.result('tasks/cancel', { taskId: cancelled })).toMatchObject({ status: 'cancelled' });

    expect(await client.result('tasks/cancel', { taskId, result: 'moved by hand' })).toMatchObject({
      taskId,
      status: 'completed',
    });
    expect(await client.result('tasks/result', { taskId })).toMatchObject({
      content: [{ type: 'text', text: 'moved by hand' }],
    });
  });

  test('is too late for one that was cancelled, or whose deadline is over [WF-6]', async () => {
    await held.peer.result('tasks/cancel', { taskId });
    await held.runDue();
    expect(await status()).toBe('cancelled');
    expect((await held.peer.call('task_complete', { taskId })).message?.result).toMatchObject({
      isError: true,
      content: [{ text: 'The task is cancelled.' }],
    });
    expect((await session.again('move', taskId)).list).toContain('Nothing more is to be done for it.');

    ({ taskId } = await session.get('move'));
    await held.clock.advance(24 * 3_600_000);
    await held.runDue();
    expect(await status()).toBe('failed');
    expect((await session.again('move', taskId)).meta['task_status']).toBe('failed');
  });
});

describe('getting the prompt again', () => {
  test('changes nothing of what is there, and says where it stands [WF-7]', async () => {
    await session.call('put', { what: 'box' }, taskId);
    const first = await session.again('move', taskId);
    const second = await session.again('move', taskId);

    expect(second.statuses).toEqual(first.statuses);
    expect(second.block).toEqual(first.block);
  });

  test('of another workflow, or for a tool’s task, is refused and says why [WF-7]', async () => {
    const tool = await held.peer.createTask('haul', { what: 'box' });
    const { message } = await session.ask('move', {}, boundTo(tool));
    expect(message?.error?.message).toContain(`Task ${tool} is of a tool, not of prompt move.`);
  });
});
