/**
 * What `npx mcp-durable-tasks tasks …` may be told, and what each option means. Throws `UsageError`, in one line, for what
 * it does not understand; connects to nothing.
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import {
  ANONYMOUS,
  asTaskId,
  encodeOwner,
  type JsonValue,
  type Owner,
  type TaskId,
  type TaskStatus,
} from '../src/index.ts';
import type { OperatorAnswer } from '../src/operations/answering.ts';
import { BACKEND_ADDRESSES, type BackendAddress, parseBackendAddress } from '../src/server/open-backend.ts';
import { oneLine, UsageError } from './serve-options.ts';
import { userDataFile } from './user-data.ts';

const STATUSES: readonly TaskStatus[] = ['working', 'input_required', 'completed', 'failed', 'cancelled'];
const DEFAULT_FILE = '.data/tasks.sqlite';
const STDIO_ISSUER = 'stdio';

export const TASKS_HELP = `Usage: npx mcp-durable-tasks tasks <command> [options], or npm run tasks -- <command> [options]

  list               an owner's tasks, newest first
  show ID            all that is known of a task: how it stands, its timeline, what it waits for, variables, result
  watch ID           follow a task until it has ended; exit code 0 if it is completed
  answer ID          answer its question in the place of its client
  cancel ID          cancel it, as its client could
  wake ID            have servers look at it now: parked, forgotten or waiting
  retry ID           a new task with the arguments of one that has ended; a task has one retry
  export ID          everything of a task as JSON, its journal included
  erase              remove every record of an owner
  stuck              what should go on and does not, of all owners
  doctor             settings, versions, and whether the store answers, clocks agree and servers run

Where and whose:
  --backend WHERE    where the servers keep their tasks (default sqlite:${DEFAULT_FILE}):
                     ${BACKEND_ADDRESSES.replace('memory, ', '')}
  --stdio            the file of a host's server instead, as of serve --stdio with the same --tools
  --tools MODULE     with --stdio: the module that the host names
  --owner SUBJECT    whose tasks (default: callers without credentials). Alone, the name of a host over stdio
  --issuer ISSUER    with --owner: who vouches for it, such as the URL of a token issuer (default ${STDIO_ISSUER})
  --tenant TENANT    with --owner: its organisation, where the issuer serves several

Of single commands:
  --status STATUS    list: only these; may be given several times: ${STATUSES.join(', ')}
  --tool NAME        list: only those of this tool
  --limit N          list, stuck: at most so many, from 1 to 10000 (default 20)
  --key KEY          answer: which question, where several are open, or which callback
  --accept JSON      answer: accept, with the content of the form; {} for a page that was opened
  --decline          answer: decline
  --cancel           answer: dismiss the question
  --response JSON    answer: the whole answer, of sampling, roots or a callback
  --tool-version N   retry: with this version of the tool (default: that of the old task)
  --every SECONDS    watch: how often to look (default 1)
  --late SECONDS     stuck, doctor: what counts as late (default 120)
  --within SECONDS   erase: how long running tasks get to stop (default 60)
  --yes              erase; retry of a task that has succeeded: do it
  --json             print JSON, for programs
  --help             print this

Exit codes: 0 fine, 1 it failed, 2 wrong usage.
`;

const OPTIONS = {
  backend: { type: 'string' },
  stdio: { type: 'boolean' },
  tools: { type: 'string' },
  owner: { type: 'string' },
  issuer: { type: 'string' },
  tenant: { type: 'string' },
  status: { type: 'string', multiple: true },
  tool: { type: 'string' },
  limit: { type: 'string' },
  key: { type: 'string' },
  accept: { type: 'string' },
  decline: { type: 'boolean' },
  cancel: { type: 'boolean' },
  response: { type: 'string' },
  'tool-version': { type: 'string' },
  every: { type: 'string' },
  late: { type: 'string' },
  within: { type: 'string' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig;

type OptionName = keyof typeof OPTIONS;

const WHERE: readonly OptionName[] = ['backend', 'stdio', 'tools', 'json'];
const WHOSE: readonly OptionName[] = [...WHERE, 'owner', 'issuer', 'tenant'];

/** Which options each command takes. */
const COMMANDS = {
  list: [...WHOSE, 'status', 'tool', 'limit'],
  show: WHOSE,
  watch: [...WHOSE, 'every'],
  answer: [...WHOSE, 'key', 'accept', 'decline', 'cancel', 'response'],
  cancel: WHOSE,
  wake: WHOSE,
  retry: [...WHOSE, 'tool-version', 'yes'],
  export: WHOSE,
  erase: [...WHOSE, 'within', 'yes'],
  stuck: [...WHERE, 'late', 'limit'],
  doctor: [...WHOSE, 'late'],
} as const satisfies Record<string, readonly OptionName[]>;

