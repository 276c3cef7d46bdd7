/**
 * Runs due tasks: an SQS batch with partial failures. Before the function's time is over, running tasks are
 * given back, to go on in a later invocation.
 */
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { systemClock } from '../src/clock.ts';
import { decodeDelivery } from '../src/runtime/sqs-queue.ts';
import { composition } from './shared/composition.ts';
import { powertoolsLogger } from './shared/observability.ts';

/** Left for giving tasks back: their checkpoints, their heads and a message each. */
const HAND_OVER_MS = 15_000;

const processor = new BatchProcessor(EventType.SQS);

async function runDelivery(record: SQSRecord): Promise<void> {
  const delivery = decodeDelivery(record.body);
  if (delivery === undefined) throw new Error('This message names no task.');
  const { tasks } = await composition();
  // A message that comes again may be all that is left of a run that crashed before it sent the next one.
  const again = Number(record.attributes.ApproximateReceiveCount) > 1;
  await tasks.runTask(delivery.ref, again ? undefined : delivery.notBefore);
}

async function work(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const { tasks } = await composition();
  const timeLeft = context.getRemainingTimeInMillis() - HAND_OVER_MS;
  const cancel = systemClock.after(timeLeft, () => tasks.handOver());
  try {
    return await processPartialResponse(event, runDelivery, processor, { context });
  } finally {
    cancel();
  }
}

export const handler = middy<SQSEvent, SQSBatchResponse>(work).use(injectLambdaContext(powertoolsLogger, { resetKeys: true }));
