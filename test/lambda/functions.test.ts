/** Worker and dead-letter consumer, one invocation at a time, in the Redis variant behind an HTTP API. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ANONYMOUS } from '../../src/domain/owner.ts';
import { asTaskId } from '../../src/domain/task-id.ts';
import { encodeDelivery } from '../../src/runtime/queues/sqs-queue.ts';
import { type Deployment, deploy } from '../support/lambda/deployment.ts';
import type { FunctionHost } from '../support/lambda/function-host.ts';
import { LegacyClient, readerOf, taskIdIn } from '../support/legacy-client.ts';
import { McpPeer } from '../support/mcp-requests.ts';
import { connectOfficialClient } from '../support/official-client.ts';
import { until } from '../support/until.ts';

let deployment: Deployment;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'functions-'));
  deployment = await deploy({
    name: 'functions',
    context: {
      auth: 'none',
      backend: 'redis',
      api: 'http',
      tools: 'test/support/lambda/deployed-tools.ts',
      taskTools: 'true',
    },
    dynamoDbEndpoint: 'http://127.0.0.1:1',
    redisUrl: process.env['TEST_REDIS_URL'] ?? '',
    variables: { TASKS_LEASE_MS: '6000', TASKS_HEARTBEAT_MS: '250', TASKS_MAX_ACTIVE_PER_OWNER: '50' },
  });
});

afterAll(async () => {
  await deployment?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const peer = () => new McpPeer((request) => fetch(new Request(deployment.url, request)));

function delivering(...bodies: string[]) {
  const attributes = {
    ApproximateReceiveCount: '1',
    SentTimestamp: '0',
    SenderId: 'test',
    ApproximateFirstReceiveTimestamp: '0',
  };
  return {
    Records: bodies.map((body, at) => ({
      messageId: `message-${at}`,
      body,
      attributes,
      eventSource: 'aws:sqs',
      messageAttributes: {},
    })),
  };
}

const deliveryOf = (taskId: string) =>
  encodeDelivery({ ref: { owner: ANONYMOUS, id: asTaskId(taskId) }, notBefore: 0 });
const UNKNOWN = '0'.repeat(44);

async function invoke(host: FunctionHost, event: object): Promise<unknown> {
  const reply = await host.invoke(event);
  if (reply.kind === 'response') return JSON.parse(reply.body);
  return reply;
}

/** The metrics of one name that the functions have written, in CloudWatch's embedded format; they come after what they tell of. */
function metricsOf(name: string) {
  return until(`a metric ${name}`, () => {
    const written = metricsSoFar(name);
    return written.length > 0 && written;
  });
}

function metricsSoFar(name: string) {
  return [...deployment.mcp.logs, ...deployment.worker.logs, ...deployment.deadLetter.logs]
    .filter((line) => line.startsWith('{"_aws"') && line.includes(`"${name}"`))
    .map(
      (line) =>
        JSON.parse(line) as Record<string, unknown> & {
          _aws: { CloudWatchMetrics: { Namespace: string; Dimensions: string[][] }[] };
        },
    );
}

describe('behind an HTTP API, with Redis', () => {
  test('the official client completes a task [AWS-1 AWS-2 STORE-1]', async () => {
    await using client = await connectOfficialClient(deployment.url, 'functions');
    const execution = await client.session.callTool('work');

    expect(await execution.result()).toMatchObject({
      status: 'completed',
      result: { content: [{ type: 'text', text: '1 2 3' }] },
    });
  });

  test('a call that asks for progress is answered as JSON [AWS-2 MOD-9]', async () => {
    const { message } = await peer().call('tell', {}, { declares: false, meta: { progressToken: 'p1' } });

    expect(message?.result).toMatchObject({ content: [{ type: 'text', text: 'told' }] });
  });

  test('a subscription is refused with what to do instead [AWS-2]', async () => {
    const { status, message } = await peer().ask('subscriptions/listen', { notifications: { taskIds: [UNKNOWN] } });

    expect([status, message?.error?.code, message?.error?.message]).toEqual([
      404,
      -32601,
      expect.stringContaining('poll tasks/get'),
    ]);
  });
});

