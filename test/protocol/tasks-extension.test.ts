/**
 * The tasks extension of 2026-07-28 as a client sees it: what is advertised, what a created task looks like, and the
 * wire shape of each status, pinned as literals. Bad input is in `hostile-*.test.ts`, the calls of clients
 * without tasks in `plain-calls.test.ts`.
 */
import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { inputRequired, ProtocolError } from '../../src/protocol/sdk.ts';
import { defineTaskTool } from '../../src/server/define-task-tool.ts';
import { ask, createWaiting, FORM, greet } from '../support/hostile-world.ts';
import {
  CAPABILITIES_KEY,
  type JsonMap,
  RELATED_TASK_KEY,
  TASKS_EXTENSION,
  VARIABLES_KEY,
} from '../support/mcp-requests.ts';
import { type HeldServer, holdServer } from '../support/mcp-server.ts';

const text = (words: string) => ({ content: [{ type: 'text' as const, text: words }] });
const empty = z.object({});
const SERVER = { 'io.modelcontextprotocol/serverInfo': { name: 'held-server', version: '1.2.3' } };
const TASK_ID = /^[0-9a-f]{44}$/;

const refused = defineTaskTool({
  name: 'refused',
  description: 'Fails with an error of the protocol.',
  inputSchema: empty,
  run: async () => {
    throw new ProtocolError(-32050, 'No more coffee.', { cups: 0 });
  },
});

const broken = defineTaskTool({
  name: 'broken',
  description: 'Throws.',
  inputSchema: empty,
  run: async () => {
    throw new Error('The grinder is stuck.');
  },
});

const structured = defineTaskTool({
  name: 'structured',
  description: 'Has structured content, which fits its schema or not.',
  inputSchema: z.object({ cups: z.unknown() }),
  outputSchema: z.object({ cups: z.number() }),
  run: async ({ cups }) => ({ ...text('made'), structuredContent: { cups } }),
});

const relay = defineTaskTool({
  name: 'relay',
  description: 'Gives what another server gave.',
  inputSchema: z.object({ answer: z.looseObject({}) }),
  run: async ({ answer }) => answer as unknown as ReturnType<typeof text>,
});

const remember = defineTaskTool({
  name: 'remember',
  description: 'Keeps variables.',
  inputSchema: z.object({ values: z.record(z.string(), z.unknown()) }),
  run: async ({ values }, task) => {
    await task.variables.merge(values as JsonMap);
    return text('kept');
  },
});

const recall = defineTaskTool({
  name: 'recall',
  description: 'Says which variables it sees of the task it is bound to.',
  taskSupport: 'forbidden',
  inputSchema: empty,
  run: async (_args, call) => text(JSON.stringify((await call.related?.variables.all()) ?? null)),
});

const traced = defineTaskTool({
  name: 'traced',
  description: 'Says which trace it belongs to.',
  inputSchema: empty,
  run: async (_args, task) => text(JSON.stringify(task.trace ?? null)),
});

const brew = defineTaskTool({
  name: 'brew',
  description: 'Asks how strong, before there is a task.',
  inputSchema: z.object({ cups: z.number() }),
  admit: async ({ cups }, call) => {
    if (cups > 9) throw new ProtocolError(-32050, 'The pot is too small.');
    const strength = call.inputResponses?.['strength'] as { content?: { strength?: string } } | undefined;
    if (strength?.content?.strength !== undefined)
      return { strength: strength.content.strength, state: call.requestState ?? null };
    return inputRequired({
      inputRequests: { strength: inputRequired.elicit({ message: 'How strong?', requestedSchema: STRENGTH }) },
      requestState: `cups=${cups}`,
    });
  },
  run: async ({ cups }, task) => text(JSON.stringify([cups, task.admission])),
});
const STRENGTH = { type: 'object' as const, properties: { strength: { type: 'string' as const } } };

let held: HeldServer;

beforeEach(() => {
  held = holdServer([greet, ask, refused, broken, structured, relay, remember, recall, traced, brew]);
});

