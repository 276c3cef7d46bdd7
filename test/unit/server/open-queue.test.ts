/** Queue addresses and what opening one says when it cannot; on the real Redis of the test run, and an SQS emulator. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type FauxqsServer, startFauxqs } from 'fauxqs';
import { readOptions, UsageError } from '../../../bin/serve-options.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { openQueue, parseQueueAddress, type QueueAddress, QueueError } from '../../../src/server/open-queue.ts';

const AWS_QUEUE = 'https://sqs.eu-central-1.amazonaws.com/123456789012/tasks';

describe('a queue address', () => {
  test.each<[string, QueueAddress]>([
    ['bullmq:redis://localhost', { engine: 'bullmq', url: 'redis://localhost' }],
    [
      'bullmq:rediss://user:pass@cache.example:6380/2',
      { engine: 'bullmq', url: 'rediss://user:pass@cache.example:6380/2' },
    ],
    [`sqs:${AWS_QUEUE}`, { engine: 'sqs', url: AWS_QUEUE }],
    [
      'sqs:http://localhost:4566/000000000000/tasks',
      { engine: 'sqs', url: 'http://localhost:4566/000000000000/tasks' },
    ],
  ])('%s is understood [DX-1]', (text, address) => {
    expect(parseQueueAddress(text)).toEqual(address);
  });

  test.each([
    ['', 'unknown queue ""'],
    ['kafka:localhost', 'unknown queue "kafka:localhost": use bullmq:redis://HOST'],
    ['redis://localhost', 'unknown queue'],
    ['bullmq', 'names no Redis'],
    ['bullmq:', 'names no Redis'],
    ['bullmq:localhost:6379', 'use bullmq:redis://HOST:PORT'],
    ['bullmq:http://localhost', 'names no Redis'],
    ['sqs', 'names no queue'],
    ['sqs:tasks', 'use sqs:QUEUE_URL'],
    ['sqs:https://sqs.eu-central-1.amazonaws.com', 'names no queue'],
    [`sqs:${AWS_QUEUE}.fifo`, 'takes a standard queue'],
  ])('"%s" is refused with what is wrong with it [DX-1]', (text, problem) => {
    expect(() => parseQueueAddress(text)).toThrow(QueueError);
    expect(() => parseQueueAddress(text)).toThrow(problem);
  });

  test.each([
    [['--queue', 'kafka:x'], '--queue: unknown queue'],
    [['--queue', 'bullmq:redis://localhost'], 'goes with --backend dynamodb: or redis:'],
    [['--queue', 'bullmq:redis://localhost', '--backend', 'memory'], 'goes with --backend dynamodb: or redis:'],
  ])('%j is wrong usage [DX-1]', (args, problem) => {
    expect(() => readOptions(args)).toThrow(UsageError);
    expect(() => readOptions(args)).toThrow(problem);
  });

  test('goes with a backend that machines share [DX-1]', () => {
    expect(readOptions(['--queue', `sqs:${AWS_QUEUE}`, '--backend', 'dynamodb:tasks'])).toMatchObject({
      queue: { engine: 'sqs', url: AWS_QUEUE },
    });
  });
});

describe('opening a queue', () => {
  let sqs: FauxqsServer;
  beforeAll(async () => {
    sqs = await startFauxqs({ port: 0, logger: false, defaultRegion: 'us-east-1', host: '127.0.0.1' });
  });
  afterAll(() => sqs.stop());

  const createQueue = (attributes: Record<string, string> = {}) => {
    const name = randomUUID();
    sqs.createQueue(name, { region: 'us-east-1', attributes });
    return `http://127.0.0.1:${sqs.port}/000000000000/${name}`;
  };

  test('of SQS warns of dead letters that an outage of some minutes would fill [DX-1 AWS-9]', async () => {
    const policy = (maxReceiveCount: number) => ({
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: 'arn:aws:sqs:us-east-1:000000000000:dead',
        maxReceiveCount,
      }),
    });
    sqs.createQueue('dead', { region: 'us-east-1' });

    const few = await openQueue({ engine: 'sqs', url: createQueue(policy(3)) }, silentLogger);
    const many = await openQueue({ engine: 'sqs', url: createQueue(policy(100)) }, silentLogger);
    const none = await openQueue({ engine: 'sqs', url: createQueue() }, silentLogger);

    expect(few.warnings).toEqual([expect.stringContaining('after 3 receives')]);
    expect([many.warnings, none.warnings]).toEqual([[], []]);
    await Promise.all([few, many, none].map((opened) => opened.close()));
  });

  test('of BullMQ says what Redis may lose, and shows no credentials [DX-1 STORE-10]', async () => {
    const { host } = new URL(process.env['TEST_REDIS_URL'] ?? '');

    const opened = await openQueue({ engine: 'bullmq', url: `redis://default:secret@${host}` }, silentLogger).catch(
      () => openQueue({ engine: 'bullmq', url: `redis://${host}` }, silentLogger),
    );

    expect(opened.description).toBe(`BullMQ at ${host}`);
    expect(opened.warnings).toEqual([expect.stringContaining('the queue: appendonly is off')]);
    await opened.close();
  });

  test.each<[QueueAddress, string]>([
    [
      { engine: 'bullmq', url: 'redis://user:secret@127.0.0.1:1' },
      'the bullmq queue cannot be used: Redis at 127.0.0.1:1',
    ],
    [{ engine: 'sqs', url: 'http://127.0.0.1:1/0/tasks' }, 'the sqs queue cannot be used'],
  ])('that is not there is refused in one sentence: %j [DX-1]', async (address, problem) => {
    const error = await openQueue(address, silentLogger).then(
      () => undefined,
      (cause: unknown) => cause,
    );

    expect(error).toBeInstanceOf(QueueError);
    expect(String(error)).toContain(problem);
    expect(String(error)).not.toContain('secret');
  });

  test('that does not exist in SQS is refused [DX-1]', async () => {
    const url = `http://127.0.0.1:${sqs.port}/000000000000/unknown`;

    await expect(openQueue({ engine: 'sqs', url }, silentLogger)).rejects.toThrow(
      /the sqs queue cannot be used: .*check the URL/,
    );
  });
});
