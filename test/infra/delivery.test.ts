/** From the queue to the worker and from the dead letters to their consumer: the numbers that must agree. */
import { describe, expect, test } from '@jest/globals';
import * as limits from '../../lib/limits.ts';
import { MAX_DELAY_SECONDS } from '../../src/runtime/queues/sqs-queue.ts';
import { ofType, only, type Resource, synthesize } from './synthesized.ts';

const { server } = synthesize({ workerConcurrency: '7' });
const queue = only(server, 'AWS::SQS::Queue', /^ServerQueue(?!DeadLetters)/);
const deadLetters = only(server, 'AWS::SQS::Queue', /DeadLetters/);
const worker = functionOf(sourceOf(queue));
const consumer = functionOf(sourceOf(deadLetters));

describe('the queue', () => {
  test('hides a message for at least as long as the worker may take [EXEC-8 AWS-1]', () => {
    expect(numberOf(queue, 'VisibilityTimeout')).toBeGreaterThanOrEqual(numberOf(worker, 'Timeout'));
    expect(numberOf(worker, 'Timeout')).toBe(15 * 60);
  });

  test('delivers a message a few times, then it is a dead letter [EXEC-7 AWS-1]', () => {
    expect(queue.properties['RedrivePolicy']).toEqual({
      deadLetterTargetArn: { 'Fn::GetAtt': [deadLetters.id, 'Arn'] },
      maxReceiveCount: limits.MAX_RECEIVE_COUNT,
    });
    expect(limits.MAX_RECEIVE_COUNT).toBeGreaterThanOrEqual(3);
  });

  test('keeps a message far longer than a delay and all its deliveries take [EXEC-8]', () => {
    const longest = MAX_DELAY_SECONDS + limits.MAX_RECEIVE_COUNT * numberOf(queue, 'VisibilityTimeout');

    expect(numberOf(queue, 'MessageRetentionPeriod')).toBeGreaterThan(10 * longest);
  });

  test('delays each message by itself, not all of them [EXEC-8]', () => {
    expect(queue.properties).not.toHaveProperty('DelaySeconds');
    expect(queue.properties).not.toHaveProperty('FifoQueue');
  });
});

describe('the dead letters', () => {
  test('outlive the queue’s messages by days, since they keep their age [AWS-4]', () => {
    const days = (numberOf(deadLetters, 'MessageRetentionPeriod') - numberOf(queue, 'MessageRetentionPeriod')) / 86_400;

    expect(days).toBeGreaterThanOrEqual(7);
  });

  test('are consumed with room for a second try of a batch [EXEC-7]', () => {
    expect(numberOf(deadLetters, 'VisibilityTimeout')).toBeGreaterThanOrEqual(6 * numberOf(consumer, 'Timeout'));
  });

  test('are the end of the chain: they have none of their own [EXEC-7]', () => {
    expect(deadLetters.properties).not.toHaveProperty('RedrivePolicy');
  });
});

describe('the event sources', () => {
  test.each([
    ['worker', queue],
    ['dead-letter consumer', deadLetters],
  ])('of the %s lets one message fail without the others [AWS-1 EXEC-8]', (_name, from) => {
    expect(sourceOf(from).properties).toMatchObject({ FunctionResponseTypes: ['ReportBatchItemFailures'] });
  });

  test('give the worker one message at a time, and no more workers than are wanted [AWS-1]', () => {
    expect(sourceOf(queue).properties).toMatchObject({ BatchSize: 1, ScalingConfig: { MaximumConcurrency: 7 } });
  });
});

test('a wait of many hours is a chain of messages through the worker, which Lambda is told to allow [EXEC-8]', () => {
  expect(worker.properties['RecursiveLoop']).toBe('Allow');
  expect(consumer.properties).not.toHaveProperty('RecursiveLoop');
});

test('an HTTP API’s function answers before the API gives up, and after a plain call’s wait [AWS-1]', () => {
  const { server } = synthesize({ api: 'http' });
  const timeout = numberOf(only(server, 'AWS::Lambda::Function', /EndpointFunction/), 'Timeout');

  expect(timeout).toBeGreaterThan(25);
  expect(timeout).toBeLessThan(30);
});

function sourceOf({ id }: Resource): Resource {
  const found = ofType(server, 'AWS::Lambda::EventSourceMapping').filter(
    ({ properties }) => JSON.stringify(properties['EventSourceArn']) === JSON.stringify({ 'Fn::GetAtt': [id, 'Arn'] }),
  );
  const [source] = found;
  if (source === undefined || found.length > 1) throw new Error(`${found.length} event sources read ${id}, not one`);
  return source;
}

function functionOf(source: Resource): Resource {
  const { Ref } = source.properties['FunctionName'] as { readonly Ref: string };
  return only(server, 'AWS::Lambda::Function', new RegExp(`^${Ref}$`));
}

function numberOf({ properties, id }: Resource, name: string): number {
  const value = properties[name];
  if (typeof value !== 'number') throw new Error(`${id} has no number ${name}`);
  return value;
}
