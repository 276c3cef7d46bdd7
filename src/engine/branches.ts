/**
 * Several branches of a handler side by side, each with operations of its own. Nothing of it is recorded: what
 * the branches ask for is, and from that the same results follow in each run. No branch outlives the call that
 * made it: one that is not needed any more is withdrawn, and waited for while it cleans up.
 */
import type { Branch } from './branch.ts';
import { assertFunction, assertName, assertOptions, MisuseError } from './misuse.ts';
import { errorOf } from './recorded-error.ts';

export type BatchItemStatus = 'SUCCEEDED' | 'FAILED' | 'STARTED';

export interface BatchItem<Result> {
  readonly index: number;
  /** `STARTED`: it was under way when the batch was complete without it. */
  readonly status: BatchItemStatus;
  readonly result?: Result;
  readonly error?: Error;
}

export type CompletionReason =
  | 'ALL_COMPLETED'
  | 'MIN_SUCCESSFUL_REACHED'
  | 'FAILURE_TOLERANCE_EXCEEDED'
  | 'CUSTOM_COMPLETION_SUCCEEDED'
  | 'CUSTOM_COMPLETION_FAILED';

/** What became of branches. Branches that were never begun are not in it. */
export class BatchResult<Result> {
  readonly all: readonly BatchItem<Result>[];
  readonly completionReason: CompletionReason;

  constructor(all: readonly BatchItem<Result>[], completionReason: CompletionReason) {
    this.all = all;
    this.completionReason = completionReason;
  }

  get status(): 'SUCCEEDED' | 'FAILED' {
    return this.hasFailure ? 'FAILED' : 'SUCCEEDED';
  }

  get hasFailure(): boolean {
    return this.failureCount > 0;
  }

  get successCount(): number {
    return this.succeeded().length;
  }

  get failureCount(): number {
    return this.failed().length;
  }

  get startedCount(): number {
    return this.started().length;
  }

  get totalCount(): number {
    return this.all.length;
  }

  succeeded(): (BatchItem<Result> & { readonly result: Result })[] {
    return this.#of('SUCCEEDED') as (BatchItem<Result> & { readonly result: Result })[];
  }

  failed(): (BatchItem<Result> & { readonly error: Error })[] {
    return this.#of('FAILED') as (BatchItem<Result> & { readonly error: Error })[];
  }

  started(): BatchItem<Result>[] {
    return this.#of('STARTED');
  }

  /** Results of the branches that succeeded, in the order of the branches. */
  getResults(): Result[] {
    return this.succeeded().map(({ result }) => result);
  }

  getErrors(): Error[] {
    return this.failed().map(({ error }) => error);
  }

  /** Throws the first error, if a branch failed. */
  throwIfError(): void {
    const [first] = this.failed();
    if (first !== undefined) throw first.error;
  }

  #of(status: BatchItemStatus): BatchItem<Result>[] {
    return this.all.filter((item) => item.status === status);
  }
}

export interface CompletionStatus {
  readonly successCount: number;
  readonly failureCount: number;
  readonly completedCount: number;
  readonly totalCount: number;
  readonly items: readonly { readonly index: number; readonly status?: BatchItemStatus }[];
}

export type CompletionDecision =
  | { readonly complete: false }
  | { readonly complete: true; readonly outcome?: 'SUCCEEDED' | 'FAILED' };

/** When a batch is complete before all of its branches are. Without any of it, the first failure completes it. */
export interface CompletionConfig {
  readonly minSuccessful?: number;
  readonly toleratedFailureCount?: number;
  /** From 0 to 100. */
  readonly toleratedFailurePercentage?: number;
  /** Asked after each branch; decides alone. */
  readonly shouldComplete?: (status: CompletionStatus) => CompletionDecision;
}

export interface BatchConfig {
  /** Branches at the same time. @default all */
  readonly maxConcurrency?: number;
  readonly completionConfig?: CompletionConfig;
}

type BranchAction<Result> = (branch: Branch, index: number) => Promise<Result>;

/** Runs `actions`, each in a branch of its own. `kind` and `name` name them in the journal. */
export async function runBranches<Result>(
  parent: Branch,
  kind: 'map' | 'parallel',
  name: string,
  actions: readonly BranchAction<Result>[],
  config: BatchConfig = {},
): Promise<BatchResult<Result>> {
  assertName(kind, name);
  assertBatchConfig(kind, config);
  for (const action of actions) assertFunction(kind, 'an action for each branch', action);
  const nth = parent.count(kind, name);
  const items = new Map<number, BatchItem<Result>>();
  const counts = { success: 0, failure: 0, total: actions.length };
  let reason = completionOf(config, counts, items);
  const faults: unknown[] = [];
  const branches: Branch[] = [];
  let next = 0;
  const runOne = async (): Promise<void> => {
    while (reason === undefined && next < actions.length) {
      const index = next;
      next += 1;
      const branch = parent.child(kind, name, nth, index);
      branches.push(branch);
      items.set(index, { index, status: 'STARTED' });
      const item = await outcomeOf(actions[index], branch, index);
      // What a withdrawn branch still comes to does not count: it was complete without it.
      if (reason !== undefined) return;
      items.set(index, item);
      counts[item.status === 'FAILED' ? 'failure' : 'success'] += 1;
      try {
        reason = completionOf(config, counts, items);
      } catch (error) {
        // The batch's own rule is at fault: nothing more can come of it.
        faults.push(error);
        reason = 'CUSTOM_COMPLETION_FAILED';
      }
      if (reason !== undefined) for (const other of branches) other.withdrawAll();
    }
  };
  const lanes = Math.min(config.maxConcurrency ?? actions.length, actions.length);
  await Promise.all(Array.from({ length: lanes }, runOne));
  if (faults.length > 0) throw faults[0];
  const all = [...items.values()].sort((a, b) => a.index - b.index);
  return new BatchResult(all, reason ?? 'ALL_COMPLETED');
}

