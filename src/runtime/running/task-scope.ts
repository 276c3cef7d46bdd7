/** Makes a handler's operations out of a branch of the engine and what a run offers. */
import { type Askable, CannotAskError, includesAskable, neededFor } from '../../domain/askable.ts';
import { isTaskError } from '../../domain/errors.ts';
import type { InputRequest } from '../../domain/inputs.ts';
import type { JsonObject, JsonValue } from '../../domain/json.ts';
import { type Branch, type StepTry, stepUnderWay } from '../../engine/branch.ts';
import { raceBranches, runBranches, runChild } from '../../engine/branches.ts';
import { assertFunction, assertOptions, MisuseError } from '../../engine/misuse.ts';
import { createRetryStrategy, DEFAULT_STEP_RETRY } from '../../engine/retry.ts';
import { present } from '../../present.ts';
import type {
  CallbackOptions,
  ElicitOptions,
  ElicitParams,
  ElicitResult,
  InputOptions,
  Root,
  ScopePort,
  StepScope,
  TaskScope,
  TaskVariables,
} from './task-context.ts';

/** Storage trouble passes; what may not be written may not be written the next time either. */
export const passingTrouble = createRetryStrategy({
  maxAttempts: 5,
  initialDelay: { seconds: 1 },
  jitter: 'none',
  isRetryable: (error) => isTaskError(error, 'unavailable') || isTaskError(error, 'contention'),
});

export function createScope(branch: Branch, port: ScopePort): TaskScope {
  const scopeOf = (child: Branch) => createScope(child, port);
  const withLogger = (step: StepTry): StepScope => ({
    attempt: step.attempt,
    logger: port.logger,
    get signal() {
      return step.signal;
    },
  });

  const step: TaskScope['step'] = (name, action, config) => {
    assertFunction('step', 'an action', action);
    return branch.step(name, (step) => action(withLogger(step)), config);
  };

  const canAsk = (kind: Askable | 'elicitation') => port.mayAsk === undefined || includesAskable(port.mayAsk, kind);
  // In a step it is misuse, whomever the task belongs to.
  const mustRefuse = (kind: Askable) => !canAsk(kind) && stepUnderWay() === undefined;

  const ask = <T>(
    request: InputRequest,
    options: InputOptions = {},
    decode?: (value: JsonValue | undefined) => unknown,
  ): Promise<T> => {
    assertOptions(request.method, options, ['name', 'timeout', 'signal']);
    if (mustRefuse(neededFor(request))) return refused(new CannotAskError(neededFor(request)));
    port.assertAskable(request);
    const { name = request.method, ...config } = options;
    const question = { ...config, request, ...present({ decode }) };
    return branch.input('question', name, question).promise as Promise<T>;
  };

  const elicit = (params: ElicitParams, options: ElicitOptions = {}): Promise<ElicitResult> => {
    assertOptions('elicit', options, ['name', 'timeout', 'signal', 'fallback']);
    const { fallback, ...others } = options;
    const request: InputRequest = { method: 'elicitation/create', params };
    if (fallback === undefined) return ask(request, others);
    const instead: InputRequest = { method: 'elicitation/create', params: fallback };
    const [needed, alternative] = [neededFor(request), neededFor(instead)];
    if (needed === alternative) throw new MisuseError('The fallback of a form is a URL, and that of a URL a form.');
    if (mustRefuse(needed) && mustRefuse(alternative)) return refused(new CannotAskError(needed, alternative));
    return ask(canAsk(needed) ? request : instead, others);
  };

  return {
    step,
    wait: (name, duration, config) => branch.wait(name, duration, config),
    waitUntil: (name, date, config) => branch.waitUntil(name, date, config),
    waitForCallback: (name, submit, options) => waitForCallback(branch, port, name, submit, options),
    waitForCondition: (name, check, config) =>
      branch.waitForCondition(name, (state, look) => check(state, withLogger(look)), config),
    map: (name, items, action, config) => {
      assertFunction('map', 'an action', action);
      const actions = Array.from(
        items,
        (item) => (child: Branch, index: number) => action(scopeOf(child), item, index),
      );
      return runBranches(branch, 'map', name, actions, config);
    },
    parallel: (name, branches, config) => runBranches(branch, 'parallel', name, branchesOf(branches, scopeOf), config),
    race: (name, branches) => raceBranches(branch, name, branchesOf(branches, scopeOf)),
    runInChildContext: (name, action) => runChild(branch, name, (child) => action(scopeOf(child))),
    elicit,
    sample: (params, options) => ask<JsonObject>({ method: 'sampling/createMessage', params }, options),
    listRoots: (options) => ask<Root[]>({ method: 'roots/list' }, options, rootsOf),
    canAsk,
    variables: createVariables(step, port),
    now: () => branch.now(),
    random: () => branch.randomNumber(),
    uuid: () => branch.uuid(),
    patched: (name) => branch.patched(name),
  };
}

/** Ends no process where nobody hears of it, like every operation. */
function refused<T>(reason: CannotAskError): Promise<T> {
  const { promise, reject } = Promise.withResolvers<T>();
  promise.catch(() => {});
  reject(reason);
  return promise;
}

function branchesOf<Result>(
  branches: readonly ((branch: TaskScope) => Promise<Result>)[],
  scopeOf: (branch: Branch) => TaskScope,
) {
  return Array.from(branches, (action) => {
    assertFunction('each branch', 'an action', action);
    return (child: Branch) => action(scopeOf(child));
  });
}

function rootsOf(answer: JsonValue | undefined): unknown {
  return (answer as unknown as { roots: Root[] }).roots;
}

/** The callback is in the journal, and known to who may complete it, before its token leaves the process. */
function waitForCallback<T>(
  branch: Branch,
  port: ScopePort,
  name: string,
  submit: (token: string) => Promise<void>,
  options: CallbackOptions = {},
): Promise<T> {
  assertFunction('waitForCallback', 'a submit function', submit);
  assertOptions('waitForCallback', options, ['timeout', 'signal', 'retryStrategy']);
  const { retryStrategy = DEFAULT_STEP_RETRY, ...config } = options;
  const callback = branch.input('callback', name, { ...config, request: undefined });
  // Refused, since the task or its branch has ended, or withdrawn at once.
  if (callback.isSettled) return callback.promise as Promise<T>;
  const open = async () => {
    // Timed out or withdrawn since, before this try or while storage took its time.
    const token = callback.isSettled ? undefined : await port.openCallback(callback.key);
    if (token !== undefined && !callback.isSettled) await submit(token);
  };
  const submitted = branch.step(`submit ${name}`, open, { retryStrategy });
  // Nobody can complete a callback whose token never left.
  const giveUp = (error: unknown) => branch.withdraw(callback, error);
  void submitted.then(undefined, giveUp);
  return callback.promise as Promise<T>;
}

function createVariables(step: TaskScope['step'], port: ScopePort): TaskVariables {
  const recorded = <T>(name: string, action: () => Promise<T>): Promise<T> =>
    stepUnderWay() === undefined ? step(name, action, { retryStrategy: passingTrouble }) : action();
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
