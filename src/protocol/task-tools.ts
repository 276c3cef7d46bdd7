/**
 * Tools with which a client that knows no tasks follows, answers, cancels and lists the tasks of its owner: those that its
 * calls became, and all others.
 */
import * as z from 'zod';
import type { Clock } from '../clock.ts';
import { neededFor } from '../domain/askable.ts';
import { TaskError, type TaskErrorCode } from '../domain/errors.ts';
import type { InputRequest } from '../domain/inputs.ts';
import type { Owner } from '../domain/owner.ts';
import { isTerminal, TASK_STATUSES } from '../domain/status.ts';
import { shownStatusMessage, type Task, type TaskRef } from '../domain/task.ts';
import { asTaskId } from '../domain/task-id.ts';
import { present } from '../present.ts';
import { cancel, type Deliveries, deliverAnswers, healForgotten } from '../runtime/queues/deliveries.ts';
import type { StoredTask } from '../store/task-store.ts';
import { checkAnswers } from './answers.ts';
import { awaitTask } from './awaiting.ts';
import { modelTool } from './model-tool.ts';
import { briefSummary, standing, TASK_TOOLS } from './task-summary.ts';
import type { CallContext, PlainTool } from './tool.ts';
import { questionsOf } from './wire.ts';

export interface TaskToolsOptions extends Deliveries {
  readonly clock: Clock;
  /** Fires when the server is closing: waiting ends then. */
  readonly closing: AbortSignal;
  readonly healingGraceMs: number;
  /** The longest that `task_status` waits, in milliseconds, and how long it waits unless told otherwise. */
  readonly maxWaitMs: number;
  /** The largest answer that can be carried to a client; see `answer-size.ts`. */
  readonly maxAnswerBytes: number | undefined;
}

const LOOK_EVERY_MS = 1_000;
const TASKS_PER_PAGE = 20;
/** Pages that are gone through for tasks of one status, which may be few among many. */
const MAX_PAGES = 10;

const taskId = z.string().describe('The id of the task, as the answer of its tool named it.');
const statusArgs = z.object({
  taskId,
  waitSeconds: z.number().min(0).optional().describe('How long to wait for the end, at most. 0: do not wait.'),
});
const respondArgs = z.object({
  taskId,
  key: z.string().optional().describe('Which question is answered; needed where there are several.'),
  action: z.enum(['accept', 'decline', 'cancel']).optional().describe('What the user decided.'),
  content: z.record(z.string(), z.unknown()).optional().describe('The filled form, by field, with "accept".'),
  response: z.record(z.string(), z.unknown()).optional().describe('The whole answer, for questions that are no form.'),
});
const cancelArgs = z.object({ taskId });
const listArgs = z.object({
  status: z.enum(TASK_STATUSES).optional().describe('Only tasks of this status.'),
  cursor: z.string().optional().describe('"nextCursor" of the page before.'),
});

export function taskTools(options: TaskToolsOptions): readonly PlainTool[] {
  const { store, clock } = options;
  const refOf = (owner: Owner, id: string): TaskRef => ({ owner, id: asTaskId(id) });
  const show = (task: Task) => standing(store, task, clock.now(), options.maxAnswerBytes);

  return [
    modelTool(
      {
        mistakes: MISTAKES,
        name: TASK_TOOLS.status,
        title: 'Task status',
        description:
          'Waits a while for a task that another tool goes on as, and tells how it stands: its result once it is completed.',
        inputSchema: statusArgs,
        annotations: { readOnlyHint: true, openWorldHint: false },
      },
      async ({ taskId: id, waitSeconds }, call) => {
        const known = await store.get(refOf(call.owner, id));
        return show(await waitFor(known, waitSeconds, call, options));
      },
    ),
    modelTool(
      {
        mistakes: MISTAKES,
        name: TASK_TOOLS.respond,
        title: 'Answer a task',
        description: 'Answers a question that a task waits for. Ask the user first; do not make an answer up.',
        inputSchema: respondArgs,
        annotations: { openWorldHint: false },
      },
      async ({ taskId: id, ...answer }, call) => {
        const known = await store.get(refOf(call.owner, id));
        await respond(known, answer, options);
        // Most go on at once, some to the next question.
        return show(await waitFor(await store.get(known.task), 1, call, options));
      },
    ),
    modelTool(
      {
        mistakes: MISTAKES,
        name: TASK_TOOLS.cancel,
        title: 'Cancel a task',
        description: 'Ends a task that has not ended, for good.',
        inputSchema: cancelArgs,
        annotations: { destructiveHint: true, idempotentHint: true, openWorldHint: false },
      },
      async ({ taskId: id }, { owner }) => show(await cancel(options, refOf(owner, id), 'Cancelled by the client.')),
    ),
    modelTool(
      {
        mistakes: MISTAKES,
        name: TASK_TOOLS.list,
        title: 'List tasks',
        description: 'Lists the tasks of this user, the newest first.',
        inputSchema: listArgs,
        annotations: { readOnlyHint: true, openWorldHint: false },
      },
      async (args, { owner }) => list(owner, args, options),
    ),
  ];
}

