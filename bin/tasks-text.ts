/** How tasks are printed for people: tables, times, sizes; coloured on terminals, and nothing in them that a terminal obeys. */
import { styleText } from 'node:util';
import type { JsonValue } from '../src/index.ts';
import type { Finding } from '../src/operations/doctor.ts';
import type { StuckTask } from '../src/operations/stuck.ts';
import type { TaskReport, TaskSummary } from '../src/operations/task-report.ts';
import type { TimelineRow } from '../src/operations/timeline.ts';

export interface Look {
  /** On a terminal that wants colours. */
  readonly colours: boolean;
  /** Of the terminal; absent: lines are not cut. */
  readonly width?: number;
}

type Style = Parameters<typeof styleText>[0];

const STYLES: Readonly<Record<string, Style>> = {
  completed: 'green',
  done: 'green',
  fine: 'green',
  failed: 'red',
  wrong: 'red',
  not_looked_at: 'red',
  not_run: 'red',
  unreadable: 'red',
  timed_out: 'red',
  input_required: 'yellow',
  warning: 'yellow',
  retrying: 'yellow',
  parked: 'yellow',
  cancelled: 'gray',
  withdrawn: 'gray',
  aborted: 'gray',
};

function painted(word: string, look: Look): string {
  const style = STYLES[word.trim()];
  return look.colours && style !== undefined ? styleText(style, word, { validateStream: false }) : word;
}

function bold(text: string, look: Look): string {
  return look.colours ? styleText('bold', text, { validateStream: false }) : text;
}