type CommandName = keyof typeof COMMANDS;

export type TasksCommand =
  | {
      readonly name: 'list';
      readonly statuses: readonly TaskStatus[] | undefined;
      readonly tool: string | undefined;
      readonly limit: number;
    }
  | { readonly name: 'show' | 'cancel' | 'wake' | 'export'; readonly id: TaskId }
  | { readonly name: 'watch'; readonly id: TaskId; readonly everyMs: number }
  | { readonly name: 'answer'; readonly id: TaskId; readonly key: string | undefined; readonly answer: OperatorAnswer }
  | { readonly name: 'retry'; readonly id: TaskId; readonly toolVersion: number | undefined; readonly yes: boolean }
  | { readonly name: 'erase'; readonly yes: boolean; readonly patienceMs: number }
  | { readonly name: 'stuck'; readonly graceMs: number; readonly limit: number }
  | { readonly name: 'doctor'; readonly graceMs: number };

export interface TasksOptions {
  readonly command: TasksCommand;
  readonly backend: BackendAddress;
  readonly owner: Owner;
  readonly json: boolean;
}

type Values = ReturnType<typeof parse>['values'];

export function readTasksOptions(args: string[]): TasksOptions | 'help' {
  const { values, positionals } = parse(args);
  const [name, ...rest] = positionals;
  if (values.help || (name === undefined && args.length === 0)) return 'help';
  if (name === undefined || !isCommand(name)) {
    const known = Object.keys(COMMANDS).join(', ');
    throw new UsageError(name === undefined ? `name a command: ${known}` : `there is no "${name}": use ${known}`);
  }
  const misplaced = (Object.keys(values) as OptionName[]).find(
    (option) => !(COMMANDS[name] as readonly OptionName[]).includes(option),
  );
  if (misplaced !== undefined) throw new UsageError(`--${misplaced}: is not for ${name}`);
  const command = commandOf(name, rest, values);
  return { command, backend: backendOf(values), owner: ownerNamed(name, values), json: values.json === true };
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}

function commandOf(name: CommandName, rest: readonly string[], values: Values): TasksCommand {
  switch (name) {
    case 'list':
      none(name, rest);
      return { name, statuses: statusesOf(values.status), tool: values.tool, limit: limitOf(values) };
    case 'stuck':
      none(name, rest);
      return { name, graceMs: millisecondsOf('late', values.late, 120), limit: limitOf(values) };
    case 'doctor':
      none(name, rest);
      return { name, graceMs: millisecondsOf('late', values.late, 120) };
    case 'erase':
      none(name, rest);
      return { name, yes: values.yes === true, patienceMs: millisecondsOf('within', values.within, 60) };
    case 'watch':
      return { name, id: idOf(name, rest), everyMs: millisecondsOf('every', values.every, 1) };
    case 'answer':
      return { name, id: idOf(name, rest), key: values.key, answer: answerOf(values) };
    case 'retry':
      return {
        name,
        id: idOf(name, rest),
        toolVersion:
          values['tool-version'] === undefined
            ? undefined
            : wholeNumber('tool-version', values['tool-version'], 1, 1_000_000_000),
        yes: values.yes === true,
      };
    default:
      return { name, id: idOf(name, rest) };
  }
}

function none(name: string, rest: readonly string[]): void {
  const [first] = rest;
  if (first !== undefined) throw new UsageError(`${name}: what is "${first}"? ${name} takes options only`);
}

