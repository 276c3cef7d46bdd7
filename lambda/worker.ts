/**
 * Runs due tasks: an SQS batch with partial failures. Before the function's time is over, running tasks are
 * given back, to go on in a later invocation.
 */
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
// oxlint-disable-next-line import/no-named-as-default -- its types know the default export only
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
// The construct points this name at the team's own file; here it is lambda/tools.ts.
import * as toolsFile from '#tools';
import { systemClock } from '../src/clock.ts';
import { decodeReceived, runDelivered } from '../src/runtime/queues/delivery.ts';
import type { RunDelivery } from '../src/runtime/queues/queue.ts';
import { createTaskWorker } from '../src/server/create-task-worker.ts';
import { foundation, leaseMsIn, once } from './shared/composition.ts';
import { wholeNumber } from './shared/environment.ts';
import { logger, powertoolsLogger } from './shared/observability.ts';
import { servedBy } from './shared/served.ts';

/** Left for giving tasks back: their checkpoints, their heads and a message each. */
const GIVE_BACK_MS = 15_000;
/** Of a function that may run for less than a minute: most of its time is still for the tasks. */
const GIVE_BACK_SHARE = 0.25;

const worker = once(async () => {
  const { environment, store, queue } = await foundation();
  const leaseMs = leaseMsIn(environment);
  const heartbeatMs = wholeNumber(environment, 'heartbeatMs') ?? Math.floor(leaseMs / 6);
  return createTaskWorker({
    ...servedBy(toolsFile),
    store,
    queue,
    logger,
    leaseTimes: { leaseMs, heartbeatMs },
    maxAnswerBytes: wholeNumber(environment, 'maxAnswerBytes'),
  });
});

const processor = new BatchProcessor(EventType.SQS);
/** A batch is one message: a delivery that failed is told to the queue, and is no error of the function. */
const ONE_BY_ONE = { throwOnFullBatchFailure: false };

/** Rejects when the message must come again; what is told of the batch says no more than that it failed. */
async function receive({ body, messageId, attributes }: SQSRecord): Promise<void> {
  const delivery = decodeReceived(body, messageId, logger);
  if (delivery === undefined) throw new Error('This message names no task.');
  const run: RunDelivery = async (ref, notBefore) => (await worker()).runTask(ref, notBefore);
  await runDelivered(delivery, Number(attributes.ApproximateReceiveCount) > 1, run, logger);
}

async function work(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const runner = await worker();
  const leftMs = context.getRemainingTimeInMillis();
  const cancel = systemClock.after(leftMs - Math.min(GIVE_BACK_MS, leftMs * GIVE_BACK_SHARE), () =>
    runner.stop('out_of_time'),
  );
  try {
    return await processPartialResponse(event, receive, processor, { context, ...ONE_BY_ONE });
  } finally {
    cancel();
  }
}

export const handler = middy<SQSEvent, SQSBatchResponse>(work).use(
  injectLambdaContext(powertoolsLogger, { resetKeys: true }),
);
