/** The side of a task server that runs tasks, over a store and a queue. Answers no requests. */
import { type Clock, type RandomBytes, systemClock, systemRandom } from '../clock.ts';
import { assertAnswerBound } from '../domain/answer-size.ts';
import type { TaskRef } from '../domain/task.ts';
import type { AnyTool } from '../protocol/tool.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { Looker, type LookOptions, type LookReport, type LookTimes } from '../runtime/queues/looker.ts';
import type { TaskQueue } from '../runtime/queues/queue.ts';
import { DEFAULT_LEASE_TIMES, type LeaseTimes } from '../runtime/running/held-task.ts';
import { isGone, processName } from '../runtime/running/process-name.ts';
import { Runner, type RunReport } from '../runtime/running/runner.ts';
import { guardStrayErrors, type StrayErrorOptions } from '../runtime/running/stray-errors.ts';
import type { TaskStore } from '../store/task-store.ts';
import type { TaskResource } from '../workflow/resources.ts';
import { runnableTools } from '../workflow/serving.ts';
import type { Workflow } from '../workflow/workflow.ts';

export interface WorkerSettings {
  readonly tools: readonly AnyTool[];
  /** Prompts that own tasks: see `defineWorkflow`. @default none */
  readonly workflows?: readonly Workflow[] | undefined;
  /** What workflows read: see `defineResource`. @default none */
  readonly resources?: readonly TaskResource[] | undefined;
  /** @default a lease of 30 s, a heartbeat every 5 s */
  readonly leaseTimes?: LeaseTimes;
  /** @default for a process that looks every few seconds */
  readonly lookTimes?: LookTimes;
  /** @default silent */
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomBytes;
  /**
   * Errors that escape from a tool (a rejection that nobody handles, a throw in a timer) fail its task alone; this says
   * what becomes of those that belong to no task: `exit` ends the process, as Node does. @default 'exit'
   */
  readonly strayErrors?: StrayErrorOptions['others'];
  /**
   * How long a run that could suspend stays for code that awaits something else than operations, in milliseconds.
   * @default 20
   */
  readonly graceMs?: number | undefined;
  /**
   * The largest answer that can be carried to a client, in bytes of its JSON text within a JSON string: what a buffered
   * function's answer is. Results and questions that are larger are refused when they are to be stored; at least 65536.
   * @default no bound but that of values, 5 MiB
   */
  readonly maxAnswerBytes?: number | undefined;
}

export interface TaskWorkerOptions extends WorkerSettings {
  readonly store: TaskStore;
  /** Where runs that are due later go. */
  readonly queue: TaskQueue;
}

export interface TaskWorker {
  /**
   * Runs the task if it is due; safe for any task, at any time, any number of times, on any number of machines.
   * `notBefore` is what the delivery was enqueued with, so that one that comes a moment early is not lost.
   * Rejects when the delivery must come again.
   */
  runTask(ref: TaskRef, notBefore?: number): Promise<RunReport>;
  /**
   * Looks at the tasks whose time on the agenda has come; see `Looker`. To be called every few seconds by a process that
   * runs tasks, or by another that has the queue.
   */
  look(options?: LookOptions): Promise<LookReport>;
  /** Running handlers get their signal and give their tasks back; `out_of_time` for a process that goes on. */
  stop(reason?: 'shutdown' | 'out_of_time'): void;
}

/** Throws `invalid_definition` for settings that cannot work. */
export function createTaskWorker(options: TaskWorkerOptions): TaskWorker {
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? silentLogger;
  const { store, queue, graceMs, maxAnswerBytes, leaseTimes = DEFAULT_LEASE_TIMES, clock = systemClock } = options;
  assertAnswerBound(maxAnswerBytes);
  const runner = new Runner({
    store,
    queue,
    tools: runnableTools({
      tools: options.tools,
      workflows: options.workflows ?? [],
      resources: options.resources ?? [],
      store,
      queue,
      clock,
      logger,
    }),
    holder: processName(Buffer.from(random(12)).toString('hex')),
    isGone,
    clock,
    times: leaseTimes,
    random,
    logger,
    graceMs,
    maxAnswerBytes,
  });
  const looker = new Looker({
    store,
    queue,
    clock,
    logger,
    times: options.lookTimes,
    leaseMs: leaseTimes.leaseMs,
    isGone,
  });
  let unguard: (() => void) | undefined;
  return {
    look: (lookOptions) => looker.look(lookOptions),
    runTask: (ref, notBefore) => {
      unguard ??= guardStrayErrors({ logger, others: options.strayErrors ?? 'exit' });
      return runner.runTask(ref, notBefore);
    },
    stop: (reason = 'shutdown') => {
      runner.stop(reason);
      if (reason !== 'shutdown') return;
      unguard?.();
      unguard = undefined;
    },
  };
}
