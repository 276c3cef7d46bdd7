/**
 * What passes between a connection over stdio and the SDK's entry for it, which knows no task ids and would report
 * answers that it did not ask for: subscriptions to tasks are served here, answers to questions of tasks are handed to
 * whom they are for, and the client's own name is overheard. Everything else passes unchanged, in its order.
 */
/* oxlint-disable unicorn/prefer-add-event-listener -- The SDK's transports have no such method. */
import {
  CLIENT_INFO_META_KEY,
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type RequestId,
  SUBSCRIPTION_ID_META_KEY,
  type Transport,
  type TransportSendOptions,
} from '@modelcontextprotocol/server';
import { isJsonObject } from '../domain/json.ts';
import { describeError, type Logger } from '../runtime/logger.ts';
import { toProtocolError } from './errors.ts';
import { REQUEST_ID_PREFIX } from './legacy/question-ids.ts';
import { type TaskFilter, type TaskSubscriptions, taskFilterOf } from './task-subscriptions.ts';

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

export interface StdioWireOptions {
  readonly subscriptions: TaskSubscriptions;
  readonly logger: Logger;
  /** Takes the client's answer to a request that a task has made. @default it is left to the SDK */
  readonly onAnswer?: ((message: JSONRPCMessage) => Promise<void>) | undefined;
  /** Before the SDK learns that the connection is over, and aborts what is under way. */
  readonly onClosed: () => void;
}

interface Subscription {
  /** `undefined`: it is the SDK's alone. */
  readonly filter: TaskFilter | undefined;
  /** Ends what is shown of its tasks, and gives its place back. */
  readonly ended: AbortController;
}

