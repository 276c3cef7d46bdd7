/**
 * The durable engine's storage, over a task's checkpoint log: our `DurableExecutionClient`. One
 * checkpoint appends one entry under the next number; who loses the race for a number stops, and the
 * next run adopts what is there. Answers to callbacks come from the task's head and are copied into
 * the log before the handler sees them, so that each is used exactly once.
 */
import {
  type CheckpointDurableExecutionRequest,
  type CheckpointDurableExecutionResponse,
  type DurableExecutionClient,
  DurableExecutionClientError,
  type GetDurableExecutionStateResponse,
  type WireOperation,
} from '@aws/durable-execution-sdk-js';
import type { Clock } from '../clock.ts';
import { isTaskError, valueTooLarge } from '../domain/errors.ts';
import type { JsonValue } from '../domain/json.ts';
import { MAX_PAYLOAD_BYTES } from '../domain/payload.ts';
import { closeOverdueInputs } from '../domain/run.ts';
import type { Answer } from '../domain/task.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { HeldTask } from './held-task.ts';
import {
  applyEntry,
  type CallbackOutcome,
  type LogEntry,
  nextDueAt,
  type Operations,
  type OutstandingCallback,
  outstandingCallbacks,
  settleDue,
  UnsupportedOperationError,
} from './operations.ts';

const EXECUTION_ID = 'execution';

export interface CheckpointClientOptions {
  readonly held: HeldTask;
  readonly store: TaskStore;
  readonly clock: Clock;
}

export class CheckpointClient implements DurableExecutionClient {
  readonly #held: HeldTask;
  readonly #store: TaskStore;
  readonly #clock: Clock;
  readonly #operations: Operations = new Map();
  readonly #imported = new Set<string>();
  #sequence = 0;

  constructor(options: CheckpointClientOptions) {
    this.#held = options.held;
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Reads the log, where there can be one, and takes in the answers that the head holds. */
  async load(): Promise<void> {
    const { task, claim } = this.#held;
    // The first run of a task finds no log: nobody could have written one.
    const entries = claim.epoch === 1 ? [] : await this.#store.log.read(task);
    for (const entry of entries) applyEntry(this.#operations, entry as unknown as LogEntry);
    this.#sequence = entries.length;
    await this.#importAnswers();
    settleDue(this.#operations, this.#clock.now());
  }

  /** The state to start the engine with. */
  initialOperations(): WireOperation[] {
    const { createdAt } = this.#held.task;
    const execution: WireOperation = {
      Id: EXECUTION_ID,
      Type: 'EXECUTION',
      Status: 'STARTED',
      StartTimestamp: new Date(createdAt),
      ExecutionDetails: { InputPayload: '{}' },
    };
    return [execution, ...[...this.#operations.values()].map((state) => state.wire)];
  }

  get nextDueAt(): number | null {
    return nextDueAt(this.#operations);
  }

  /** Keys of the head's answers that are in the log. */
  get imported(): ReadonlySet<string> {
    return this.#imported;
  }

  get outstanding(): readonly OutstandingCallback[] {
    return outstandingCallbacks(this.#operations);
  }

  async checkpoint(request: CheckpointDurableExecutionRequest): Promise<CheckpointDurableExecutionResponse> {
    try {
      this.#held.signal.throwIfAborted();
      const updates = request.Updates ?? [];
      for (const { Payload } of updates) assertKeepable(Payload);
      const changed = updates.length > 0 ? await this.#append({ at: this.#clock.now(), updates }) : await this.#poll();
      changed.push(...settleDue(this.#operations, this.#clock.now()));
      return {
        CheckpointToken: String(this.#sequence + 1),
        NewExecutionState: { Operations: changed.flatMap((id) => this.#operations.get(id)?.wire ?? []) },
      };
    } catch (error) {
      throw toClientError(error);
    }
  }

  /** The whole state is handed over at the start; there are no further pages. */
  async getExecutionState(): Promise<GetDurableExecutionStateResponse> {
    return { Operations: [] };
  }

  /** Without updates the engine asks whether anything happened outside. */
  async #poll(): Promise<string[]> {
    if (this.outstanding.length === 0) return [];
    await this.#held.refresh();
    const now = this.#clock.now();
    if (Object.values(this.#held.task.inputs).some(({ timeoutAt }) => timeoutAt !== undefined && timeoutAt <= now)) {
      await this.#held.change(closeOverdueInputs);
    }
    return this.#importAnswers();
  }

  async #importAnswers(): Promise<string[]> {
    const waiting = new Set(this.outstanding.map(({ key }) => key));
    const outcomes: CallbackOutcome[] = [];
    for (const [key, answer] of Object.entries(this.#held.task.answers)) {
      if (waiting.has(key)) outcomes.push(await this.#outcomeOf(key, answer));
      else this.#imported.add(key);
    }
    if (outcomes.length === 0) return [];
    const changed = await this.#append({ at: this.#clock.now(), outcomes });
    for (const { callback } of outcomes) this.#imported.add(callback);
    return changed;
  }

  async #outcomeOf(callback: string, answer: Answer): Promise<CallbackOutcome> {
    switch (answer.outcome) {
      case 'answered': {
        const value = await this.#store.load(this.#held.task, answer.value);
        return { callback, outcome: 'answered', result: JSON.stringify(value) };
      }
      case 'failed':
        return { callback, outcome: 'failed', message: answer.message };
      case 'timed_out':
        return { callback, outcome: 'timed_out', message: 'No answer came in time.' };
    }
  }

  async #append(entry: LogEntry): Promise<string[]> {
    // Applied to the log first: what is not durable has not happened. Through JSON, as a replay will see it.
    const json = JSON.parse(JSON.stringify(entry)) as JsonValue;
    if (!(await this.#held.append(this.#sequence, json))) {
      this.#held.stop('lease_lost');
      throw new Error('Another run has written to the checkpoint log.');
    }
    this.#sequence += 1;
    return applyEntry(this.#operations, entry);
  }
}

function assertKeepable(payload: string | undefined): void {
  const bytes = payload === undefined ? 0 : Buffer.byteLength(payload);
  if (bytes > MAX_PAYLOAD_BYTES) throw valueTooLarge(bytes, MAX_PAYLOAD_BYTES);
}

/** Tells the engine whether a later run can go on (most failures) or the task cannot proceed at all. */
function toClientError(error: unknown): DurableExecutionClientError {
  const final = error instanceof UnsupportedOperationError || isTaskError(error, 'value_too_large');
  const message = error instanceof Error ? error.message : String(error);
  return new DurableExecutionClientError(message, { scope: final ? 'EXECUTION' : 'INVOCATION', cause: error });
}
