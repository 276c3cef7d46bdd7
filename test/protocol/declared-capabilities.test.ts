/**
 * Clients are asked only for what they declared: by the task that they made, by a call before or without a task, and where
 * they look at a task that another client made.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { Task } from '../../src/domain/task.ts';
import { asTaskId } from '../../src/domain/task-id.ts';
import { inputRequired } from '../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { ask, createWaiting, greet } from '../support/hostile-world.ts';
import { IDEMPOTENCY_KEY, type JsonMap } from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const empty = z.object({});
const OWNER = { issuer: 'unspecified', subject: 'client alice' };
const FORM = { type: 'object' as const, properties: { name: { type: 'string' as const } } };

const KINDS = ['elicitation', 'elicitation.url', 'sampling', 'roots'] as const;
const QUESTIONS = {
  elicitation: () => inputRequired.elicit({ message: 'Who?', requestedSchema: FORM }),
  'elicitation.url': () => inputRequired.elicitUrl({ message: 'Sign.', url: 'https://sign.example/' }),
  sampling: () => inputRequired.createMessage({ messages: [], maxTokens: 5 }),
  roots: () => inputRequired.listRoots(),
};
const kind = z.object({ kind: z.enum(KINDS) });

const asksPlainly = defineTaskTool({
  name: 'asks_plainly',
  description: 'Asks in its call.',
  taskSupport: 'forbidden',
  inputSchema: kind,
  run: async (args) => inputRequired({ inputRequests: { asked: QUESTIONS[args.kind]() } }),
});

const asksBefore = defineTaskTool({
  name: 'asks_before',
  description: 'Asks before there is a task.',
  inputSchema: kind,
  admit: async (args) => inputRequired({ inputRequests: { asked: QUESTIONS[args.kind]() } }),
  run: async () => text('made'),
});

const tellsPlainly = defineTaskTool({
  name: 'tells_plainly',
  description: 'Says what its call may ask.',
  taskSupport: 'forbidden',
  inputSchema: empty,
  run: async (_args, call) => text(KINDS.filter((each) => call.canAsk(each)).join(' ')),
});

const tells = defineTaskTool({
  name: 'tells',
  description: 'Says what its call and its task may ask.',
  inputSchema: empty,
  admit: async (_args, call) => KINDS.filter((each) => call.canAsk(each)),
  run: async (_args, task) => text(JSON.stringify([task.admission, KINDS.filter((each) => task.canAsk(each))])),
});

const needsPage = defineTaskTool({
  name: 'needs_page',
  description: 'Sends its client to a page, or gives up.',
  inputSchema: empty,
  run: async (_args, task) =>
    text((await task.elicit({ mode: 'url', message: 'Sign.', url: 'https://sign.example/' })).action),
});

/** What a client declares, what of it can be asked, and what the task notes. */
const DECLARATIONS: readonly [JsonMap, readonly string[], readonly string[]][] = [
  [{}, [], []],
  [{ elicitation: {} }, ['elicitation'], ['elicitation.form']],
  [{ elicitation: { form: {} } }, ['elicitation'], ['elicitation.form']],
  [{ elicitation: { url: {} } }, ['elicitation.url'], ['elicitation.url']],
  [{ elicitation: { form: {}, url: {} } }, ['elicitation', 'elicitation.url'], ['elicitation.form', 'elicitation.url']],
  [{ sampling: {} }, ['sampling'], ['sampling']],
  [{ sampling: { tools: {}, context: {} } }, ['sampling'], ['sampling', 'sampling.tools']],
  [{ roots: {} }, ['roots'], ['roots']],
];

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, ask, asksPlainly, asksBefore, tellsPlainly, tells, needsPage]);
});

async function storedTask(taskId: string): Promise<Task> {
  return (await held.server.store.get({ owner: OWNER, id: asTaskId(taskId) })).task;
}

describe.each(DECLARATIONS)('a client that declares %j', (capabilities, askable, noted) => {
  test('makes tasks that may ask for that and nothing else, and says so before [MOD-8]', async () => {
    const taskId = await held.peer.createTask('tells', {}, { capabilities });
    expect((await storedTask(taskId)).mayAsk).toEqual(noted);

    await held.runDue();

    expect((await held.peer.task(taskId))['result']).toMatchObject({
      content: [{ text: JSON.stringify([askable, askable]) }],
    });
    const plain = await held.peer.result('tools/call', { name: 'tells_plainly', arguments: {} }, { capabilities });
    expect(plain).toMatchObject({ content: [{ text: askable.join(' ') }] });
  });

  test.each(KINDS.flatMap((each) => ['asks_plainly', 'asks_before'].map((tool) => ({ each, tool }))))(
    'is asked by $tool for $each only where it declared that [MOD-8 MOD-5]',
    async ({ each, tool }) => {
      const { message, status } = await held.peer.call(tool, { kind: each }, { capabilities });

      if (askable.includes(each)) {
        expect(message?.result).toMatchObject({ resultType: 'input_required', inputRequests: { asked: {} } });
      } else {
        expect([status, message?.error?.code]).toEqual([400, -32021]);
        expect(message?.error?.data?.['requiredCapabilities']).toHaveProperty(each.split('.')[0] ?? each);
      }
      expect((await held.stored()).size).toBe(0);
    },
  );
});