export class StdioWire implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: Transport['onmessage'];
  readonly #inner: Transport;
  readonly #options: StdioWireOptions;
  readonly #subscriptions = new Map<RequestId, Subscription>();
  readonly #unanswered = new Set<RequestId>();
  #onAnswered: (() => void) | undefined;
  #clientName: string | undefined;

  constructor(inner: Transport, options: StdioWireOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  /** What the client calls itself; `undefined`: it has not said so yet. */
  get clientName(): string | undefined {
    return this.#clientName;
  }

  async start(): Promise<void> {
    this.#inner.onmessage = (message) => this.#receive(message);
    this.#inner.onerror = (error) => this.onerror?.(error);
    this.#inner.onclose = () => {
      for (const id of this.#subscriptions.keys()) this.#end(id);
      this.#unanswered.clear();
      this.#onAnswered?.();
      this.#options.onClosed();
      this.onclose?.();
    };
    await this.#inner.start();
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (isJSONRPCNotification(message) && message.method === ACKNOWLEDGED) {
      const id = subscriptionIdOf(message.params);
      const { filter, ended } = (id === undefined ? undefined : this.#subscriptions.get(id)) ?? {};
      if (id !== undefined && filter !== undefined && ended !== undefined) {
        return this.#open(id, filter, ended, message);
      }
    }
    const answered = isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message) ? message.id : undefined;
    // One that has ended here already, which the SDK did not know yet.
    if (answered !== undefined && isEnd(message) && !this.#subscriptions.has(answered)) return;
    await this.#inner.send(message, options);
    if (answered === undefined) return;
    // Any answer to a subscription is its end: a refusal, or the SDK's own end of it.
    this.#end(answered);
    this.#settle(answered);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  /** Resolves when every request that has come has its answer, but for subscriptions, or the connection is over. */
  answered(): Promise<void> {
    return new Promise((resolve) => {
      this.#onAnswered = resolve;
      if (this.#unanswered.size === 0) resolve();
    });
  }

  #receive(message: JSONRPCMessage): void {
    if (isJSONRPCRequest(message)) {
      // One connection is one client, whatever it says later.
      this.#clientName ??= nameIn(message);
      if (message.method === 'subscriptions/listen') {
        this.#end(message.id);
        const filter = taskFilterOf(message);
        this.#subscriptions.set(message.id, { filter, ended: new AbortController() });
        this.onmessage?.(filter === undefined ? message : (filter.withoutTasks as unknown as JSONRPCRequest));
        return;
      }
      this.#unanswered.add(message.id);
    } else if (isJSONRPCNotification(message)) {
      if (message.method === 'notifications/cancelled') {
        const cancelled = message.params?.requestId as RequestId | undefined;
        if (cancelled !== undefined) {
          this.#end(cancelled);
          this.#settle(cancelled);
        }
      }
    } else if (typeof message.id === 'string' && message.id.startsWith(REQUEST_ID_PREFIX)) {
      const { onAnswer } = this.#options;
      if (onAnswer !== undefined) {
        onAnswer(message).catch((error: unknown) => {
          this.#options.logger.warn('The answer of a client was not taken', describeError(error));
        });
        return;
      }
    }
    this.onmessage?.(message);
  }

  /** The SDK has nothing against the request: it is acknowledged with its tasks, and they are shown. */
  async #open(
    id: RequestId,
    filter: TaskFilter,
    ended: AbortController,
    acknowledgement: JSONRPCMessage,
  ): Promise<void> {
    const send = async (message: object) => {
      if (!ended.signal.aborted) await this.#inner.send(message as JSONRPCMessage);
    };
    try {
      const subscription = await this.#options.subscriptions.open(filter, undefined, ended.signal);
      const acknowledged = subscription.acknowledgement({ ...acknowledgement });
      await send(acknowledged);
      void subscription
        .show(send)
        .then(() => (listensToMore(acknowledged) ? undefined : this.#finish(id, ended, { result: endOf(id) })))
        // What cannot be read, or written, any more is over.
        .catch((error: unknown) => this.#finish(id, ended, { error: errorOf(error) }))
        .catch(() => {});
    } catch (error) {
      await this.#finish(id, ended, { error: errorOf(error) });
    }
  }

  /** The server ends a subscription: the SDK forgets it, and the client gets its answer. */
  async #finish(id: RequestId, ended: AbortController, answer: object): Promise<void> {
    // The SDK has one way to forget it: what a client that leaves would send.
    if (ended.signal.aborted) return;
    this.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
    this.#end(id);
    await this.#inner.send({ jsonrpc: '2.0', id, ...answer } as JSONRPCMessage);
  }

  #end(id: RequestId): void {
    this.#subscriptions.get(id)?.ended.abort();
    this.#subscriptions.delete(id);
  }

  #settle(id: RequestId): void {
    this.#unanswered.delete(id);
    if (this.#unanswered.size === 0) this.#onAnswered?.();
  }
}

/** Whether the SDK goes on with it when the tasks have ended: it has acknowledged something else than them. */
function listensToMore(acknowledged: object): boolean {
  const params = 'params' in acknowledged ? acknowledged.params : undefined;
  const notifications = isJsonObject(params) ? params.notifications : undefined;
  return isJsonObject(notifications) && Object.keys(notifications).some((name) => name !== 'taskIds');
}

/** Whether it is the answer to a subscription. */
function isEnd(message: JSONRPCMessage): boolean {
  if (!isJSONRPCResultResponse(message)) return false;
  const id = subscriptionIdOf(message.result);
  return id !== undefined && id === message.id;
}

function endOf(id: RequestId): object {
  return { resultType: 'complete', _meta: { [SUBSCRIPTION_ID_META_KEY]: id } };
}

function errorOf(error: unknown): object {
  const { code, message, data } = toProtocolError(error);
  return { code, message, ...(data === undefined ? {} : { data }) };
}

function subscriptionIdOf(params: unknown): RequestId | undefined {
  const meta = isJsonObject(params) ? params._meta : undefined;
  const id = isJsonObject(meta) ? meta[SUBSCRIPTION_ID_META_KEY] : undefined;
  return typeof id === 'string' || typeof id === 'number' ? id : undefined;
}

/** Of the 2025 eras in `initialize`, of the 2026 era in each request. */
function nameIn({ method, params }: JSONRPCRequest): string | undefined {
  if (!isJsonObject(params)) return undefined;
  const inEnvelope = isJsonObject(params._meta) ? params._meta[CLIENT_INFO_META_KEY] : undefined;
  const info = inEnvelope ?? (method === 'initialize' ? params.clientInfo : undefined);
  return isJsonObject(info) && typeof info.name === 'string' ? info.name : undefined;
}
