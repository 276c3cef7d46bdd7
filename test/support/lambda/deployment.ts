/**
 * `cdk deploy` on this machine: the functions of the cloud assembly under a Runtime API, behind a gateway and a
 * queue's event source, with DynamoDB Local or Redis and an SQS emulator. What the template says, holds here too,
 * unless a test shortens a time.
 */
import { randomUUID } from 'node:crypto';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { PurgeQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { createTable } from '../../../src/backends/dynamodb-table.ts';
import { present } from '../../../src/present.ts';
import type { LookReport } from '../../../src/runtime/queues/looker.ts';
import { COMPILE_CACHE } from '../compile-cache.ts';
import { type Assembly, synthesize } from './assembly.ts';
import { FunctionHost } from './function-host.ts';
import { type ApiKind, startGateway } from './gateway.ts';
import { QueuePoller } from './queue-poller.ts';

const REGION = 'eu-central-1';
const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };
/** Of the MCP function; on AWS the account's. */
const MCP_CONCURRENCY = 8;

export interface DeploymentOptions {
  /** Names the assembly; one for each test file. */
  readonly name: string;
  /** `cdk deploy -c …` */
  readonly context: Readonly<Record<string, string>>;
  readonly dynamoDbEndpoint: string;
  /** For `backend=redis`. */
  readonly redisUrl?: string;
  /** Over the template's. */
  readonly variables?: Readonly<Record<string, string>>;
}

export interface Deployment extends AsyncDisposable {
  /** Where MCP clients connect. */
  readonly url: string;
  readonly mcp: FunctionHost;
  readonly worker: FunctionHost;
  readonly deadLetter: FunctionHost;
  /** Looks at the agenda, as the schedule has it done once a minute. */
  look(): Promise<LookReport>;
  readonly poller: QueuePoller;
  readonly tableName: string;
  readonly queue: {
    readonly url: string;
    send(body: string): Promise<void>;
    /** Loses all messages, those that somebody has received included. */
    lose(): Promise<void>;
    counts(): { waiting: number; dead: number };
  };
}

export async function deploy(options: DeploymentOptions): Promise<Deployment> {
  // Not what a measurement of cold starts wants, which deploys an assembly of its own.
  const variables = { ...COMPILE_CACHE, ...options.variables };
  return deployAssembly(await synthesize(options.name, options.context), { ...options, variables });
}

export async function deployAssembly(assembly: Assembly, options: DeploymentOptions): Promise<Deployment> {
  const stack = new AsyncDisposableStack();
  const tableName = `tasks-${randomUUID()}`;
  if (options.context['backend'] !== 'redis') await createTaskTable(options.dynamoDbEndpoint, tableName);
  const sqs = await startFauxqs({ port: 0, logger: false, defaultRegion: REGION, host: '127.0.0.1' });
  stack.defer(() => sqs.stop());
  const endpoint = `http://127.0.0.1:${sqs.port}`;
  const { queue, deadLetters } = createQueues(sqs, endpoint, assembly);
  const variables = {
    TASKS_TABLE_NAME: tableName,
    TASKS_QUEUE_URL: queue.queueUrl,
    AWS_ENDPOINT_URL_SQS: endpoint,
    AWS_ENDPOINT_URL_DYNAMODB: options.dynamoDbEndpoint,
    ...present({ TASKS_REDIS_ENDPOINT: options.redisUrl }),
    ...options.variables,
  };
  const host = (settings: Assembly['mcp'], concurrency: number) => {
    const started = new FunctionHost({
      ...settings,
      variables: { ...settings.variables, ...variables },
      concurrency,
    });
    stack.defer(() => started.close());
    return started;
  };
  const mcp = host(assembly.mcp, MCP_CONCURRENCY);
  const worker = host(assembly.worker, assembly.worker.eventSource.maxConcurrency);
  const deadLetter = host(assembly.deadLetter, assembly.deadLetter.eventSource.maxConcurrency);
  const looker = host(assembly.looker, 1);
  const client = new SQSClient({ endpoint, region: REGION, credentials: CREDENTIALS });
  stack.defer(() => client.destroy());
  const poll = (
    from: { queueUrl: string; queueArn: string },
    to: FunctionHost,
    { eventSource }: Assembly['worker'],
  ) => {
    const poller = new QueuePoller({ client, ...from, host: to, eventSource });
    stack.defer(() => poller.stop());
    return poller;
  };
  const poller = poll(queue, worker, assembly.worker);
  poll(deadLetters, deadLetter, assembly.deadLetter);
  const api: ApiKind = options.context['api'] === 'http' ? 'http' : 'rest';
  const gateway = await startGateway({ invoke: (event) => mcp.invoke(event), api });
  stack.defer(() => gateway.close());
  return {
    url: gateway.url,
    mcp,
    worker,
    deadLetter,
    look: async () => {
      const reply = await looker.invoke({});
      if (reply.kind !== 'response') throw new Error(`the looker failed: ${JSON.stringify(reply)}`);
      return JSON.parse(reply.body) as LookReport;
    },
    poller,
    tableName,
    queue: {
      url: queue.queueUrl,
      send: async (body) => {
        sqs.sendMessage(queue.queueName, body);
      },
      lose: async () => {
        await client.send(new PurgeQueueCommand({ QueueUrl: queue.queueUrl }));
      },
      counts: () => ({ waiting: messagesIn(sqs, queue.queueName), dead: messagesIn(sqs, deadLetters.queueName) }),
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function createQueues(sqs: FauxqsServer, endpoint: string, { queue: settings }: Assembly) {
  const deadLetters = sqs.createQueue('dead-letters', {
    region: REGION,
    attributes: { VisibilityTimeout: String(settings.deadLetterVisibilityTimeoutSeconds) },
  });
  const redrive = { deadLetterTargetArn: deadLetters.queueArn, maxReceiveCount: settings.maxReceiveCount };
  const queue = sqs.createQueue('tasks', {
    region: REGION,
    attributes: {
      VisibilityTimeout: String(settings.visibilityTimeoutSeconds),
      RedrivePolicy: JSON.stringify(redrive),
    },
  });
  // The emulator's own URLs begin with the region, which is no host here.
  const here = <T extends { queueName: string }>(made: T) => ({
    ...made,
    queueUrl: `${endpoint}/000000000000/${made.queueName}`,
  });
  return { queue: here(queue), deadLetters: here(deadLetters) };
}

function messagesIn(sqs: FauxqsServer, name: string): number {
  const { ready, delayed, inflight } = sqs.inspectQueue(name)?.messages ?? { ready: [], delayed: [], inflight: [] };
  return ready.length + delayed.length + inflight.length;
}

async function createTaskTable(endpoint: string, tableName: string): Promise<void> {
  const client = new DynamoDBClient({ endpoint, region: REGION, credentials: CREDENTIALS });
  await createTable({ client, tableName });
  client.destroy();
}