function idOf(name: string, rest: readonly string[]): TaskId {
  const [id, extra] = rest;
  if (id === undefined) throw new UsageError(`${name}: name a task, as tasks list prints it`);
  if (extra !== undefined) throw new UsageError(`${name}: one task at a time, and not also "${extra}"`);
  try {
    return asTaskId(id);
  } catch {
    throw new UsageError(
      `${name}: "${id}" is no task id, which has 44 digits from 0 to 9 and a to f; tasks list prints them`,
    );
  }
}

function statusesOf(texts: readonly string[] | undefined): readonly TaskStatus[] | undefined {
  return texts?.map((text) => {
    const status = STATUSES.find((known) => known === text);
    if (status === undefined) throw new UsageError(`--status ${text}: use one of ${STATUSES.join(', ')}`);
    return status;
  });
}

function limitOf({ limit = '20' }: Values): number {
  return wholeNumber('limit', limit, 1, 10_000);
}

function wholeNumber(option: OptionName, text: string, min: number, max: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--${option} ${text}: use a whole number from ${min} to ${max}`);
}

function millisecondsOf(option: OptionName, text: string | undefined, defaultSeconds: number): number {
  if (text === undefined) return defaultSeconds * 1000;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new UsageError(`--${option} ${text}: use seconds, more than 0 and at most 86400`);
}

const ANSWERS = ['accept', 'decline', 'cancel', 'response'] as const;

function answerOf(values: Values): OperatorAnswer {
  const given = ANSWERS.filter((name) => values[name] !== undefined);
  const [kind, ...others] = given;
  if (kind === undefined || others.length > 0) {
    throw new UsageError('answer: give one of --accept JSON, --decline, --cancel and --response JSON');
  }
  if (kind === 'decline' || kind === 'cancel') return { kind };
  const value = jsonOf(kind, values[kind] ?? '');
  if (kind === 'response') return { kind, value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UsageError('--accept: the content of a form is a JSON object, such as \'{"approve": true}\'');
  }
  return { kind, content: value };
}

function jsonOf(option: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new UsageError(`--${option}: this is no JSON: ${oneLine(error)}`);
  }
}

function ownerNamed(command: CommandName, { owner, issuer, tenant, stdio }: Values): Owner {
  if (owner === undefined) {
    const other = issuer === undefined ? tenant : issuer;
    if (other !== undefined) throw new UsageError('--issuer and --tenant go with --owner SUBJECT');
    if (command === 'erase')
      throw new UsageError(
        `erase: name the owner with --owner; callers without credentials are --owner ${ANONYMOUS.subject} --issuer ${ANONYMOUS.issuer}`,
      );
    if (stdio === true && command !== 'stuck' && command !== 'doctor') {
      throw new UsageError('--stdio: name the host with --owner, by the name that it calls itself');
    }
    return ANONYMOUS;
  }
  const named: Owner = { issuer: issuer ?? STDIO_ISSUER, subject: owner, ...(tenant === undefined ? {} : { tenant }) };
  try {
    encodeOwner(named);
  } catch (error) {
    throw new UsageError(`--owner: ${oneLine(error)}`);
  }
  return named;
}

function backendOf({ backend, stdio, tools }: Values): BackendAddress {
  if (tools !== undefined && stdio !== true)
    throw new UsageError('--tools: goes with --stdio, to find the file of its tasks');
  if (stdio === true) {
    if (backend !== undefined) throw new UsageError('--stdio: is instead of --backend');
    if (tools === undefined) throw new UsageError('--stdio: name the tools of the host’s server with --tools MODULE');
    return { engine: 'sqlite', file: userDataFile(tools) };
  }
  if (backend === undefined) return { engine: 'sqlite', file: DEFAULT_FILE };
  let address: BackendAddress;
  try {
    address = parseBackendAddress(backend);
  } catch (error) {
    throw new UsageError(`--backend: ${oneLine(error)}`);
  }
  if (address.engine === 'memory')
    throw new UsageError('--backend memory: is in the memory of its server, where nobody else can look');
  return address;
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(oneLine(error));
  }
}
