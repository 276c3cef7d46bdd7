/**
 * Gives the tasks whose messages could not be processed back to the agenda: only the attempts in its head fail a task,
 * so a worker that is throttled, broken or not there fails none.
 */
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
// oxlint-disable-next-line import/no-named-as-default -- its types know the default export only
import middy from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { systemClock } from '../src/clock.ts';
import { isTaskError } from '../src/domain/errors.ts';
import { isOver } from '../src/domain/run.ts';
import { decodeReceived } from '../src/runtime/queues/delivery.ts';
import { foundation } from './shared/composition.ts';
import { logger, powertoolsLogger } from './shared/observability.ts';

const processor = new BatchProcessor(EventType.SQS);

async function giveBack(record: SQSRecord): Promise<void> {
  const delivery = decodeReceived(record.body, record.messageId, logger);
  if (delivery === undefined) {
    logger.error('A dead letter names no task', { message: record.messageId });
    return;
  }
  const { store } = await foundation();
  try {
    const { task } = await store.get(delivery.ref);
    logger.error('A task could not be delivered', { task: task.id, tool: task.tool, status: task.status });
    // The looker enqueues it again, after a pause that grows with how long the task has been due.
    if (!isOver(task)) await store.agenda.noteNew(task, systemClock.now());
  } catch (error) {
    if (!isTaskError(error, 'task_not_found')) throw error;
  }
}

/**
 * Throws where every letter of a batch failed, unlike the worker: a letter that cannot be processed comes back alone, and
 * the function's errors are what the alarm on them watches.
 */
const bury = (event: SQSEvent, context: Context): Promise<SQSBatchResponse> =>
  processPartialResponse(event, giveBack, processor, { context });

export const handler = middy<SQSEvent, SQSBatchResponse>(bury).use(
  injectLambdaContext(powertoolsLogger, { resetKeys: true }),
);
