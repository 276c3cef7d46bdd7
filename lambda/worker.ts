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
// The construct points this name at the team's own file; here it is lambda/tools.ts.
import tools from '#tools';
import { createTaskWorker } from '../src/server/create-task-worker.ts';
import { foundation, once } from './shared/composition.ts';
import { wholeNumber } from './shared/environment.ts';
import { logger, powertoolsLogger } from './shared/observability.ts';

/** Left for giving tasks back: their checkpoints, their heads and a message each. */
const HAND_OVER_MS = 15_000;

const worker = once(async () => {
  const { environment, store, queue } = await foundation();
  const leaseMs = wholeNumber(environment, 'leaseMs') ?? 30_000;
  const heartbeatMs = wholeNumber(environment, 'heartbeatMs') ?? Math.floor(leaseMs / 6);
  return createTaskWorker({ tools, store, queue, logger, leaseTimes: { leaseMs, heartbeatMs } });
});

const processor = new BatchProcessor(EventType.SQS);

async function runDelivery(record: SQSRecord): Promise<void> {
  const delivery = decodeDelivery(record.body);
  if (delivery === undefined) throw new Error('This message names no task.');
  const runner = await worker();
  // A message that comes again may be all that is left of a run that crashed before it sent the next one.
  const again = Number(record.attributes.ApproximateReceiveCount) > 1;
  await runner.runTask(delivery.ref, again ? undefined : delivery.notBefore);
}

async function work(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const runner = await worker();
  const timeLeft = context.getRemainingTimeInMillis() - HAND_OVER_MS;
  const cancel = systemClock.after(timeLeft, () => runner.stop());
  try {
    return await processPartialResponse(event, runDelivery, processor, { context });
  } finally {
    cancel();
  }
}

export const handler = middy<SQSEvent, SQSBatchResponse>(work).use(injectLambdaContext(powertoolsLogger, { resetKeys: true }));