/** As it ends, without what changes from run to run. */
async function ended(name: string, args: JsonMap = {}, changes = {}): Promise<JsonMap> {
  const taskId = await held.peer.createTask(name, args, changes);
  await held.runDue();
  return held.peer.task(taskId);
}

test('server/discover advertises the extension and lists the tools as any other [MOD-1]', async () => {
  const { capabilities } = await held.peer.result('server/discover');
  const { tools } = await held.peer.result('tools/list');

  expect(capabilities).toEqual({ tools: { listChanged: false }, extensions: { 'io.modelcontextprotocol/tasks': {} } });
  expect((tools as { name: string }[]).map(({ name }) => name)).toContain('greet');
  expect((tools as JsonMap[])[0]).toEqual({
    name: 'greet',
    description: 'Greets.',
    inputSchema: expect.objectContaining({
      type: 'object',
      properties: { name: { type: 'string' } },
      required: ['name'],
    }),
  });
});

test('a created task is flat: a task and nothing of a tool result [MOD-1]', async () => {
  const { status, message } = await held.peer.call('greet', { name: 'Ada' });

  expect(status).toBe(200);
  expect(message?.result).toEqual({
    resultType: 'task',
    taskId: expect.stringMatching(TASK_ID),
    status: 'working',
    createdAt: '2100-01-01T00:00:00.000Z',
    lastUpdatedAt: '2100-01-01T00:00:00.000Z',
    ttlMs: 172_800_000,
    pollIntervalMs: 200,
    _meta: SERVER,
  });
});

test('a created task is there before its answer is [I1 MOD-1]', async () => {
  const taskId = await held.peer.createTask('greet', { name: 'Ada' });

  expect([...(await held.stored()).keys()]).toContainEqual(expect.stringContaining(taskId));
});

describe('tasks/get of a task that is', () => {
  const common = {
    resultType: 'complete',
    taskId: expect.stringMatching(TASK_ID),
    createdAt: '2100-01-01T00:00:00.000Z',
    lastUpdatedAt: '2100-01-01T00:00:00.000Z',
    ttlMs: 172_800_000,
    pollIntervalMs: 200,
    _meta: SERVER,
  };

  test('working has no more than its status [MOD-1]', async () => {
    const taskId = await held.peer.createTask('greet', { name: 'Ada' });

    expect(await held.peer.task(taskId)).toEqual({ ...common, status: 'working' });
  });

  test('input_required shows each request by its key [MOD-1]', async () => {
    const { taskId, form, roots, sampling } = await createWaiting(held, held.peer);

    expect(await held.peer.task(taskId)).toEqual({
      ...common,
      status: 'input_required',
      inputRequests: {
        [form]: { method: 'elicitation/create', params: { message: 'Approve?', requestedSchema: FORM } },
        [roots]: { method: 'roots/list' },
        [sampling]: {
          method: 'sampling/createMessage',
          params: { messages: [{ role: 'user', content: { type: 'text', text: 'Hi' } }], maxTokens: 5 },
        },
      },
    });
  });

  test('answered in part shows the rest [MOD-1 EXEC-3]', async () => {
    const { taskId, form, roots, sampling } = await createWaiting(held, held.peer);

    await held.peer.result('tasks/update', { taskId, inputResponses: { [roots]: { roots: [] } } });

    const { status, inputRequests } = await held.peer.task(taskId);
    expect([status, Object.keys(inputRequests as object)]).toEqual(['input_required', [form, sampling]]);
  });

  test('completed carries the tool’s result, itself complete [MOD-1]', async () => {
    expect(await ended('greet', { name: 'Ada' })).toEqual({
      ...common,
      status: 'completed',
      result: { resultType: 'complete', content: [{ type: 'text', text: 'Hello, Ada!' }] },
    });
  });

  test('completed by a throw carries a tool error with its message [MOD-1]', async () => {
    expect(await ended('broken')).toEqual({
      ...common,
      status: 'completed',
      result: { resultType: 'complete', content: [{ type: 'text', text: 'The grinder is stuck.' }], isError: true },
    });
  });

  test('failed carries the JSON-RPC error [MOD-1]', async () => {
    expect(await ended('refused')).toEqual({
      ...common,
      status: 'failed',
      statusMessage: 'No more coffee.',
      error: { code: -32050, message: 'No more coffee.', data: { cups: 0 } },
    });
  });

  test('failed by its deadline says so [MOD-1 LIFE-3]', async () => {
    const taskId = await held.peer.createTask('greet', { name: 'Ada' });
    await held.clock.advance(24 * 60 * 60 * 1000);

    expect(await held.peer.task(taskId)).toMatchObject({
      status: 'failed',
      error: {
        code: -32603,
        message: 'The task did not finish within its run deadline of 86400 s.',
        data: { reason: 'deadline_exceeded' },
      },
    });
  });

  test('cancelled has no more than its status [MOD-1]', async () => {
    const taskId = await held.peer.createTask('greet', { name: 'Ada' });
    const acknowledged = await held.peer.result('tasks/cancel', { taskId });
    await held.runDue();

    expect(acknowledged).toEqual({ resultType: 'complete', _meta: SERVER });
    expect(await held.peer.task(taskId)).toEqual({
      ...common,
      status: 'cancelled',
      statusMessage: 'Cancelled by the client.',
    });
  });
});

