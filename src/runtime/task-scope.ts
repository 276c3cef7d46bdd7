/** Makes a handler's operations out of the durable SDK's context and what a run offers. */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  createRetryStrategy,
  type DurableContext,
  type Duration,
  JitterStrategy,
  type StepConfig,
} from '@aws/durable-execution-sdk-js';
import { isTaskError } from '../domain/errors.ts';
import type { InputRequest } from '../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../domain/json.ts';
import type {
  ElicitResult,
  InputOptions,
  Root,
  ScopePort,
  StepScope,
  TaskScope,
  TaskVariables,
} from './task-context.ts';

/** Six tries, 5 s apart at first, doubling up to a minute, with full jitter. */
export const DEFAULT_STEP_RETRY = createRetryStrategy({
  maxAttempts: 6,
  initialDelay: { seconds: 5 },
  maxDelay: { seconds: 60 },
  backoffRate: 2,
  jitter: JitterStrategy.FULL,
});

const FIVE_TRIES_AT_ONCE = createRetryStrategy({
  maxAttempts: 5,
  initialDelay: { seconds: 1 },
  backoffRate: 2,
  jitter: JitterStrategy.NONE,
});

/** Storage trouble passes; what may not be written may not be written the next time either. */
const passingTrouble: NonNullable<StepConfig<unknown>['retryStrategy']> = (error, attempt) =>
  isTaskError(error, 'unavailable') || isTaskError(error, 'contention')
    ? FIVE_TRIES_AT_ONCE(error, attempt)
    : { shouldRetry: false };

/** Set while a step's action runs, where durable operations are not allowed. */
const insideStep = new AsyncLocalStorage<true>();

const jsonAnswer = {
  deserialize: async (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text)),
};

export function createScope(durable: DurableContext, port: ScopePort): TaskScope {
  const branch = (context: DurableContext) => createScope(context, port);
  const stepScope = (attempt: number): StepScope => ({ attempt, logger: port.logger, signal: port.signal });

  const step = <T>(name: string, action: (step: StepScope) => Promise<T>, config?: StepConfig<T>): Promise<T> =>
    durable.step(name, ({ attempt }) => insideStep.run(true, () => action(stepScope(attempt))), {
      retryStrategy: DEFAULT_STEP_RETRY,
      ...config,
    });

  const ask = async <T>(request: InputRequest, options: InputOptions = {}): Promise<T> => {
    port.assertAskable(request);
    const name = options.name ?? request.method;
    const [answer, key] = await durable.createCallback<T>(name, { ...timeoutOf(options), serdes: jsonAnswer });
    port.registerInput(key, request);
    return answer;
  };

  return {
    step,
    wait: (name, duration) => durable.wait(name, duration),
    waitForCallback: (name, submit, options) =>
      durable.waitForCallback(name, (key) => insideStep.run(true, async () => submit(await port.openCallback(key))), {
        retryStrategy: DEFAULT_STEP_RETRY,
        ...options,
        serdes: jsonAnswer,
      }),
    waitForCondition: (name, check, config) =>
      durable.waitForCondition(
        name,
        (state, { attempt }) => insideStep.run(true, () => check(state, stepScope(attempt))),
        config,
      ),
    map: (name, items, action, config) =>
      durable.map(name, [...items], (context, item, index) => action(branch(context), item, index), config),
    parallel: (name, branches, config) =>
      durable.parallel(
        name,
        branches.map((action) => (context: DurableContext) => action(branch(context))),
        config,
      ),
    runInChildContext: (name, action) => durable.runInChildContext(name, (context) => action(branch(context))),
    elicit: (params, options) => ask<ElicitResult>({ method: 'elicitation/create', params: params }, options),
    sample: (params, options) => ask<JsonObject>({ method: 'sampling/createMessage', params }, options),
    listRoots: async (options) => (await ask<{ roots: Root[] }>({ method: 'roots/list' }, options)).roots,
    variables: createVariables(step, port),
  };
}

function createVariables(step: TaskScope['step'], port: ScopePort): TaskVariables {
  const recorded = <T>(name: string, action: () => Promise<T>): Promise<T> =>
    insideStep.getStore() === true ? action() : step(name, action, { retryStrategy: passingTrouble });
  const merge = (changes: JsonObject) => recorded('variables.merge', () => port.mergeVariables(changes));
  return {
    all: () => recorded('variables.all', () => port.readVariables()),
    // Records the one value, not all of them.
    get: (key) =>
      recorded('variables.get', async (): Promise<JsonValue | undefined> => {
        const variables = await port.readVariables();
        return Object.hasOwn(variables, key) ? variables[key] : undefined;
      }),
    set: (key, value) => merge({ [key]: value }),
    merge,
    delete: (key) => merge({ [key]: null }),
  };
}

function timeoutOf({ timeout }: { readonly timeout?: Duration }): { timeout?: Duration } {
  return timeout === undefined ? {} : { timeout };
}