type Answer = z.infer<typeof respondArgs>;

const MISTAKES: readonly TaskErrorCode[] = ['task_not_found', 'invalid_answer', 'invalid_cursor'];

/** The task once it has ended or has a question, or as it is after the wait. */
async function waitFor(
  known: StoredTask,
  waitSeconds: number | undefined,
  { signal }: CallContext,
  options: TaskToolsOptions,
): Promise<Task> {
  const { store, clock, closing, maxWaitMs, healingGraceMs } = options;
  const maxMs = waitSeconds === undefined ? maxWaitMs : Math.min(waitSeconds * 1000, maxWaitMs);
  const heal = (stored: StoredTask) => healForgotten(options, stored, clock.now(), healingGraceMs);
  await heal(known);
  if (isSettled(known) || maxMs === 0) return known.task;
  const settled = await awaitTask(known.task, isSettled, {
    store,
    clock,
    maxMs,
    lookEveryMs: LOOK_EVERY_MS,
    onLook: heal,
    signal: AbortSignal.any([signal, closing]),
  });
  return (settled ?? (await store.get(known.task))).task;
}

function isSettled({ task }: StoredTask): boolean {
  return isTerminal(task.status) || task.status === 'input_required';
}

async function respond(known: StoredTask, given: Omit<Answer, 'taskId'>, options: TaskToolsOptions): Promise<void> {
  const { store } = options;
  const questions = await questionsOf(store, known.task);
  const keys = Object.keys(questions);
  const key = given.key ?? (keys.length === 1 ? keys[0] : undefined);
  if (keys.length === 0) throw wrong(`The task waits for no answer: it is ${known.task.status}.`);
  if (key === undefined)
    throw wrong(`The task waits for ${keys.length} answers; give the "key" of one: ${keys.join(', ')}.`);
  const question = Object.hasOwn(questions, key) ? questions[key] : undefined;
  if (question === undefined) throw wrong(`The task asks nothing of this key; it asks ${keys.join(', ')}.`);
  const accepted = { [key]: answerTo(question as unknown as InputRequest, given) };
  await deliverAnswers(options, known, await checkAnswers(store, known.task, { accepted, dropped: [] }));
}

function answerTo(question: InputRequest, { action, content, response }: Omit<Answer, 'taskId'>): unknown {
  if (response !== undefined) return response;
  if (action === undefined) throw wrong('Give the user’s "action": accept, decline or cancel.');
  if (!question.method.startsWith('elicitation/'))
    throw wrong(`An answer to ${question.method} is given as "response".`);
  const isForm = neededFor(question) === 'elicitation.form' && action === 'accept';
  return { action, ...(isForm ? { content: content ?? {} } : {}) };
}

async function list(owner: Owner, { status, cursor }: z.infer<typeof listArgs>, { store, clock }: TaskToolsOptions) {
  const found: Task[] = [];
  let next = cursor;
  let pages = 0;
  do {
    const page = await store.list(owner, { limit: TASKS_PER_PAGE, cursor: next });
    found.push(...page.tasks.filter((task) => status === undefined || task.status === status));
    next = page.cursor;
    pages += 1;
  } while (next !== undefined && status !== undefined && found.length < TASKS_PER_PAGE && pages < MAX_PAGES);
  const tasks = found.map((task) => briefSummary(task, clock.now()));
  const lines = found.map((task) => {
    const message = shownStatusMessage(task);
    return `- ${task.id} ${task.tool}: ${task.status}${message === undefined ? '' : `, ${message}`}`;
  });
  const more = next === undefined ? '' : '\nThere are more: call again with "nextCursor" as "cursor".';
  const text = lines.length === 0 && next === undefined ? 'There are no such tasks.' : `${lines.join('\n')}${more}`;
  return { content: [{ type: 'text' as const, text }], structuredContent: { tasks, ...present({ nextCursor: next }) } };
}

function wrong(problem: string): TaskError {
  return new TaskError('invalid_answer', problem);
}
