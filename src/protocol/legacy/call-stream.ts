/**
 * The stream of the answer to one request of the 2025 era, by which the server reaches the client until it answers: the
 * questions of a task, each once, and what becomes of it.
 */
import {
  type JSONRPCRequest,
  RELATED_TASK_META_KEY,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import type { CancelTimer, Clock } from '../../clock.ts';
import type { InputRequest } from '../../domain/inputs.ts';
import { isJsonObject } from '../../domain/json.ts';
import { noteAsked, type Task, type TaskRef } from '../../domain/task.ts';
import { isOutage } from '../../store/errors.ts';
import type { StoredTask, TaskStore } from '../../store/task-store.ts';
import type { Client } from '../capability.ts';
import { questionsOf } from '../wire.ts';
import { requestIdOf } from './question-ids.ts';

/**
 * A question that was put to the client on another stream is put to it again only after this while, since that stream
 * may have been cut before the question arrived. Most clients begin the second stream as soon as the first has told them
 * that there is a question.
 */
const ASK_AGAIN_AFTER_MS = 30_000;

/** Until storage that was away is asked again. */
const AFTER_OUTAGE_MS = 1_000;

export interface CallStreamOptions {
  readonly store: TaskStore;
  readonly clock: Clock;
}

export interface AskOptions {
  /**
   * Whether a question that the client has been asked on a stream some time ago is asked on this one again: for streams
   * that a client opens in order to be asked, not for those with which it polls.
   */
  readonly again: boolean;
}

export class CallStream {
  readonly client: Client;
  readonly #server: Server;
  readonly #ctx: ServerContext;
  readonly #store: TaskStore;
  readonly #clock: Clock;
  readonly #asked = new Set<string>();
  #cancelAgain: CancelTimer = () => {};

  constructor(client: Client, server: Server, ctx: ServerContext, { store, clock }: CallStreamOptions) {
    this.client = client;
    this.#server = server;
    this.#ctx = ctx;
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Puts the task's questions on the stream that this client can answer and has not been asked. Resolves to whether there
   * is any that this client has been asked, now or before.
   */
  async ask(stored: StoredTask, { again }: AskOptions): Promise<boolean> {
    this.stop();
    try {
      return await this.#ask(stored, again);
    } catch (error) {
      if (!again || !isOutage(error)) throw error;
      this.#askLater(stored.task, AFTER_OUTAGE_MS);
      return true;
    }
  }

  /** To be called when the stream is over. */
  stop(): void {
    this.#cancelAgain();
  }

  async #ask(stored: StoredTask, again: boolean): Promise<boolean> {
    const questions = await questionsOf(this.#store, stored.task, this.client.askable);
    const answerable = new Map(Object.entries(questions as unknown as Record<string, InputRequest>));
    if (answerable.size === 0) return false;
    const { session } = this.client;
    let due: readonly string[] = [];
    const { task } = await this.#store.update(
      stored.task,
      (current, now) => {
        due = [...answerable.keys()].filter((key) => this.#isDue(current, key, again, now));
        return noteAsked(current, due, session, now);
      },
      stored,
    );
    for (const key of due) {
      const request = answerable.get(key);
      if (request === undefined || !Object.hasOwn(task.inputs, key)) continue;
      this.#asked.add(key);
      await this.#send(task, key, request);
    }
    const others = [...answerable.keys()].filter((key) => !this.#asked.has(key));
    if (again && others.length > 0) this.#askLater(task, ASK_AGAIN_AFTER_MS);
    return true;
  }

  /** What was put on another stream, which may have been cut, is put on this one if it is still open then. */
  #askLater(ref: TaskRef, ms: number): void {
    this.#cancelAgain = this.#clock.after(ms, () => {
      // The task's end is told by whoever waits for it.
      void this.#store.get(ref).then(
        (stored) => this.ask(stored, { again: true }),
        (error: unknown) => isOutage(error) && this.#askLater(ref, AFTER_OUTAGE_MS),
      );
    });
  }

  #isDue({ inputs }: Task, key: string, again: boolean, now: number): boolean {
    const input = Object.hasOwn(inputs, key) ? inputs[key] : undefined;
    if (input === undefined || this.#asked.has(key)) return false;
    const { [this.client.session]: askedAt } = input.askedOf ?? {};
    return askedAt === undefined || (again && now - askedAt >= ASK_AGAIN_AFTER_MS);
  }

  async #send({ id: taskId }: Task, key: string, { method, params = {} }: InputRequest): Promise<void> {
    const id = requestIdOf({ kind: 'task', taskId, key });
    const meta = { ...(isJsonObject(params._meta) ? params._meta : {}), [RELATED_TASK_META_KEY]: { taskId } };
    // This era wants an id of the page's visit, which the later one does not know.
    const visit = params.mode === 'url' ? { elicitationId: id } : {};
    await this.send({ jsonrpc: '2.0', id, method, params: { ...visit, ...params, _meta: meta } });
  }

  /** Past the SDK's own count of requests, since the answer reaches another server than this one. */
  async send(message: JSONRPCRequest): Promise<void> {
    await this.#server.transport?.send(message, { relatedRequestId: this.#ctx.mcpReq.id });
  }
}
