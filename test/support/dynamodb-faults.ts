/**
 * A DynamoDB client whose network misbehaves on demand: answers get lost after the request
 * landed, requests are refused before it does. Retries wait a millisecond. Counts what is sent.
 */
import type { DynamoDBClient, ServiceInputTypes } from '@aws-sdk/client-dynamodb';
import { dynamoDbClient } from './engines/clients.ts';

export interface FaultyClient {
  readonly client: DynamoDBClient;
  /** Every attempt that the client made, in order. */
  readonly sent: { readonly operation: string; readonly input: ServiceInputTypes }[];
  /** Drops the answer of the next request that succeeds, after it landed and `meanwhile` was done. */
  loseNextAnswer(meanwhile?: () => Promise<unknown>): void;
  /** Every request from now on fails with `error` before it reaches the engine. */
  refuseAll(error: Error): void;
}

const MAX_ATTEMPTS = 3;

export function faultyClient(): FaultyClient {
  const client = dynamoDbClient({ retryStrategy: impatientRetries() });
  const sent: { operation: string; input: ServiceInputTypes }[] = [];
  let losing: (() => Promise<unknown>) | undefined;
  let refusal: Error | undefined;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      sent.push({ operation: String(context['commandName']), input: args.input });
      if (refusal !== undefined) throw refusal;
      const answer = await next(args);
      const meanwhile = losing;
      losing = undefined;
      if (meanwhile === undefined) return answer;
      await meanwhile();
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    },
    { step: 'deserialize', name: 'faults' },
  );
  return {
    client,
    sent,
    loseNextAnswer(meanwhile = async () => undefined) {
      losing = meanwhile;
    },
    refuseAll(error) {
      refusal = error;
    },
  };
}

/** The client's standard strategy as far as it decides, without its seconds of back-off. */
function impatientRetries() {
  const token = (count: number) => ({ getRetryCount: () => count, getRetryDelay: () => 1 });
  return {
    async acquireInitialRetryToken() {
      return token(0);
    },
    async refreshRetryTokenForRetry(used: { getRetryCount(): number }, error: { errorType: string }) {
      const attempts = used.getRetryCount() + 1;
      if (error.errorType === 'CLIENT_ERROR' || attempts >= MAX_ATTEMPTS) throw new Error('no further attempt');
      return token(attempts);
    },
    recordSuccess() {},
  };
}