describe('behind an HTTP API, a client of the 2025 era', () => {
  const connect = () => LegacyClient.connect((request) => fetch(request), { url: deployment.url });
  const RED = { action: 'accept', content: { colour: 'red' } };
  const red = { content: [{ type: 'text', text: 'It is red.' }] };

  test('is asked by a stream of a result that ends with the question, and goes on with it [AWS-2 LEG-2 LEG-4]', async () => {
    const client = await connect();
    const taskId = await client.createTask('ask');

    const stream = await client.stream('tasks/result', { taskId });
    const messages = await stream.rest();
    expect(messages.at(-1)).toMatchObject({ method: 'elicitation/create', params: { message: 'Which colour?' } });
    expect(await client.answer(messages.at(-1)?.id, { result: RED })).toBe(202);

    const rest = readerOf(await client.resume(String(stream.lastEventId)));
    expect((await rest.rest()).at(-1)?.result).toMatchObject(red);
  });

  test('finishes a plain call that asks with the tools for tasks [AWS-2 MOD-6 I13]', async () => {
    const client = await connect();

    const { result } = await client.call('ask');
    expect(result).toMatchObject({ structuredContent: { tool: 'ask', status: 'input_required' } });
    const taskId = taskIdIn(result?.['structuredContent']);
    const { result: answered } = await client.call('task_respond', { taskId, ...RED });
    expect(answered).toMatchObject({ structuredContent: { taskId } });

    const { result: ended } = await client.call('task_status', { taskId });
    expect(ended).toMatchObject({ structuredContent: { status: 'completed', result: red } });
  });

  test.each(['GET', 'DELETE'])('is refused a %s that goes on with nothing [AWS-2 LEG-2]', async (method) => {
    const response = await fetch(deployment.url, { method, headers: { accept: 'text/event-stream' } });

    expect([response.status, await response.json()]).toMatchObject([405, { error: { code: -32000 } }]);
  });
});

describe('the worker', () => {
  test('says which messages of a batch failed, and runs the others [AWS-2 EXEC-8]', async () => {
    expect(await invoke(deployment.worker, delivering('no delivery', deliveryOf(UNKNOWN), '{}'))).toEqual({
      batchItemFailures: [{ itemIdentifier: 'message-0' }, { itemIdentifier: 'message-2' }],
    });
  });

  test('does not fail itself where its one message does: errors of the function are those of the function [AWS-8]', async () => {
    expect(await invoke(deployment.worker, delivering('no delivery'))).toEqual({
      batchItemFailures: [{ itemIdentifier: 'message-0' }],
    });
  });

  test('takes a delivery that comes again for what it is [EXEC-8]', async () => {
    const taskId = await peer().createTask('work', { waitSeconds: 0.1 });
    await until('the end', async () => (await peer().task(taskId))['status'] === 'completed');

    expect(await invoke(deployment.worker, delivering(deliveryOf(taskId), deliveryOf(taskId)))).toEqual({
      batchItemFailures: [],
    });
  });
});

describe('the dead-letter consumer', () => {
  test('passes over what names no task, or one that is gone [EXEC-7]', async () => {
    const before = deployment.deadLetter.logs.length;

    expect(await invoke(deployment.deadLetter, delivering('no delivery', '{}', deliveryOf(UNKNOWN)))).toEqual({
      batchItemFailures: [],
    });

    const complaints = () =>
      deployment.deadLetter.logs.slice(before).filter((line) => line.includes('A dead letter names no task'));
    await until('the log', () => complaints().length >= 2);
    expect(complaints()).toHaveLength(2);
  });

  test('keeps what a newer build wrote, for when it is rolled out again [STORE-12 EXEC-7]', async () => {
    expect(await invoke(deployment.deadLetter, delivering('{"format":2}', deliveryOf(UNKNOWN)))).toEqual({
      batchItemFailures: [{ itemIdentifier: 'message-0' }],
    });
  });

  test('leaves a task alone that a worker runs, or that waits for an answer [EXEC-7 I7]', async () => {
    const file = join(folder, 'running');
    const running = await peer().createTask('endless', { file });
    const waiting = await peer().createTask('ask');
    await until('the start', async () => existsSync(file));
    await until('the question', async () => (await peer().task(waiting))['status'] === 'input_required');

    await invoke(deployment.deadLetter, delivering(deliveryOf(running), deliveryOf(waiting)));

    expect((await peer().task(running))['status']).toBe('working');
    expect((await peer().task(waiting))['status']).toBe('input_required');
    for (const taskId of [running, waiting]) await peer().result('tasks/cancel', { taskId });
  });
});

