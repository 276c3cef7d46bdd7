/**
 * The backend on Amazon DynamoDB: one item per record in one table, every write conditional,
 * every read strongly consistent, no Scan and no index. Retries with back-off are the client's
 * own, so configure them there; what they must not do is decided here. Not the table itself:
 * see dynamodb-table.ts.
 */
import type { ConsumedCapacity, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { type Clock, type EpochMs, type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import type { RecordKey, RecordWrite, StoredRecord, Version } from './backend.ts';
import { CheckedBackend, type PageRead } from './checked-backend.ts';
import { documentClient, refusedItem } from './dynamodb-document.ts';
import { attemptsOf, type DynamoDbCall, isConditionFailure, translate, unavailable } from './dynamodb-errors.ts';
import {
  ADD_AND_REMEMBER_WRITER,
  CONDITION,
  countOf,
  isLive,
  itemKey,
  toItem,
  toRecord,
  versionOf,
  wasWrittenBy,
} from './dynamodb-item.ts';
import { BackendConflictError } from './errors.ts';
import { addBelow, type PageQuery } from './validation.ts';

export interface DynamoDbBackendOptions {
  /** Stays open when the backend is closed. Its retry settings bound how often a call is tried. */
  readonly client: DynamoDBClient;
  readonly tableName: string;
  /** Decides what has expired. Default: the system's. */
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  /** How long one call may take, retries included. Default: 10,000. */
  readonly timeoutMs?: number;
  /**
   * Called with what each call cost; asks DynamoDB for that only when set. A write that is
   * refused costs units too, but DynamoDB does not say how many: it is not reported.
   */
  readonly onConsumedCapacity?: (event: ConsumedCapacityEvent) => void;
}

export interface ConsumedCapacityEvent extends DynamoDbCall {
  readonly units: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;

export class DynamoDbBackend extends CheckedBackend {
  readonly name = 'dynamodb';
  readonly #options: DynamoDbBackendOptions;
  readonly #client: DynamoDBDocumentClient;
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #table: { readonly TableName: string; readonly ReturnConsumedCapacity?: 'TOTAL' };

  constructor(options: DynamoDbBackendOptions) {
    super();
    this.#options = options;
    this.#client = documentClient(options.client);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#table = {
      TableName: options.tableName,
      ...(options.onConsumedCapacity && { ReturnConsumedCapacity: 'TOTAL' }),
    };
  }

  protected async read(key: RecordKey): Promise<StoredRecord | undefined> {
    const command = new GetCommand({ ...this.#table, Key: itemKey(key), ConsistentRead: true });
    const { Item: item } = await this.#call('GetItem', (options) => this.#client.send(command, options));
    return isLive(item, this.#clock.now()) ? toRecord(item) : undefined;
  }

  /**
   * A client that retried cannot always tell whether its first attempt landed: if others have
   * written on top since, this rejects with `BackendUnavailableError` and not with a conflict,
   * which would promise that nothing changed.
   */
  protected async write(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version> {
    const writer = this.#token();
    const command = new PutCommand({
      ...this.#table,
      Item: toItem(key, write, expected + 1, writer),
      ConditionExpression: expected === 0 ? CONDITION.isMissing : CONDITION.hasTheExpectedVersion,
      ExpressionAttributeValues: {
        ':now': this.#clock.now(),
        ...(expected !== 0 && { ':expected': expected }),
      },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    try {
      await this.#call('PutItem', (options) => this.#client.send(command, options));
      return expected + 1;
    } catch (error) {
      if (!isConditionFailure(error)) throw error;
      const stored = refusedItem(error);
      if (wasWrittenBy(stored, writer)) return expected + 1;
      const actual = isLive(stored, this.#clock.now()) ? versionOf(stored) : 0;
      if (attemptsOf(error) > 1 && actual > expected + 1) {
        throw unavailable(
          { operation: 'PutItem', table: this.#table.TableName },
          'it was retried and others wrote since; whether it landed is unknown',
          error,
        );
      }
      throw new BackendConflictError(expected, actual, { cause: error });
    }
  }

  /** If the client had to retry because an answer was lost, this may say `false` for a record that it removed. */
  protected async remove(key: RecordKey): Promise<boolean> {
    const command = new DeleteCommand({
      ...this.#table,
      Key: itemKey(key),
      ConditionExpression: CONDITION.isThereAndLive,
      ExpressionAttributeValues: { ':now': this.#clock.now() },
    });
    try {
      await this.#call('DeleteItem', (options) => this.#client.send(command, options));
      return true;
    } catch (error) {
      if (isConditionFailure(error)) return false;
      throw error;
    }
  }

  protected async page({ partition, limit, order, after }: PageQuery): Promise<PageRead> {
    const command = new QueryCommand({
      ...this.#table,
      ConsistentRead: true,
      KeyConditionExpression: 'PK = :partition',
      FilterExpression: CONDITION.isLive,
      ExpressionAttributeValues: { ':partition': partition, ':now': this.#clock.now() },
      ScanIndexForward: order === 'asc',
      Limit: limit,
      ...(after !== undefined && { ExclusiveStartKey: itemKey({ partition, id: after }) }),
    });
    const page = await this.#call('Query', (sendOptions) => this.#client.send(command, sendOptions));
    const last: unknown = page.LastEvaluatedKey?.['SK'];
    return { records: (page.Items ?? []).map(toRecord), next: typeof last === 'string' ? last : undefined };
  }

  /**
   * One write, without a read. An addition that the client retried because its answer was lost
   * counts once, unless more than four others counted in between: then it counts twice.
   */
  protected async add(key: RecordKey, delta: number, ceiling: number): Promise<number> {
    const writer = this.#token();
    const command = new UpdateCommand({
      ...this.#table,
      Key: itemKey(key),
      UpdateExpression: ADD_AND_REMEMBER_WRITER,
      ConditionExpression: delta <= ceiling ? CONDITION.isAbsentOrCountsWithRoom : CONDITION.countsWithRoom,
      ExpressionAttributeValues: {
        ':now': this.#clock.now(),
        ':delta': delta,
        // Two safe integers may be further apart than any.
        ':room': BigInt(ceiling) - BigInt(delta),
        ':floor': Number.MIN_SAFE_INTEGER - Math.min(delta, 0),
        ':writer': writer,
        ':nobody': '-',
        ':zero': 0,
        ':one': 1,
      },
      ReturnValues: 'UPDATED_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    try {
      const { Attributes: updated } = await this.#call('UpdateItem', (options) => this.#client.send(command, options));
      return countOf(updated ?? {});
    } catch (error) {
      if (!isConditionFailure(error)) throw error;
      const stored = refusedItem(error);
      if (stored !== undefined && wasWrittenBy(stored, writer)) return countOf(stored);
      const current = isLive(stored, this.#clock.now()) ? countOf(stored) : 0;
      // Refused for the sum, which throws, or because an expired counter is in the way.
      return this.#startOver(key, addBelow(current, delta, ceiling), () => this.add(key, delta, ceiling));
    }
  }

  /** 0: DynamoDB's own TTL does it. */
  async cleanupExpired(_now: EpochMs): Promise<number> {
    return 0;
  }

  /** Nothing was opened. */
  async close(): Promise<void> {}

  /** Puts a new counter in an expired one's place, or uses the counter that another process has put there first. */
  async #startOver(key: RecordKey, sum: number, giveWay: () => Promise<number>): Promise<number> {
    try {
      await this.write(key, { value: String(sum) }, 0);
      return sum;
    } catch (error) {
      if (error instanceof BackendConflictError) return giveWay();
      throw error;
    }
  }

  /** One call, bounded in time and counted. Lets a failed condition through; translates all other errors. */
  async #call<Output extends { readonly ConsumedCapacity?: ConsumedCapacity | undefined }>(
    operation: DynamoDbCall['operation'],
    send: (options: { readonly abortSignal: AbortSignal }) => Promise<Output>,
  ): Promise<Output> {
    const timeoutMs = this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const call = { operation, table: this.#table.TableName };
    const abort = new AbortController();
    // Real time, whatever clock was injected: it is the network that is waited for.
    const cancel = systemClock.after(timeoutMs, () => abort.abort());
    try {
      const output = await send({ abortSignal: abort.signal });
      const units = output.ConsumedCapacity?.CapacityUnits;
      if (units !== undefined) this.#options.onConsumedCapacity?.({ ...call, units });
      return output;
    } catch (error) {
      if (isConditionFailure(error)) throw error;
      if (abort.signal.aborted) throw unavailable(call, `no answer within ${timeoutMs} ms`, error);
      throw translate(call, error);
    } finally {
      cancel();
    }
  }

  #token(): string {
    return Buffer.from(this.#random(9)).toString('base64url');
  }
}