describe('a task that asks for what its client has not declared', () => {
  const capabilities = { elicitation: {} };
  const reason = 'The client that made this task cannot be asked: it has not declared elicitation.url.';

  test('ends with an error that says so, and never asks [MOD-8]', async () => {
    const taskId = await held.peer.createTask('needs_page', {}, { capabilities });
    await held.runDue();

    expect(await held.peer.task(taskId)).toMatchObject({
      status: 'completed',
      result: { isError: true, content: [{ text: reason }] },
    });
  });

  test('answers a plain call with it, within the call [MOD-8]', async () => {
    const answer = held.peer.call('needs_page', {}, { capabilities, declares: false });
    await held.queue.filled();
    await held.runDue();

    expect((await answer).message?.result).toMatchObject({ isError: true, content: [{ text: reason }] });
  });

  test('stays with what its first call declared, where a call with its key comes again [MOD-8 LIFE-9]', async () => {
    const meta = { [IDEMPOTENCY_KEY]: 'once' };
    const first = await held.peer.createTask('needs_page', {}, { capabilities, meta });

    expect(await held.peer.createTask('needs_page', {}, { meta })).toBe(first);

    expect((await storedTask(first)).mayAsk).toEqual(['elicitation.form']);
  });
});

describe('a task that waits for a form, for roots and for a sample', () => {
  const VIEWS: readonly [JsonMap, readonly string[]][] = [
    [{}, []],
    [{ elicitation: {} }, ['elicitation/create']],
    [{ elicitation: { url: {} }, roots: {} }, ['roots/list']],
    [{ sampling: {}, roots: {} }, ['roots/list', 'sampling/createMessage']],
    [
      { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} },
      ['elicitation/create', 'roots/list', 'sampling/createMessage'],
    ],
  ];
  const methods = (requests: unknown) =>
    Object.values(requests as Record<string, { method: string }>)
      .map(({ method }) => method)
      .toSorted();

  test.each(VIEWS)('shows a poll with %j what it can answer: %j [MOD-8]', async (capabilities, expected) => {
    const { taskId } = await createWaiting(held, held.peer);

    const seen = await held.peer.task(taskId, { capabilities });

    expect([seen['status'], methods(seen['inputRequests'])]).toEqual(['input_required', expected]);
    expect(methods((await held.peer.task(taskId))['inputRequests'])).toHaveLength(3);
  });

  test.each(VIEWS)(
    'tells a subscription with %j of what it can answer: %j [MOD-8 MOD-3]',
    async (capabilities, expected) => {
      const { taskId } = await createWaiting(held, held.peer);

      const stream = await held.peer.listen({ taskIds: [taskId] }, { capabilities });
      await stream.message();
      const { params } = await stream.message();
      await stream.leave();

      expect([params?.['status'], methods(params?.['inputRequests'])]).toEqual(['input_required', expected]);
    },
  );

  test('asks no plain call that joins it, and says where it stands [MOD-8]', async () => {
    const tool = { ...ask, taskSupport: 'optional' as const };
    held = holdServer([tool]);
    const meta = { [IDEMPOTENCY_KEY]: 'once' };
    const taskId = await held.peer.createTask('ask', {}, { meta });
    await held.runDue();

    const { message } = await held.peer.call('ask', {}, { meta, declares: false, capabilities: {} });

    expect(message?.result).toMatchObject({
      content: [{ text: expect.stringContaining('It waits for an answer that this client cannot be asked for.') }],
      structuredContent: { taskId, status: 'input_required' },
    });
    expect(message?.result).not.toHaveProperty('isError');
  });

  test('of an older build, which noted nothing, shows everybody all of it [MOD-8 STORE-12]', async () => {
    const { taskId } = await createWaiting(held, held.peer);
    await held.server.store.update({ owner: OWNER, id: asTaskId(taskId) }, ({ mayAsk: _mayAsk, ...older }) => older);

    const seen = await held.peer.task(taskId, { capabilities: {} });

    expect(methods(seen['inputRequests'])).toHaveLength(3);
  });
});