describe('the metrics', () => {
  test('count what happens to tasks, by the names and dimensions that alarms and dashboard watch [AWS-4]', async () => {
    const taskId = await peer().createTask('work', { waitSeconds: 0.1 });
    await until('the end', async () => (await peer().task(taskId))['status'] === 'completed');
    await peer().result('tasks/cancel', { taskId: await peer().createTask('ask') });

    for (const name of ['TasksCreated', 'TasksCompleted', 'TasksCancelled', 'TaskDuration']) {
      const [metric] = await metricsOf(name);
      expect([name, metric?.['service'], typeof metric?.[name]]).toEqual([name, 'mcp-durable-tasks', 'number']);
      expect(metric?.['deployment']).toBe('test');
      expect(metric?._aws.CloudWatchMetrics[0]).toMatchObject({
        Namespace: 'McpDurableTasks',
        Dimensions: [['service', 'deployment', 'tool']],
      });
    }
  });

  // How often: see observability.test.ts. On a busy machine other tasks than this one may be taken over, too.
  test('count a failure by its reason, and takeovers [AWS-4 EXEC-7]', async () => {
    deployment.poller.visibilityTimeoutSeconds = 7;
    const file = join(folder, 'poison');

    const taskId = await peer().createTask('poison', { file });
    await until('the failure', async () => (await peer().task(taskId))['status'] === 'failed');

    const [failure] = await metricsOf('TaskFailures');
    expect(failure).toMatchObject({ service: 'mcp-durable-tasks', reason: 'attempts_exhausted', TaskFailures: 1 });
    expect(failure?._aws.CloudWatchMetrics[0]?.Dimensions).toEqual([['service', 'deployment', 'reason']]);
    const takeovers = (await metricsOf('LeaseTakeovers')).map((metric) => metric._aws.CloudWatchMetrics[0]?.Dimensions);
    for (const dimensions of takeovers) expect(dimensions).toEqual([['service', 'deployment']]);
  });
});

describe('behind an API that buffers', () => {
  const ended = async (args: object) => {
    const taskId = await peer().createTask('quotes', { ...args });
    return until('the end', async () => {
      const task = await peer().task(taskId);
      return task['status'] !== 'working' && task;
    });
  };

  test('a result that fits comes through, quotes and all [AWS-2 LIFE-10]', async () => {
    const count = 1_560_000;

    expect(await ended({ count })).toMatchObject({
      status: 'completed',
      result: { content: [{ type: 'text', text: '"'.repeat(count) }] },
    });
  });

  test('a result of 3.5 MiB that takes 7 there fails its task, and each poll says so [AWS-2 LIFE-10]', async () => {
    const message = expect.stringMatching(
      /^The result takes 7\d{6} bytes .*Keep the data elsewhere .*api=rest or api=url/,
    );

    expect(await ended({ count: 1_800_000 })).toMatchObject({ status: 'failed', error: { code: -32603, message } });
  });

  test('arguments that are too large are refused with how large they may be [AWS-2 LIFE-10]', async () => {
    const kept = await peer().call('quotes', { count: 1, note: 'x'.repeat(5 * 1024 * 1024) });
    const read = await peer().call('quotes', { count: 1, note: 'x'.repeat(6 * 1024 * 1024) });

    expect(kept.message?.error).toMatchObject({ code: -32602, message: expect.stringContaining('5242880') });
    expect([read.status, read.message?.error?.code]).toEqual([413, -32000]);
    expect(read.message?.error?.message).toContain('6291456');
  });
});