/** What others have written may hold commands for a terminal, and line breaks: each is shown as what it is. */
export function harmless(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return character === '\n' ? ' ' : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

/** JSON text in which a terminal finds nothing to obey either: that escapes what JSON itself lets through. */
export function jsonText(value: unknown, indent = 2): string {
  return JSON.stringify(value, undefined, indent).replaceAll(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

export function table(head: readonly string[], rows: readonly (readonly string[])[], look: Look): string {
  const lines = rows.map((row) => row.map(harmless));
  const widths = head.map((name, column) => Math.max(name.length, ...lines.map((line) => (line[column] ?? '').length)));
  const render = (line: readonly string[], paint: (cell: string) => string) => {
    let room = look.width ?? Number.POSITIVE_INFINITY;
    const cells = line.map((cell, column) => {
      const isLast = column === line.length - 1;
      const padded = isLast ? cut(cell, Math.max(room, 12)) : cell.padEnd(widths[column] ?? 0);
      room -= (widths[column] ?? 0) + 2;
      return paint(padded);
    });
    return cells.join('  ').trimEnd();
  };
  const first = render(head, (cell) => bold(cell, look));
  return `${[first, ...lines.map((line) => render(line, (cell) => painted(cell, look)))].join('\n')}\n`;
}

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const seen = Array.from(characters.segment(text), ({ segment }) => segment);
  return seen.length <= width ? text : `${seen.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** To the second. */
export function time(at: number | string): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  return bytes < 1_024 * 1_024 ? `${(bytes / 1_024).toFixed(1)} KB` : `${(bytes / 1_024 / 1_024).toFixed(1)} MB`;
}

export function ownerText({ owner }: Pick<TaskSummary, 'owner'>): string {
  return [owner.issuer, owner.tenant, owner.subject].filter((part) => part !== undefined).join(' / ');
}

export function taskTable(tasks: readonly TaskSummary[], look: Look): string {
  const rows = tasks.map((task) => [task.id, task.tool, task.status, time(task.createdAt), saysOf(task)]);
  return table(['TASK', 'TOOL', 'STATUS', 'CREATED', 'SAYS'], rows, look);
}

function saysOf({ parked, toolError, statusMessage }: TaskSummary): string {
  if (parked !== undefined) return `parked: ${parked}`;
  return toolError === undefined ? (statusMessage ?? '') : `error: ${toolError}`;
}

export function stuckTable(stuck: readonly StuckTask[], look: Look): string {
  const rows = stuck.map(({ kind, forMs, task, reason }) => [
    kind,
    duration(forMs),
    task?.id ?? '',
    task?.tool ?? '',
    task === undefined ? '' : ownerText(task),
    reason ?? '',
  ]);
  return table(['STUCK', 'FOR', 'TASK', 'TOOL', 'OWNER', 'WHY'], rows, look);
}

export function findingTable(findings: readonly Finding[], look: Look): string {
  return table(
    ['CHECK', 'STATE', 'SAYS'],
    findings.map(({ what, state, says }) => [what, state, says]),
    look,
  );
}

export function timelineTable(rows: readonly TimelineRow[], look: Look): string {
  return table(['#', 'AT', 'KIND', 'NAME', 'STATE', 'TRIES', 'TOOK', 'SIZE', 'NOTE'], rows.map(timelineCells), look);
}

function timelineCells(row: TimelineRow): string[] {
  const name = `${row.branch === undefined ? '' : `${row.branch} › `}${row.name}${row.nth === undefined ? '' : ` (${row.nth})`}`;
  return [
    String(row.number),
    time(row.askedAt),
    row.kind,
    name,
    row.state,
    row.attempts === undefined ? '' : String(row.attempts),
    row.durationMs === undefined ? '' : duration(row.durationMs),
    row.bytes === undefined ? '' : size(row.bytes),
    noteOf(row),
  ];
}

function noteOf({ error, dueAt, timeoutAt, state }: TimelineRow): string {
  if (error !== undefined) return `${error.name}: ${error.message}`;
  if (dueAt !== undefined) return `${state === 'retrying' ? 'next try' : 'until'} ${time(dueAt)}`;
  return timeoutAt === undefined || state !== 'open' ? '' : `gives up ${time(timeoutAt)}`;
}

/** One line of `watch`. */
export function newsLine(row: TimelineRow): string {
  const [, , kind = '', name = '', state = '', tries = '', took = '', , note = ''] = timelineCells(row);
  const details = [tries === '' || tries === '1' ? '' : `${tries} tries`, took, note].filter((text) => text !== '');
  return harmless(`${kind} ${name}: ${state}${details.length === 0 ? '' : ` (${details.join(', ')})`}`);
}

function valueText(value: JsonValue): string {
  return jsonText(value).replaceAll(/^/gm, '  ');
}

export function reportText(task: TaskReport, look: Look): string {
  const { run } = task;
  const lines: [string, string | undefined][] = [
    ['Task', task.id],
    ['Tool', task.toolVersion === undefined ? task.tool : `${task.tool}, version ${task.toolVersion}`],
    ['Owner', ownerText(task)],
    ['Status', task.statusMessage === undefined ? task.status : `${task.status}: ${task.statusMessage}`],
    ['Parked', run.parked === undefined ? undefined : `${run.parked.reason} (looks: ${run.parked.looks})`],
    ['Created', time(task.createdAt)],
    ['Changed', time(task.updatedAt)],
    ['Deadline', time(task.deadlineAt)],
    ['Kept', task.promisedUntil === null ? 'for ever' : `until ${time(task.promisedUntil)}`],
    ['Held by', run.lease === undefined ? undefined : `${run.lease.holder} until ${time(run.lease.until)}`],
    ['Runs', `${run.epoch}; ${run.crashes} of at most ${task.maxAttempts} crashed in a row`],
    ['Next run', nextRunText(task)],
    ['Related to', task.related],
    ['Retry of', task.retryOf],
    ['Retried as', task.retriedAs],
  ];
  const head = lines
    .filter((line): line is [string, string] => line[1] !== undefined)
    .map(([name, text]) => `${bold(name.padEnd(12), look)}${harmless(text)}\n`);
  const section = (title: string, text: string | undefined) =>
    text === undefined ? '' : `\n${bold(title, look)}\n${text.trimEnd()}\n`;
  const waits = task.waitsFor.map(({ key, kind, request, timeoutAt }) => [
    key,
    kind,
    timeoutAt === undefined ? 'never' : time(timeoutAt),
    request === undefined ? '' : jsonText(request, 0),
  ]);
  const names = Object.keys(task.variables);
  return [
    ...head,
    section('Arguments', valueText(task.arguments)),
    section('Timeline', task.timeline.length === 0 ? undefined : timelineTable(task.timeline, look)),
    section('Waits for', waits.length === 0 ? undefined : table(['KEY', 'KIND', 'GIVES UP', 'ASKS'], waits, look)),
    section('Variables', names.length === 0 ? undefined : valueText(task.variables)),
    section('Result', task.result === undefined ? undefined : valueText(task.result)),
    section('Error', task.error === undefined ? undefined : valueText(task.error)),
    section('Cannot be read', task.faults.length === 0 ? undefined : task.faults.map(harmless).join('\n')),
  ].join('');
}

function nextRunText({ nextRunAt, status, run, waitsFor }: TaskReport): string | undefined {
  if (nextRunAt !== null) return run.lease === undefined ? time(nextRunAt) : undefined;
  if (status !== 'working' && status !== 'input_required') return undefined;
  return waitsFor.length > 0 ? 'when it is answered' : undefined;
}
