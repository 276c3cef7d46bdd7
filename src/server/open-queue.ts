/**
 * A queue by its address, as a command line gives it: what the address means, and the one line that a person reads when
 * the queue cannot be used. Which client that is: see `local-engines.ts`.
 */
import type { Logger } from '../runtime/logger.ts';
import { type ConsumerSettings, type OpenedQueue, queues } from './local-engines.ts';
import { missingLibraries } from './optional-libraries.ts';

export { CONCURRENCY_BOUNDS } from '../runtime/queues/in-process-queue.ts';
export type { OpenedQueue } from './local-engines.ts';

export interface QueueAddress {
  readonly engine: keyof typeof queues;
  readonly url: string;
}

export const QUEUE_ADDRESSES = 'bullmq:redis://HOST (or rediss:), sqs:QUEUE_URL';

/** A queue that cannot be used, or an address that is none; the message says what to do. */
export class QueueError extends Error {
  override readonly name = 'QueueError';
}

/** Throws a `QueueError`, which says what is wrong with the address, and connects to nothing. */
export function parseQueueAddress(text: string): QueueAddress {
  const [, scheme = '', url = ''] = /^([a-z]+)(?::(.*))?$/s.exec(text) ?? [];
  switch (scheme) {
    case 'bullmq':
      if (!isUrl(url, /^rediss?:$/))
        throw new QueueError('bullmq: names no Redis: use bullmq:redis://HOST:PORT or bullmq:rediss://HOST:PORT');
      return { engine: scheme, url };
    case 'sqs':
      if (!isUrl(url, /^https?:$/) || new URL(url).pathname === '/')
        throw new QueueError(
          'sqs: names no queue: use sqs:QUEUE_URL, e.g. sqs:https://sqs.REGION.amazonaws.com/ACCOUNT/NAME',
        );
      // A FIFO queue delays no single message, and holds up a group for as long as one of its messages is being dealt with.
      if (url.endsWith('.fifo')) throw new QueueError('sqs: takes a standard queue, which this one is not');
      return { engine: scheme, url };
    default:
      throw new QueueError(`unknown queue "${text}": use ${QUEUE_ADDRESSES}`);
  }
}

function isUrl(text: string, protocol: RegExp): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && protocol.test(url.protocol) && url.hostname !== '';
}

const LIBRARIES: { readonly [engine in QueueAddress['engine']]: readonly string[] } = {
  bullmq: ['bullmq', 'ioredis'],
  sqs: ['sqs-consumer', '@aws-sdk/client-sqs'],
};

/** Opens the queue and makes sure that it answers. Rejects with a `QueueError` that says what to do. */
export async function openQueue(
  { engine, url }: QueueAddress,
  logger: Logger,
  settings: ConsumerSettings = {},
): Promise<OpenedQueue> {
  try {
    return await queues[engine](url, logger, settings);
  } catch (cause) {
    const missing = missingLibraries(cause, LIBRARIES[engine]);
    if (missing !== undefined) throw new QueueError(`the ${engine} queue ${missing}`, { cause });
    const message = cause instanceof Error ? cause.message : String(cause);
    const remedy =
      engine === 'sqs' ? ': check the URL, the credentials and that they allow sqs:GetQueueAttributes' : '';
    throw new QueueError(`the ${engine} queue cannot be used: ${message}${remedy}`, { cause });
  }
}
