/**
 * The times and numbers that must agree between queue, functions, leases and API, in one place, with the
 * reasons. A test checks the relations.
 */
import { Duration } from 'aws-cdk-lib';

/** Lambda's maximum: one run may take so long before its task is given back for the next invocation. */
export const WORKER_TIMEOUT = Duration.minutes(15);

/**
 * At least the worker's timeout (Lambda refuses less), so that a message never comes back while it is being
 * worked on. Recovery does not wait for it: a lease runs out in half a minute, and a look at the agenda, or
 * a poll of the task, enqueues it again.
 */
export const VISIBILITY_TIMEOUT = Duration.minutes(16);

/** Deliveries of one message before it is a dead letter: a crash of the function itself counts as one. */
export const MAX_RECEIVE_COUNT = 5;

/**
 * Far above the delay of a message (5 minutes) and all its deliveries (five times 16 minutes). Shorter than the
 * dead letters' retention, because a message keeps its age when it moves there.
 */
export const QUEUE_RETENTION = Duration.days(4);

/** SQS's maximum: ten days are left to find out why. */
export const DEAD_LETTER_RETENTION = Duration.days(14);

export const DEAD_LETTER_TIMEOUT = Duration.seconds(30);

/** Six times the consumer's timeout, as AWS advises for functions that fetch batches. */
export const DEAD_LETTER_VISIBILITY_TIMEOUT = Duration.minutes(3);

/** Streams (subscriptions, plain calls) end with the function; REST APIs allow 15 minutes when streaming. */
export const STREAMING_TIMEOUT = Duration.minutes(15);

/**
 * How long a stream may be told to stay open: long enough that reconnecting costs little, and over before the
 * function's time is, so that it ends in good order.
 */
export const STREAM_SECONDS_BOUNDS = { min: 10, max: 870 };

/** Below the 30 seconds after which an HTTP API answers 503 by itself; above a plain call's wait of 25. */
export const BUFFERED_TIMEOUT = Duration.seconds(28);

/**
 * Lambda's 6 MB for what a function answers at once: the answer's text is escaped in it, as a string within JSON. What
 * streams is not bounded so.
 */
export const BUFFERED_ANSWER_BYTES = 6 * 1024 * 1024;

/** One message an invocation: a long run does not hold back the acknowledgement of others. */
export const WORKER_BATCH_SIZE = 1;

/**
 * Functions that run tasks at the same time. What comes above it waits in the queue, without failed deliveries. Few,
 * because a new account runs ten functions at once in all: with more, Lambda would refuse workers, each refusal would
 * count as a failed delivery, and callers would find no function free.
 */
export const WORKER_MAX_CONCURRENCY = 5;
/** SQS's own bounds for an event source. */
export const CONCURRENCY_BOUNDS = { min: 2, max: 1_000 };
/** Its letters are few and quick, and it must not take the workers' places. */
export const DEAD_LETTER_MAX_CONCURRENCY = 2;

/** Executions at the same time in an account and region, unless it has been given more. */
export const ACCOUNT_CONCURRENCY = 1_000;
/** What reservations must leave to everything else: Lambda refuses to reserve more. */
export const UNRESERVED_CONCURRENCY = 100;

/** A brake for runaway clients, per API and not per caller; a polling client makes a request every few seconds. */
export const THROTTLING_RATE_LIMIT = 100;
export const THROTTLING_BURST_LIMIT = 200;

/** A look is over before the next begins. */
export const LOOK_TIMEOUT = Duration.seconds(55);