test('structured content is shown, and one that does not fit its schema is a tool error [MOD-1 DX-2]', async () => {
  expect((await ended('structured', { cups: 2 }))['result']).toMatchObject({ structuredContent: { cups: 2 } });
  expect((await ended('structured', { cups: 'two' }))['result']).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('structured content of tool structured does not fit its schema') }],
  });
});

test('a result that a tool relays is a complete one, whatever it was elsewhere [MOD-1]', async () => {
  const args = { answer: { content: [], resultType: 'task', taskId: 'x' } };
  const whole = { resultType: 'complete', content: [], taskId: 'x' };

  const plain = held.peer.call('relay', args, { declares: false });
  await held.queue.filled();
  await held.runDue();

  expect((await plain).message?.result).toEqual({ ...whole, _meta: SERVER });
  expect((await ended('relay', args))['result']).toEqual(whole);
});

describe('variables', () => {
  test('are shown by tasks/get under one key of _meta, but for internal ones [LIFE-5 LIFE-6]', async () => {
    const { _meta } = await ended('remember', { values: { city: 'Oslo', _secret: 1, deep: { _shown: true } } });

    expect(_meta).toEqual({ ...SERVER, [VARIABLES_KEY]: { city: 'Oslo', deep: { _shown: true } } });
  });

  test('that are all internal are not shown at all [LIFE-5]', async () => {
    expect((await ended('remember', { values: { _a: 1 } }))['_meta']).toEqual(SERVER);
  });

  test('that do not fit the task’s head are a marker with their size [LIFE-5]', async () => {
    const { _meta } = await ended('remember', { values: { long: 'x'.repeat(1000), _a: 1 } });

    expect(_meta).toEqual({ ...SERVER, [VARIABLES_KEY]: { _omitted: true, _bytes: 1018 } });
  });

  test('are seen by the next call that is bound to the task, but for internal ones [LIFE-6]', async () => {
    const { taskId } = await ended('remember', { values: { city: 'Oslo', long: 'x'.repeat(1000), _secret: 1 } });

    const bound = await held.peer.result(
      'tools/call',
      { name: 'recall', arguments: {} },
      { meta: { [RELATED_TASK_KEY]: { taskId } } },
    );
    const unbound = await held.peer.result('tools/call', { name: 'recall', arguments: {} });

    expect([bound['content'], unbound['content']]).toEqual([
      [{ type: 'text', text: JSON.stringify({ city: 'Oslo', long: 'x'.repeat(1000) }) }],
      [{ type: 'text', text: 'null' }],
    ]);
  });
});

