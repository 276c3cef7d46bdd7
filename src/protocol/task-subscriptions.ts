/**
 * `subscriptions/listen` with `taskIds`, whatever carries it: which tasks a caller may listen to, what of their changes
 * is sent, when a subscription is over, and how many one owner may have. How messages travel, and what else a client
 * listens to, is the business of `listen.ts` (HTTP) and `stdio-wire.ts`.
 */
import {
  type AuthInfo,
  ProtocolError,
  ProtocolErrorCode,
  SUBSCRIPTION_ID_META_KEY,
} from '@modelcontextprotocol/server';
import type { Clock } from '../clock.ts';
import type { Askable } from '../domain/askable.ts';
import { isTaskError } from '../domain/errors.ts';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { encodeOwner, type Owner } from '../domain/owner.ts';
import { isTerminal } from '../domain/status.ts';
import type { TaskRef } from '../domain/task.ts';
import { isTaskId } from '../domain/task-id.ts';
import type { StoredTask, TaskStore } from '../store/task-store.ts';
import { watchTask } from './awaiting.ts';
import { metaAskable, metaDeclaresTasks } from './capability.ts';
import { BUSY, tasksRequired } from './errors.ts';
import { detailedTask } from './wire.ts';

/** Tasks of one subscription. */
const MAX_TASK_IDS = 100;
/** Subscriptions of one owner that are open at the same time in this process. */
const MAX_OPEN_PER_OWNER = 20;
/** How often the store is looked at for changes that other instances make, in milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** A listen request that asks for tasks. */
export interface TaskFilter {
  readonly id: unknown;
  readonly params: JsonObject;
  readonly taskIds: unknown;
  /** The request without them, for the SDK, which knows no task ids. */
  readonly withoutTasks: JsonObject;
}

/** `undefined` for every message that is no such request. */
export function taskFilterOf(message: unknown): TaskFilter | undefined {
  if (!isJsonObject(message) || message.method !== 'subscriptions/listen') return undefined;
  const { id, params } = message;
  if (!isJsonObject(params) || !isJsonObject(params.notifications) || !('taskIds' in params.notifications)) {
    return undefined;
  }
  const { taskIds, ...others } = params.notifications;
  return { id, params, taskIds, withoutTasks: { ...message, params: { ...params, notifications: others } } };
}

/** Where the messages of a subscription go; one that is slow is waited for. */
export type Send = (message: object) => void | Promise<void>;

export interface TaskSubscription {
  /** The SDK's acknowledgement, with the tasks that are listened to. */
  acknowledgement(ofSdk: Readonly<Record<string, unknown>>): object;
  /** Sends each task as it is, then each change. Resolves when all have ended; rejects when one cannot be read any more. */
  show(send: Send): Promise<void>;
}

export interface SubscriptionServices {
  readonly store: TaskStore;
  readonly clock: Clock;
  readonly ownerOf: (authInfo: AuthInfo | undefined) => Owner;
  /** With each look at the store. */
  readonly onLook: (stored: StoredTask) => Promise<void>;
  /** Fires when the server closes: subscriptions then end as if their tasks had. */
  readonly closing: AbortSignal;
}

interface WatchedTask extends TaskRef {
  readonly lookEveryMs: number;
}

export class TaskSubscriptions {
  readonly #services: SubscriptionServices;
  readonly #open = new Map<string, number>();

  constructor(services: SubscriptionServices) {
    this.#services = services;
  }

  /** `ended` ends the subscription and gives its place back. Throws what the client is to be told. */
  async open(
    { id, params, taskIds }: TaskFilter,
    authInfo: AuthInfo | undefined,
    ended: AbortSignal,
  ): Promise<TaskSubscription> {
    if (!metaDeclaresTasks(params._meta)) throw tasksRequired();
    const owner = this.#services.ownerOf(authInfo);
    const watched = await this.#knownTasks(taskIds, owner);
    this.#count(encodeOwner(owner), ended);
    const askable = metaAskable(params._meta);
    return {
      acknowledgement: (ofSdk) => withTaskIds(ofSdk, watched),
      show: async (send) => {
        await Promise.all(watched.map((ref) => this.#show(ref, { id, askable, ended, send })));
      },
    };
  }

  /** Until the subscription has ended. Throws when the owner has too many. */
  #count(owner: string, ended: AbortSignal): void {
    if (ended.aborted) return;
    const open = this.#open.get(owner) ?? 0;
    if (open >= MAX_OPEN_PER_OWNER) {
      throw new ProtocolError(
        BUSY,
        `There are already ${open} subscriptions of this caller; close one, or poll tasks/get.`,
      );
    }
    this.#open.set(owner, open + 1);
    const release = () => {
      const left = (this.#open.get(owner) ?? 1) - 1;
      if (left === 0) this.#open.delete(owner);
      else this.#open.set(owner, left);
    };
    ended.addEventListener('abort', release, { once: true });
  }

  /** The acknowledged subset: what exists and is the caller's. Unknown and foreign ids are left out alike. */
  async #knownTasks(taskIds: unknown, owner: Owner): Promise<WatchedTask[]> {
    if (!Array.isArray(taskIds) || taskIds.length > MAX_TASK_IDS || !taskIds.every((id) => typeof id === 'string')) {
      const text = `notifications.taskIds must be an array of at most ${MAX_TASK_IDS} task ids.`;
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, text);
    }
    const found: WatchedTask[] = [];
    for (const id of new Set(taskIds.filter(isTaskId))) {
      try {
        const { task } = await this.#services.store.get({ owner, id });
        found.push({ owner, id, lookEveryMs: Math.max(LOOK_EVERY_MS, task.pollIntervalMs) });
      } catch (error) {
        if (!isTaskError(error, 'task_not_found')) throw error;
      }
    }
    return found;
  }

  /** Until the task has ended, the client has left, or the server closes. */
  async #show(
    ref: WatchedTask,
    to: {
      readonly id: unknown;
      /** What the client can be asked for. */
      readonly askable: readonly Askable[];
      readonly ended: AbortSignal;
      readonly send: Send;
    },
  ): Promise<void> {
    const { store, clock, closing, onLook } = this.#services;
    const { lookEveryMs } = ref;
    const signal = AbortSignal.any([to.ended, closing]);
    let shown = '';
    try {
      for await (const { task } of watchTask(ref, { store, clock, lookEveryMs, signal, onLook })) {
        const detail = await detailedTask(store, task, clock.now(), to.askable);
        // With a grown interval alone a task has not changed.
        const text = JSON.stringify({ ...detail, pollIntervalMs: undefined });
        if (text !== shown) {
          shown = text;
          const meta = { ...(isJsonObject(detail._meta) ? detail._meta : {}), [SUBSCRIPTION_ID_META_KEY]: to.id };
          await to.send({ jsonrpc: '2.0', method: 'notifications/tasks', params: { ...detail, _meta: meta } });
        }
        if (isTerminal(task.status)) return;
      }
    } catch (error) {
      if (!isTaskError(error, 'task_not_found')) throw error;
    }
  }
}

function withTaskIds(acknowledgement: Readonly<Record<string, unknown>>, refs: readonly TaskRef[]): object {
  const params = isJsonObject(acknowledgement.params) ? acknowledgement.params : {};
  const notifications = isJsonObject(params.notifications) ? params.notifications : {};
  const taskIds = refs.map(({ id }) => id);
  return { ...acknowledgement, params: { ...params, notifications: { ...notifications, taskIds } } };
}
