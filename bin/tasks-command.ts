/**
 * The operators' command line: opens the store that servers keep their tasks in, does what it is told, and says so, in
 * words or as JSON. Runs no tool: what it changes is carried on by the servers of the store. Resolves to the exit code.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock, systemRandom } from '../src/clock.ts';
import { GenericTaskStore, isTaskError, type Owner, type Task } from '../src/index.ts';
import { byAgenda } from '../src/operations/agenda-queue.ts';
import { answerTask } from '../src/operations/answering.ts';
import { examine, type Finding } from '../src/operations/doctor.ts';
import { countTasks, eraseOwner } from '../src/operations/erasure.ts';
import { cancelTask, retryTask, wake } from '../src/operations/stepping-in.ts';
import { findStuck } from '../src/operations/stuck.ts';
import { listTasks } from '../src/operations/task-listing.ts';
import { exportOf, reportOf, summaryOf } from '../src/operations/task-report.ts';
import { watchTask } from '../src/operations/watching.ts';
import { type BackendAddress, type OpenedBackend, openBackend } from '../src/server/open-backend.ts';
import { oneLine, UsageError } from './serve-options.ts';
import { readTasksOptions, TASKS_HELP, type TasksCommand, type TasksOptions } from './tasks-options.ts';
import {
  findingTable,
  harmless,
  jsonText,
  type Look,
  newsLine,
  ownerText,
  reportText,
  stuckTable,
  taskTable,
  time,
} from './tasks-text.ts';
import { versionOf } from './version.ts';

/** How soon servers see what a command has done. */
const SOON = 'Servers go on with it within seconds; on AWS within a minute.';

export async function tasksCommand(args: string[]): Promise<number> {
  // A reader that has seen enough, as `head` has.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  try {
    const options = readTasksOptions(args);
    if (options === 'help') {
      print(TASKS_HELP);
      return 0;
    }
    if (options.command.name === 'doctor') return await doctor(options, options.command.graceMs);
    const opened = await open(options.backend);
    try {
      return await new Session(options, opened).run(options.command);
    } finally {
      await opened.close();
    }
  } catch (error) {
    const isUsage = error instanceof UsageError;
    complain(isUsage ? `${oneLine(error)} (--help lists commands and options)` : oneLine(error));
    return isUsage ? 2 : 1;
  }
}

function print(text: string): void {
  process.stdout.write(text);
}

function complain(problem: string): void {
  process.stderr.write(`tasks: ${harmless(problem)}\n`);
}

/** An SQLite file would be made where there is none, and a wrong name be taken for a store without tasks. */
async function open(address: BackendAddress): Promise<OpenedBackend> {
  if (address.engine === 'sqlite' && !existsSync(address.file)) {
    throw new Error(`there is no file ${resolve(address.file)}: name the servers’ with --backend sqlite:FILE`);
  }
  return openBackend(address);
}

function lookOf({ stdout }: NodeJS.Process): Look {
  if (!stdout.isTTY) return { colours: false };
  return { colours: (process.env['NO_COLOR'] ?? '') === '', width: stdout.columns };
}

/** The limit of active tasks is the servers' to know, so what is made here is not counted in it. */
function storeOver({ backend }: OpenedBackend): GenericTaskStore {
  return new GenericTaskStore({ backend, clock: systemClock, random: systemRandom, maxActiveTasksPerOwner: null });
}

class Session {
  readonly #owner: Owner;
  readonly #json: boolean;
  readonly #opened: OpenedBackend;
  readonly #store: GenericTaskStore;
  readonly #look: Look = lookOf(process);

  constructor({ owner, json }: TasksOptions, opened: OpenedBackend) {
    this.#owner = owner;
    this.#json = json;
    this.#opened = opened;
    this.#store = storeOver(opened);
  }

