/**
 * Runs a program as a tool's handler. Everything that its code sees goes into a trace, in the order in which it was seen,
 * and each value says which operation it is of: nothing can go to the wrong place, or come in another order, unnoticed.
 */
import { OperationWithdrawn, TaskAborted } from '../../../src/engine/aborts.ts';
import type { BatchConfig, BatchResult } from '../../../src/engine/branches.ts';
import type { ElicitResult, TaskScope } from '../../../src/runtime/running/task-context.ts';
import type { Block, Kind, Options, Program, Statement } from './program.ts';
import { runWorkflow, type WorkflowSurroundings } from './workflow-program.ts';

/** What surrounds one run of a program: the actions that it calls, and who looks on. */
export interface Surroundings {
  readonly trace: string[];
  /** Begins a try of a step's action; resolves to a value that begins with the id of the step. */
  act(id: string, attempt: number, options: Options): Promise<string>;
  /** Looks for a condition the how-manieth time. */
  look(id: string, attempt: number): Promise<void>;
  submit(id: string, token: string, options: Options): Promise<void>;
  complain(problem: string): void;
  /** Where a workflow runs. */
  readonly workflow: Omit<WorkflowSurroundings, 'see'>;
}

interface Place {
  readonly scope: TaskScope;
  /** Tells the times apart that code is gone through. */
  readonly path: string;
}

type Runner = (statement: Statement, place: Place) => Promise<void>;

/** Resolves to the trace. */
export async function runProgram(program: Program, task: TaskScope, surroundings: Surroundings): Promise<string[]> {
  const run = new ProgramRun(surroundings);
  try {
    await run.block(program, { scope: task, path: '' });
    run.end('end');
  } catch (error) {
    run.end(`end by ${nameOf(error)}`);
  }
  return surroundings.trace;
}

class ProgramRun {
  readonly #surroundings: Surroundings;
  readonly #started = new Map<string, Promise<string>>();
  readonly #controllers = new Map<number, AbortController>();
  #digest = 0;
  #hasEnded = false;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** What goes on after the handler's end is not seen by anybody. */
  end(how: string): void {
    this.see(how);
    this.#hasEnded = true;
  }