/** The first branch to succeed or fail decides; the others are withdrawn. */
export async function raceBranches<Result>(
  parent: Branch,
  name: string,
  actions: readonly BranchAction<Result>[],
): Promise<Result> {
  assertName('race', name);
  if (actions.length === 0) throw new MisuseError(`race "${name}" needs at least one branch: it would never end.`);
  for (const action of actions) assertFunction('race', 'an action for each branch', action);
  const nth = parent.count('race', name);
  let winner: BatchItem<Result> | undefined;
  const branches = actions.map((_, index) => parent.child('race', name, nth, index));
  await Promise.all(
    branches.map(async (branch, index) => {
      const item = await outcomeOf(actions[index], branch, index);
      if (winner !== undefined) return;
      winner = item;
      for (const other of branches) if (other !== branch) other.withdrawAll();
    }),
  );
  if (winner?.error !== undefined) throw winner.error;
  return winner?.result as Result;
}

export async function runChild<Result>(
  parent: Branch,
  name: string,
  action: (branch: Branch) => Promise<Result>,
): Promise<Result> {
  assertName('runInChildContext', name);
  assertFunction('runInChildContext', 'an action', action);
  return action(parent.child('child', name, parent.count('child', name)));
}

async function outcomeOf<Result>(
  action: BranchAction<Result> | undefined,
  branch: Branch,
  index: number,
): Promise<BatchItem<Result>> {
  try {
    return { index, status: 'SUCCEEDED', result: (await action?.(branch, index)) as Result };
  } catch (error) {
    return { index, status: 'FAILED', error: errorOf(error) };
  }
}

function completionOf<Result>(
  { completionConfig = {} }: BatchConfig,
  counts: { readonly success: number; readonly failure: number; readonly total: number },
  items: ReadonlyMap<number, BatchItem<Result>>,
): CompletionReason | undefined {
  const { success: successCount, failure: failureCount, total: totalCount } = counts;
  const completedCount = successCount + failureCount;
  const { minSuccessful, toleratedFailureCount, toleratedFailurePercentage, shouldComplete } = completionConfig;
  if (shouldComplete !== undefined) {
    const status = { successCount, failureCount, completedCount, totalCount, items: [...items.values()] };
    const decision = shouldComplete(status);
    if (decision.complete) {
      return decision.outcome === 'FAILED' ? 'CUSTOM_COMPLETION_FAILED' : 'CUSTOM_COMPLETION_SUCCEEDED';
    }
    return completedCount === totalCount ? 'ALL_COMPLETED' : undefined;
  }
  const failsFast =
    minSuccessful === undefined && toleratedFailureCount === undefined && toleratedFailurePercentage === undefined;
  if (
    (failsFast && failureCount > 0) ||
    (toleratedFailureCount !== undefined && failureCount > toleratedFailureCount) ||
    (toleratedFailurePercentage !== undefined && failureCount * 100 > toleratedFailurePercentage * totalCount)
  ) {
    return 'FAILURE_TOLERANCE_EXCEEDED';
  }
  if (minSuccessful !== undefined && successCount >= minSuccessful && completedCount < totalCount) {
    return 'MIN_SUCCESSFUL_REACHED';
  }
  return completedCount === totalCount ? 'ALL_COMPLETED' : undefined;
}

function assertBatchConfig(operation: string, config: BatchConfig): void {
  assertOptions(operation, config, ['maxConcurrency', 'completionConfig']);
  assertOptions(`completionConfig of ${operation}`, config.completionConfig, [
    'minSuccessful',
    'toleratedFailureCount',
    'toleratedFailurePercentage',
    'shouldComplete',
  ]);
  const { maxConcurrency } = config;
  if (maxConcurrency !== undefined && !(Number.isInteger(maxConcurrency) && maxConcurrency >= 1)) {
    throw new MisuseError(`maxConcurrency of ${operation} must be a whole number from 1, not ${maxConcurrency}.`);
  }
  const { shouldComplete, ...thresholds } = config.completionConfig ?? {};
  if (shouldComplete === undefined) return;
  if (Object.values(thresholds).some((threshold) => threshold !== undefined)) {
    throw new MisuseError(`completionConfig of ${operation} has shouldComplete or thresholds, not both.`);
  }
}
