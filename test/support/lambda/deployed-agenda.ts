/**
 * What the deployment's table says of its tasks, read beside the functions, so that no look of a client's heals
 * anything; and the one thing that a test cannot wait for: that the time of a record on the agenda comes.
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDbBackend } from '../../../src/backends/dynamodb.ts';
import { systemClock } from '../../../src/clock.ts';
import { ANONYMOUS } from '../../../src/domain/owner.ts';
import type { Task, TaskRef } from '../../../src/domain/task.ts';
import { asTaskId } from '../../../src/domain/task-id.ts';
import type { Agenda } from '../../../src/store/agenda.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { headKey } from '../../../src/store/keys.ts';
import { decodeTask } from '../../../src/store/task-head.ts';

/** Longer than any pause of the agenda. */
const DAY_MS = 24 * 60 * 60_000;

function refOf(taskId: string): TaskRef {
  return { owner: ANONYMOUS, id: asTaskId(taskId) };
}

export class DeployedAgenda {
  readonly #client: DynamoDBClient;
  readonly #backend: DynamoDbBackend;
  readonly #agenda: Agenda;

  constructor(tableName: string, endpoint: string) {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    this.#client = new DynamoDBClient({ region: 'eu-central-1', endpoint, credentials });
    this.#backend = new DynamoDbBackend({ client: this.#client, tableName });
    this.#agenda = new GenericTaskStore({ backend: this.#backend }).agenda;
  }

  /** The task as it is written; a store's own read would enforce its deadline. */
  async headOf(taskId: string): Promise<Task> {
    const record = await this.#backend.get(headKey(refOf(taskId)));
    if (record === undefined) throw new Error(`there is no task ${taskId}`);
    return decodeTask(refOf(taskId), record.value);
  }

  /** As if the time of the task's record had come. */
  letTimeCome(taskId: string): Promise<void> {
    return this.#agenda.note(refOf(taskId), systemClock.now());
  }

  async isOn(taskId: string): Promise<boolean> {
    for (const shard of this.#agenda.due(systemClock.now() + DAY_MS)) {
      for await (const entry of shard) if ('ref' in entry && entry.ref.id === taskId) return true;
    }
    return false;
  }

  close(): void {
    this.#client.destroy();
  }
}