describe('input before the task', () => {
  const call = (params: JsonMap = {}, meta: JsonMap = {}) =>
    held.peer.ask(
      'tools/call',
      { name: 'brew', arguments: { cups: 2 }, ...params },
      { meta: { [CAPABILITIES_KEY]: { elicitation: {}, extensions: { [TASKS_EXTENSION]: {} } }, ...meta } },
    );

  test('is asked for in the answer to the call, and no task exists yet [MOD-5]', async () => {
    const { message } = await call();

    expect(message?.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { strength: { method: 'elicitation/create', params: { message: 'How strong?' } } },
      requestState: 'cups=2',
    });
    expect((await held.stored()).size).toBe(0);
  });

  test('is given when the call is repeated, and the run finds what was admitted [MOD-5]', async () => {
    const { message } = await call({
      inputResponses: { strength: { action: 'accept', content: { strength: 'black' } } },
      requestState: 'cups=2',
    });
    await held.runDue();

    const { status, result } = await held.peer.task(message?.result?.['taskId'] as string);
    expect([status, result]).toMatchObject([
      'completed',
      { content: [{ text: '[2,{"strength":"black","state":"cups=2"}]' }] },
    ]);
  });

  test('is not asked for again when the idempotency key has its task already [MOD-5 LIFE-9]', async () => {
    const meta = { 'mcp-durable-tasks/idempotency-key': 'k' };
    expect((await call({}, meta)).message?.result).toMatchObject({ resultType: 'input_required' });
    const answered = { strength: { action: 'accept', content: { strength: 'black' } } };
    const first = await call({ inputResponses: answered, requestState: 'cups=2' }, meta);
    const taskId = first.message?.result?.['taskId'];

    const again = await call({}, meta);

    expect(taskId).toEqual(expect.any(String));
    expect(again.message?.result).toMatchObject({ resultType: 'task', taskId });
    const other = await call({ arguments: { cups: 3 } }, meta);
    expect(other.message?.error).toMatchObject({ code: -32602, data: { reason: 'idempotency_conflict' } });
  });

  test('is not asked of a client that cannot give it: -32021 [MOD-5]', async () => {
    const { status, message } = await held.peer.call('brew', { cups: 2 }, { capabilities: {} });

    expect([status, message?.error]).toMatchObject([
      400,
      { code: -32021, data: { requiredCapabilities: { elicitation: {} } } },
    ]);
  });

  test('may be refused, and no task exists then [MOD-5]', async () => {
    const { message } = await call({ arguments: { cups: 10 } });

    expect(message?.error).toEqual({ code: -32050, message: 'The pot is too small.' });
    expect((await held.stored()).size).toBe(0);
  });

  test('is asked for again when the answer is not what was asked for [MOD-5]', async () => {
    const { message } = await call({ inputResponses: { strength: { action: 'decline' } } });

    expect(message?.result?.['resultType']).toBe('input_required');
  });
});

describe('trace context', () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const seen = async (meta: JsonMap) => {
    const { result } = await ended('traced', {}, { meta });
    return JSON.parse((result as unknown as { content: [{ text: string }] }).content[0].text) as unknown;
  };

  test('of the creating call reaches the run [MOD-7]', async () => {
    expect(await seen({ traceparent, tracestate: 'a=1', baggage: 'user=7' })).toEqual({
      traceparent,
      tracestate: 'a=1',
      baggage: 'user=7',
    });
  });

  test('that is too long or of another type is left out, and the rest stays [MOD-7]', async () => {
    expect(await seen({ traceparent, tracestate: 'a'.repeat(513), baggage: 5 })).toEqual({ traceparent });
  });

  test('without a traceparent is none [MOD-7]', async () => {
    expect(await seen({ tracestate: 'a=1' })).toBeNull();
    expect(await seen({ traceparent: `${traceparent}0` })).toBeNull();
  });
});
