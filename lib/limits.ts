/**
 * The times that must agree between queue, functions, leases and API, in one place, with the reasons. A test
 * checks the relations.
 */
import { Duration } from 'aws-cdk-lib';

/** Lambda's maximum: one run may take so long before its task is handed over to the next invocation. */
export const WORKER_TIMEOUT = Duration.minutes(15);

/**
 * At least the worker's timeout, so that a message never comes back while it is being worked on. Recovery
 * does not wait for it: a lease runs out in half a minute, and a poll of the task enqueues it again.
 */
export const VISIBILITY_TIMEOUT = Duration.minutes(16);

/** Deliveries of one message before it is a dead letter: a crash of the function itself counts as one. */
export const MAX_RECEIVE_COUNT = 5;

/** Long enough to find out and redrive by hand, before SQS drops a message. */
export const DEAD_LETTER_RETENTION = Duration.days(14);

/** Streams (subscriptions, plain calls) end with the function; REST APIs allow 15 minutes when streaming. */
export const STREAMING_TIMEOUT = Duration.minutes(15);

/** Below the 29 and 30 seconds after which a buffering API answers 504 by itself. */
export const BUFFERED_TIMEOUT = Duration.seconds(28);

export const DEAD_LETTER_TIMEOUT = Duration.seconds(30);

/** One message an invocation: a long run does not hold back the acknowledgement of others. */
export const WORKER_BATCH_SIZE = 1;

/** Functions that run tasks at the same time. */
export const WORKER_MAX_CONCURRENCY = 50;