  async run(command: TasksCommand): Promise<number> {
    try {
      return await this.#run(command);
    } catch (error) {
      if (!isTaskError(error, 'task_not_found')) throw error;
      const owner = ownerText({ owner: this.#owner });
      throw new Error(
        `the owner ${owner} has no such task, or it has expired: a task of another owner is found with --owner and --issuer`,
        { cause: error },
      );
    }
  }

  async #run(command: TasksCommand): Promise<number> {
    const deliveries = byAgenda(this.#store);
    switch (command.name) {
      case 'list':
        return this.#list(command);
      case 'show': {
        const report = await reportOf(this.#store, this.#ref(command));
        return this.#say(report, () => reportText(report, this.#look));
      }
      case 'export':
        print(`${jsonText(await exportOf(this.#store, this.#ref(command)))}\n`);
        return 0;
      case 'watch':
        return this.#watch(command);
      case 'answer': {
        const { task, key } = await answerTask(deliveries, this.#ref(command), command.answer, command.key);
        return this.#say({ ...summaryOf(task), answered: key }, () => `Answered "${harmless(key)}". ${SOON}\n`);
      }
      case 'cancel': {
        const task = await cancelTask(deliveries, this.#ref(command));
        const cleansUp = task.run.cleanup === undefined ? '' : ` Its handler cleans up. ${SOON}`;
        return this.#say(summaryOf(task), () => `Cancelled.${cleansUp}\n`);
      }
      case 'wake': {
        const { task, how } = await wake(deliveries, this.#ref(command), systemClock);
        const holder = harmless(task.run.lease?.holder ?? '');
        return this.#say({ ...summaryOf(task), how }, () =>
          how === 'running' ? `Nothing to do: ${holder} runs it at the moment.\n` : `Woken. ${SOON}\n`,
        );
      }
      case 'retry': {
        const { yes, toolVersion } = command;
        const { task, created } = await retryTask(deliveries, this.#ref(command), {
          evenIfCompleted: yes,
          toolVersion,
        });
        return this.#say({ ...summaryOf(task), created, retryOf: command.id }, () =>
          created
            ? `Task ${task.id} begins anew with the same arguments. ${SOON}\n`
            : `It was retried before, as task ${task.id}, which is ${task.status}.\n`,
        );
      }
      case 'erase':
        return this.#erase(command);
      case 'stuck': {
        const report = await findStuck(this.#store, { clock: systemClock, ...command });
        return this.#say(report, () => {
          if (report.stuck.length === 0) return 'Nothing is stuck.\n';
          const more = report.hasMore ? 'There are more: raise --limit.\n' : '';
          return `${stuckTable(report.stuck, this.#look)}${more}`;
        });
      }
      case 'doctor':
        throw new Error('doctor opens its store itself');
    }
  }

  #ref({ id }: { readonly id: Task['id'] }) {
    return { owner: this.#owner, id };
  }

  #say(value: unknown, words: () => string): number {
    print(this.#json ? `${jsonText(value)}\n` : words());
    return 0;
  }

  async #list({ statuses, tool, limit }: Extract<TasksCommand, { name: 'list' }>): Promise<number> {
    const { tasks, hasMore } = await listTasks(this.#store, this.#owner, { statuses, tool, limit });
    const summaries = tasks.map(summaryOf);
    return this.#say({ tasks: summaries, hasMore }, () => {
      const such = statuses === undefined && tool === undefined ? 'no tasks' : 'no such tasks';
      if (tasks.length === 0) {
        return `The owner ${harmless(ownerText({ owner: this.#owner }))} has ${such} in ${this.#opened.description}.\n`;
      }
      return `${taskTable(summaries, this.#look)}${hasMore ? 'There are more: raise --limit.\n' : ''}`;
    });
  }

  async #watch({ id, everyMs }: Extract<TasksCommand, { name: 'watch' }>): Promise<number> {
    const stopping = new AbortController();
    const stop = () => stopping.abort();
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
    let last: Task | undefined;
    for await (const { stored, news } of watchTask(this.#store, this.#ref({ id }), {
      clock: systemClock,
      everyMs,
      signal: stopping.signal,
    })) {
      last = stored.task;
      const { status, statusMessage, parked } = summaryOf(last);
      if (this.#json) {
        print(`${jsonText({ ...summaryOf(last), news }, 0)}\n`);
        continue;
      }
      const now = time(systemClock.now());
      for (const row of news) print(`${now} ${newsLine(row)}\n`);
      const says = parked === undefined ? statusMessage : `parked: ${parked}`;
      print(`${now} ${status}${says === undefined ? '' : `: ${harmless(says)}`}\n`);
    }
    if (stopping.signal.aborted) return 130;
    return last?.status === 'completed' && last.toolError === undefined ? 0 : 1;
  }

  async #erase({ yes, patienceMs }: Extract<TasksCommand, { name: 'erase' }>): Promise<number> {
    const deliveries = byAgenda(this.#store);
    const owner = harmless(ownerText({ owner: this.#owner }));
    if (!yes) {
      const { total, unfinished } = await countTasks(deliveries, this.#owner);
      throw new UsageError(
        `erase removes for good the ${total} tasks of ${owner}, ${unfinished} of them unfinished, with all that belongs to them: add --yes to do so`,
      );
    }
    const erased = await eraseOwner(this.#owner, {
      backend: this.#opened.backend,
      deliveries,
      clock: systemClock,
      patienceMs,
    });
    return this.#say({ owner: this.#owner, ...erased }, () =>
      [
        `Erased ${owner}: ${erased.tasks} tasks, ${erased.journalEntries} entries of journals, ${erased.values} large values,`,
        `${erased.idempotencyKeys} idempotency keys, ${erased.agendaEntries} entries of the agenda, ${erased.counters} counters.`,
        ...(erased.cancelled > 0 ? [`${erased.cancelled} tasks were cancelled for it.`] : []),
        ...(erased.withoutCleanup > 0 ? [`${erased.withoutCleanup} had not cleaned up: no server ran them.`] : []),
        '',
      ].join('\n'),
    );
  }
}

async function doctor({ backend, owner, json }: TasksOptions, graceMs: number): Promise<number> {
  const settings: Record<string, string> = {
    version: versionOf(),
    node: process.version,
    owner: ownerText({ owner }),
  };
  const findings: Finding[] = [];
  try {
    const opened = await open(backend);
    try {
      settings['store'] = opened.description;
      for (const says of opened.warnings) findings.push({ what: 'durability', state: 'warning', says });
      const store = storeOver(opened);
      findings.push(
        ...(await examine({
          backend: opened.backend,
          store,
          owner,
          clock: systemClock,
          random: systemRandom,
          graceMs,
        })),
      );
    } finally {
      await opened.close();
    }
  } catch (error) {
    findings.push({ what: 'opening', state: 'wrong', says: oneLine(error) });
  }
  if (json) print(`${jsonText({ settings, findings })}\n`);
  else {
    for (const [name, value] of Object.entries(settings)) print(`${name.padEnd(10)}${harmless(value)}\n`);
    print(`\n${findingTable(findings, lookOf(process))}`);
  }
  return findings.some(({ state }) => state === 'wrong') ? 1 : 0;
}