  see(what: string): void {
    if (this.#hasEnded) return;
    this.#surroundings.trace.push(what);
    for (let index = 0; index < what.length; index += 1) {
      this.#digest = (Math.imul(this.#digest, 31) + what.charCodeAt(index)) >>> 0;
    }
  }

  /** Resolves to what names the block and this time of going through it. */
  async block(block: Block, place: Place): Promise<string> {
    for (const statement of block) await this.#runners[statement.kind](statement, place);
    return place.path;
  }

  readonly #runners: Readonly<Record<Kind, Runner>> = {
    step: (statement, place) => this.#step(statement, place),
    wait: (statement, place) =>
      this.#operation(statement, place, async () => {
        const { name, options } = statement;
        await place.scope.wait(name, { milliseconds: options.ms ?? 0 }, this.#withSignal(options));
        return 'over';
      }),
    until: (statement, place) =>
      this.#operation(statement, place, async () => {
        await place.scope.waitUntil(statement.name, place.scope.now() + (statement.options.ms ?? 0));
        return 'reached';
      }),
    condition: (statement, place) => this.#condition(statement, place),
    question: (statement, place) => this.#question(statement, place),
    callback: (statement, place) => this.#callback(statement, place),
    uuid: async ({ id }, { scope, path }) => this.see(`${path}${id} value ${scope.uuid()}`),
    random: async ({ id }, { scope, path }) => this.see(`${path}${id} value ${scope.random()}`),
    now: async ({ id }, { scope, path }) => this.see(`${path}${id} ${scope.now()}`),
    variable: (statement, place) => this.#variable(statement, place),
    patched: async ({ name, options, blocks: [after = [], before = []] }, place) => {
      await this.block(options.isOld !== 1 && place.scope.patched(name) ? after : before, place);
    },
    choose: async ({ id, options, blocks: [one = [], other = []] }, place) => {
      const isFirst = options.byChance === 1 ? place.scope.random() < 0.5 : this.#digest % 2 === 0;
      await this.block(isFirst ? one : other, { ...place, path: `${place.path}${id}/` });
    },
    all: async (statement, place) => {
      const ends = await Promise.all(this.#sideBySide(statement, place));
      this.see(`${place.path}${statement.id} all ${ends.join()}`);
    },
    first: async (statement, place) => {
      this.see(`${place.path}${statement.id} first ${await Promise.race(this.#sideBySide(statement, place))}`);
    },
    any: async (statement, place) => {
      this.see(`${place.path}${statement.id} any ${await Promise.any(this.#sideBySide(statement, place))}`);
    },
    settled: async (statement, place) => {
      const ends = await Promise.allSettled(this.#sideBySide(statement, place));
      this.see(`${place.path}${statement.id} settled ${ends.map((end) => describeEnd(end)).join()}`);
    },
    stream: (statement, place) => this.#stream(statement, place),
    repeat: async ({ id, options, blocks: [body = []] }, place) => {
      for (let time = 0; time <= (options.times ?? 0); time += 1) {
        await this.block(body, { ...place, path: `${place.path}${id}.${time}/` });
      }
    },
    map: async (statement, place) => {
      const { id, name, options, blocks } = statement;
      const items = Array.from({ length: 1 + (options.times ?? 0) }, (_, index) => index);
      const result = await place.scope.map(
        name,
        items,
        (scope, item) => this.block(blocks[0] ?? [], { scope, path: `${place.path}${id}.${item}/` }),
        batchConfig(options),
      );
      this.#seeBatch(statement, place, result);
    },
    parallel: async (statement, place) => {
      const { name, options } = statement;
      const result = await place.scope.parallel(name, this.#branches(statement, place), batchConfig(options));
      this.#seeBatch(statement, place, result);
    },
    race: async (statement, place) => {
      const winner = await place.scope.race(statement.name, this.#branches(statement, place));
      this.see(`${place.path}${statement.id} won by ${winner}`);
    },
    child: async ({ id, name, blocks: [body = []] }, place) => {
      await place.scope.runInChildContext(name, (scope) => this.block(body, { scope, path: `${place.path}${id}/` }));
    },
    guarded: (statement, place) => this.#guarded(statement, place),
    throw: async ({ id }, { path }) => {
      throw new Error(`thrown by ${path}${id}`);
    },
    abort: async ({ id, options }, { path }) => {
      this.#controller(options.signal ?? 1).abort(new Error(`given up by ${path}${id}`));
    },
    start: async ({ id, blocks: [body = []] }, place) => {
      const started = this.block(body, { ...place, path: `${place.path}${id}/` });
      started.catch(() => {});
      this.#started.set(id, started);
    },
    join: async ({ id, name }, { path }) => {
      const started = this.#started.get(name);
      if (started !== undefined) this.see(`${path}${id} joined ${await started}`);
    },
    workflow: (statement, place) =>
      this.#operation(statement, place, () => {
        const see = (what: string) => this.see(`${place.path}${statement.id} ${what}`);
        return runWorkflow(statement.options, { ...this.#surroundings.workflow, see });
      }),
    hop: async ({ options }) => {
      for (let time = 0; time <= (options.times ?? 0); time += 1) await Promise.resolve();
    },
  };

  /** An operation whose outcome is seen; one that is tolerant swallows its failure, but not that the task or branch ends. */
  async #operation({ id, options }: Statement, { path }: Place, operation: () => Promise<string>): Promise<void> {
    try {
      this.see(`${path}${id} ${await operation()}`);
    } catch (error) {
      this.see(`${path}${id} failed: ${nameOf(error)}`);
      const ends = error instanceof TaskAborted || error instanceof OperationWithdrawn;
      if (ends || options.tolerant !== 1) throw error;
    }
  }

  #step(statement: Statement, place: Place): Promise<void> {
    const { id, name, options } = statement;
    const { retries = 0, delayMs = 0, atMostOnce = 0 } = options;
    return this.#operation(statement, place, async () => {
      const own = `${place.path}${id}`;
      const value = await place.scope.step(name, ({ attempt }) => this.#surroundings.act(own, attempt, options), {
        atMostOnce: atMostOnce === 1,
        retryStrategy: (_, attempt) =>
          attempt <= retries ? { shouldRetry: true, delay: { milliseconds: delayMs } } : { shouldRetry: false },
        ...this.#withSignal(options),
      });
      return this.#owned(own, value);
    });
  }

  #condition(statement: Statement, place: Place): Promise<void> {
    const { id, name, options } = statement;
    return this.#operation(statement, place, async () => {
      const own = `${place.path}${id}`;
      const state = await place.scope.waitForCondition(
        name,
        async (before, { attempt }) => {
          await this.#surroundings.look(own, attempt);
          if (before.looks !== attempt - 1 || (before.of !== own && attempt > 1)) {
            this.#surroundings.complain(`look ${attempt} of ${own} was given the state ${JSON.stringify(before)}`);
          }
          return { of: own, looks: attempt };
        },
        {
          initialState: { of: '', looks: 0 },
          waitStrategy: ({ looks }) =>
            looks <= (options.looks ?? 0)
              ? { shouldContinue: true, delay: { milliseconds: options.delayMs ?? 0 } }
              : { shouldContinue: false },
        },
      );
      return this.#owned(own, `${state.of} after ${state.looks}`);
    });
  }

  #question(statement: Statement, place: Place): Promise<void> {
    const { id, name, options } = statement;
    return this.#operation(statement, place, async () => {
      const own = `${place.path}${id}`;
      const answer: ElicitResult = await place.scope.elicit(
        { message: own, requestedSchema: { type: 'object', properties: {} } },
        { name, ...timeoutOf(options), ...this.#withSignal(options) },
      );
      return this.#owned(own, String(answer.content?.['of']));
    });
  }

  #callback(statement: Statement, place: Place): Promise<void> {
    const { id, name, options } = statement;
    return this.#operation(statement, place, async () => {
      const own = `${place.path}${id}`;
      const value = await place.scope.waitForCallback<string>(
        name,
        (token) => this.#surroundings.submit(own, token, options),
        {
          ...timeoutOf(options),
          retryStrategy: (_, attempt) =>
            attempt <= 1
              ? { shouldRetry: true, delay: { milliseconds: options.delayMs ?? 0 } }
              : { shouldRetry: false },
        },
      );
      return this.#owned(own, value);
    });
  }

  #variable(statement: Statement, place: Place): Promise<void> {
    const { id, options } = statement;
    const { variables } = place.scope;
    const key = `key${options.key ?? 0}`;
    return this.#operation(statement, place, async () => {
      switch (options.action) {
        case 1:
          await variables.set(key, `${place.path}${id}`);
          return 'set';
        case 2:
          return JSON.stringify(await variables.all());
        case 3:
          await variables.merge({ [key]: `${place.path}${id}`, other: null });
          return 'merged';
        case 4:
          await variables.delete(key);
          return 'deleted';
        default:
          return JSON.stringify((await variables.get(key)) ?? null);
      }
    });
  }

  /** Side by side, and looked at as they come. */
  async #stream(statement: Statement, place: Place): Promise<void> {
    const open = new Map(
      this.#sideBySide(statement, place).map((running, index) => [
        index,
        running.then(
          (end) => ({ index, end }),
          (error: unknown) => ({ index, end: nameOf(error) }),
        ),
      ]),
    );
    async function* asTheyCome() {
      while (open.size > 0) {
        const { index, end } = await Promise.race(open.values());
        open.delete(index);
        yield end;
      }
    }
    for await (const end of asTheyCome()) this.see(`${place.path}${statement.id} next ${end}`);
  }

  async #guarded({ id, options, blocks }: Statement, place: Place): Promise<void> {
    const [body = [], caught = [], lastly = []] = blocks;
    const own = `${place.path}${id}`;
    this.see(`enter ${own}`);
    try {
      await this.block(body, { ...place, path: `${own}/` });
    } catch (error) {
      if (options.catches !== 1) throw error;
      this.see(`${own} caught ${nameOf(error)}`);
      await this.block(caught, { ...place, path: `${own}.caught/` });
    } finally {
      this.see(`leave ${own}`);
      await this.block(lastly, { ...place, path: `${own}.lastly/` });
    }
  }

  #sideBySide({ id, blocks }: Statement, place: Place): Promise<string>[] {
    return blocks.map((block, index) => this.block(block, { ...place, path: `${place.path}${id}.${index}/` }));
  }

  #branches({ id, blocks }: Statement, { path }: Place) {
    return blocks.map(
      (block, index) => (scope: TaskScope) => this.block(block, { scope, path: `${path}${id}.${index}/` }),
    );
  }

  #seeBatch({ id, options }: Statement, { path }: Place, result: BatchResult<string>): void {
    const items = result.all.map(({ index, status, result: end, error }) => {
      const what = error === undefined ? (end ?? '') : nameOf(error);
      return `${index} ${status} ${what}`;
    });
    this.see(`${path}${id} ${result.completionReason}: ${items.join()}`);
    if (options.throws === 1) result.throwIfError();
  }

  /** Complains about a value that is another operation's. */
  #owned(own: string, value: string): string {
    if (value !== own && !value.startsWith(`${own} `)) this.#surroundings.complain(`${own} was given "${value}"`);
    return `has ${value}`;
  }

  #controller(which: number): AbortController {
    const known = this.#controllers.get(which) ?? new AbortController();
    this.#controllers.set(which, known);
    return known;
  }

  #withSignal({ signal = 0 }: Options): { readonly signal?: AbortSignal } {
    return signal === 0 ? {} : { signal: this.#controller(signal).signal };
  }
}

function timeoutOf({ timeoutMs = 0 }: Options) {
  return timeoutMs === 0 ? {} : { timeout: { milliseconds: timeoutMs } };
}

function batchConfig({ atOnce = 0, enough = 0, bears = 0, bearsPercent = 0, rule = 0 }: Options): BatchConfig {
  const completionConfig = {
    ...(enough === 0 ? {} : { minSuccessful: enough }),
    ...(bears === 0 ? {} : { toleratedFailureCount: bears - 1 }),
    ...(bearsPercent === 0 ? {} : { toleratedFailurePercentage: bearsPercent }),
    ...(rule === 0
      ? {}
      : {
          shouldComplete: ({ completedCount }: { readonly completedCount: number }) =>
            completedCount >= 2 ? ({ complete: true } as const) : ({ complete: false } as const),
        }),
  };
  return { ...(atOnce === 0 ? {} : { maxConcurrency: atOnce }), completionConfig };
}

function nameOf(error: unknown): string {
  if (error instanceof AggregateError) return `${error.name} of ${error.errors.map(nameOf).join(' and ')}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function describeEnd(end: PromiseSettledResult<string>): string {
  return end.status === 'fulfilled' ? end.value : nameOf(end.reason);
}
