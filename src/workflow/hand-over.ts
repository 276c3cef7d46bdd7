/**
 * What a prompt answers: goal and instructions, what has been done, and the rest handed over to the client, once for
 * programs and once in words. Bounded: what is too large is there as its beginning and as a link, and what is most, as a
 * number.
 */
import { type JsonObject, type JsonValue, jsonBytes } from '../domain/json.ts';
import { isTerminal, type TaskStatus } from '../domain/status.ts';
import { shorten } from '../domain/text.ts';
import { TASK_ID_KEY } from '../protocol/call-meta.ts';
import {
  type GetPromptResult,
  type PromptMessage,
  RELATED_TASK_META_KEY,
  type ResourceContents,
} from '../protocol/sdk.ts';
import { toolOf } from './interpreter.ts';
import { describePause } from './pauses.ts';
import { resolveArguments, valueFrom } from './resolving.ts';
import { goalOf, outputShown, stepUri } from './summary.ts';
import { fillTemplate } from './templates.ts';
import type { PauseReason, WorkflowStep } from './workflow.ts';
import { WORKFLOW_TOOLS } from './workflow-name.ts';
import { shownPause } from './workflow-records.ts';
import {
  type Done,
  isOver,
  outputOf,
  pieceName,
  type StepState,
  statusOf,
  type WorkflowState,
} from './workflow-state.ts';

interface HandedTask {
  readonly id: string;
  readonly status: TaskStatus;
  readonly message?: string | undefined;
  /** It waits for a worker that has its code. */
  readonly isParked?: boolean;
}

export interface HandOver {
  readonly state: WorkflowState;
  /** `undefined`: nothing is kept. */
  readonly task: HandedTask | undefined;
  readonly pause: PauseReason | undefined;
  /** By URI: what is attached to the steps that remain. */
  readonly attached: ReadonlyMap<string, readonly ResourceContents[]>;
  /** What a tool of the server cannot do without. */
  readonly requiredOf: (tool: string) => readonly string[];
  readonly maxBytes: number;
}

/** How much is shown: of steps in full, of what remains, and of each value, in bytes or characters. */
interface Detail {
  readonly doneSteps: number;
  readonly pieces: number;
  readonly remaining: number;
  readonly value: number;
  readonly guidance: number;
}

/** The first with which the reply is within its bound is taken; the last is small, whatever the workflow. */
const DETAILS: readonly Detail[] = [
  { doneSteps: 200, pieces: 10, remaining: 50, value: 32_768, guidance: 4_000 },
  { doneSteps: 200, pieces: 5, remaining: 50, value: 4_096, guidance: 2_000 },
  { doneSteps: 50, pieces: 3, remaining: 30, value: 1_024, guidance: 1_000 },
  { doneSteps: 10, pieces: 1, remaining: 10, value: 512, guidance: 300 },
  { doneSteps: 0, pieces: 0, remaining: 3, value: 128, guidance: 100 },
];
const EXCERPT = 400;

export function replyOf(handOver: HandOver): GetPromptResult {
  let reply = replyWith(handOver, DETAILS[0] as Detail);
  for (const detail of DETAILS.slice(1)) {
    if (jsonBytes(reply as unknown as JsonObject) <= handOver.maxBytes) return reply;
    reply = replyWith(handOver, detail);
  }
  return reply;
}

function replyWith(whole: HandOver, detail: Detail): GetPromptResult {
  const handOver = { ...whole, pause: whole.pause && pauseWithin(whole.pause, detail) };
  const { state, task, pause } = handOver;
  const done = state.steps.filter((step) => step.pieces.some((piece) => piece.done !== undefined));
  // The newest are of the most use for what follows.
  const shown = done.slice(Math.max(0, done.length - detail.doneSteps));
  const left = done.length - shown.length;
  const rest = remainingOf(handOver, detail);
  const messages: PromptMessage[] = [
    words('user', opening(state, detail)),
    ...(left === 0 ? [] : [words('user', `${left} steps that are done are not shown here.`)]),
    ...shown.flatMap((step) => doneMessages(step, handOver, detail)),
    ...[...handOver.attached.values()].flat().map((contents) => embeddedOrLinked(contents, detail.value)),
    words('user', `\`\`\`json\n${JSON.stringify(block(handOver, rest, detail))}\n\`\`\``),
    words('user', plainList(handOver, rest)),
  ];
  return {
    description: state.workflow.description,
    messages,
    _meta: {
      ...(task === undefined
        ? {}
        : { [RELATED_TASK_META_KEY]: { taskId: task.id }, task_id: task.id, task_status: task.status }),
      steps: state.steps.map((step) => ({ name: step.step.name, status: statusOf(step) })),
      ...(pause === undefined ? {} : { pause_reason: pause as unknown as JsonObject }),
    },
  };
}

function pauseWithin(pause: PauseReason, { guidance, remaining: count }: Detail): PauseReason {
  return shownPause(pause, Math.min(1_000, 2 * guidance), Math.min(20, count)) as unknown as PauseReason;
}

function opening(state: WorkflowState, { guidance }: Detail): string {
  const { instructions } = state.workflow;
  const known = state.known();
  const told = instructions === undefined ? '' : fillTemplate(instructions, (source) => valueFrom(source, known));
  return `${shorten(goalOf(state), guidance)}${told === '' ? '' : `\n\n${shorten(told, 4 * guidance)}`}`;
}

/** Calls and results as a conversation has them. */
function doneMessages(state: StepState, { task }: HandOver, detail: Detail): PromptMessage[] {
  const { step, pieces } = state;
  const done = pieces.flatMap((piece, index) => (piece.done === undefined ? [] : [{ index, done: piece.done }]));
  const shown = done.slice(0, Math.max(1, detail.pieces));
  const messages = shown.flatMap(({ index, done: call }): PromptMessage[] => {
    const args = shorten(JSON.stringify(call.arguments), EXCERPT);
    const what = step.kind === 'tool' ? `I call ${step.tool} with ${args}.` : 'I do this step.';
    const who = call.by === 'server' ? 'The server did this' : 'The client did this';
    const differs = call.differs ? ', with other arguments than the workflow has' : '';
    return [
      words('assistant', `Step ${pieceName(state, index)}: ${what}`),
      words('user', `${who}${differs}. Result:`),
      ...resultMessages(step, call, task?.id, Math.ceil(detail.value / shown.length)),
    ];
  });
  if (done.length === shown.length) return messages;
  const more = words('user', `Step ${step.name} was done ${done.length - shown.length} times more.`);
  return task === undefined ? [...messages, more] : [...messages, more, resultLink(task.id, step.name)];
}

function resultMessages(
  step: WorkflowStep,
  { result }: Done,
  taskId: string | undefined,
  share: number,
): PromptMessage[] {
  const blocks = (Array.isArray(result.content) ? (result.content as readonly JsonObject[]) : []).filter(
    isPromptContent,
  );
  if (step.kind === 'resources') {
    const contents = blocks.map(({ resource }) => resource as unknown as ResourceContents);
    return contents.map((one) => embeddedOrLinked(one, Math.floor(share / contents.length)));
  }
  const fits = jsonBytes(result) <= share;
  // What structured content says, its text says again, for clients that know no other; links and images it does not.
  const isRepeated = (block: JsonObject) => result.structuredContent !== undefined && block.type === 'text';
  const said = blocks.filter((block) => !isRepeated(block)).map(saidBy);
  if (fits && said.length > 0 && result.structuredContent === undefined) return said;
  const text = JSON.stringify(result.structuredContent ?? result.content ?? null);
  if (Buffer.byteLength(text) <= share) return [words('user', text), ...(fits ? said : [])];
  const excerpt = words('user', `${shorten(text, Math.min(EXCERPT, share))} (${Buffer.byteLength(text)} bytes in all)`);
  return taskId === undefined ? [excerpt] : [excerpt, resultLink(taskId, step.name)];
}

function saidBy(content: JsonObject): PromptMessage {
  return { role: 'user', content: content as unknown as PromptMessage['content'] };
}

function resultLink(taskId: string, step: string): PromptMessage {
  return link(stepUri(taskId, step), `Result of ${step}`, 'application/json');
}

const PROMPT_CONTENT = new Set(['text', 'image', 'audio', 'resource', 'resource_link']);

function isPromptContent({ type }: JsonObject): boolean {
  return typeof type === 'string' && PROMPT_CONTENT.has(type);
}

function embeddedOrLinked(resource: ResourceContents, share: number): PromptMessage {
  if (jsonBytes(resource as unknown as JsonObject) <= share)
    return { role: 'user', content: { type: 'resource', resource } };
  return link(resource.uri, resource.uri, resource.mimeType);
}

function link(uri: string, name: string, mimeType: string | undefined): PromptMessage {
  return {
    role: 'user',
    content: { type: 'resource_link', uri, name, ...(mimeType === undefined ? {} : { mimeType }) },
  };
}

/** What is to be done of one step. */
interface Remaining {
  readonly step: string;
  readonly tool: string;
  readonly by: 'server' | 'client';
  readonly arguments: JsonObject;
  readonly unresolved: readonly { readonly argument: string; readonly why: string }[];
  /** How many more than these. */
  readonly furtherUnresolved?: number;
  readonly hasFailed?: boolean;
  /** Why the server leaves it to the client. */
  readonly because?: string;
  readonly guidance?: string;
}

interface Rest {
  readonly shown: readonly Remaining[];
  /** How many more than these. */
  readonly more: number;
}

function remainingOf(handOver: HandOver, detail: Detail): Rest {
  const places = handOver.state.steps
    .filter((step) => !isOver(step))
    .flatMap((step) => {
      const indices = step.pieces.flatMap(({ status }, index) => (status === 'completed' ? [] : [index]));
      // A list that is not known yet stands for one time that the step is done.
      return (indices.length === 0 ? [0] : indices).map((index) => ({ step, index }));
    });
  const shown = places.slice(0, detail.remaining).map(({ step, index }) => remaining(handOver, step, index, detail));
  return { shown, more: places.length - shown.length };
}

function remaining(handOver: HandOver, stepState: StepState, index: number, detail: Detail): Remaining {
  const { step, items, pieces } = stepState;
  const { state, task } = handOver;
  const known = state.known(items?.[index]);
  const because = pieces[index]?.handedOver;
  const guidance =
    step.guidance === undefined
      ? undefined
      : shorten(
          fillTemplate(step.guidance, (source) => valueFrom(source, known)),
          detail.guidance,
        );
  const common = {
    step: pieceName(stepState, index),
    tool: toolOf(step),
    // Where nothing is kept, the server does nothing later.
    by: because === undefined && task !== undefined ? step.by : ('client' as const),
    ...(pieces[index]?.status === 'failed' ? { hasFailed: true } : {}),
    ...(because === undefined ? {} : { because }),
    ...(guidance === undefined ? {} : { guidance }),
  };
  if (step.kind === 'manual') {
    // As `task_report` takes it.
    const reported = { ...(task === undefined ? {} : { taskId: task.id }), step: step.name };
    return {
      ...common,
      arguments: reported,
      unresolved: [{ argument: 'result', why: 'it is what comes of the step' }],
    };
  }
  const list = step.forEach !== undefined && items === undefined;
  const { values, missing } = step.kind === 'tool' ? resolveArguments(step, known) : { values: {}, missing: [] };
  const required = step.kind === 'tool' ? handOver.requiredOf(step.tool) : [];
  const given = new Set(step.kind === 'tool' ? Object.keys(step.arguments) : []);
  const large = Object.entries(values).filter(([, value]) => jsonBytes(value) > detail.value);
  const unresolved = [
    ...(list ? [{ argument: 'forEach', why: 'its list is not there yet' }] : []),
    // What the tool can do without is nothing to look for.
    ...missing
      .filter(({ argument }) => required.length === 0 || required.includes(argument))
      .map(({ argument, why }) => ({ argument, why: shorten(why, Math.min(EXCERPT, detail.guidance)) })),
    ...required.filter((argument) => !given.has(argument)).map((argument) => ({ argument, why: 'it is yours to say' })),
    ...large.map(([argument]) => ({
      argument,
      why: 'it is too large to be shown: read it from the step that made it',
    })),
  ];
  const further = Math.max(0, unresolved.length - detail.remaining);
  return {
    ...common,
    arguments: Object.fromEntries(Object.entries(values).filter((entry) => !large.some(([key]) => key === entry[0]))),
    unresolved: unresolved.slice(0, detail.remaining),
    ...(further === 0 ? {} : { furtherUnresolved: further }),
  };
}

function block({ state, task, pause }: HandOver, { shown, more }: Rest, detail: Detail): JsonObject {
  const done = state.steps.filter((step) => statusOf(step) === 'completed');
  const isOpen = task !== undefined && !isTerminal(task.status);
  return {
    ...(task === undefined ? { kept: false } : { taskId: task.id, status: task.status }),
    workflow: state.workflow.name,
    ...(pause === undefined ? {} : { pauseReason: pause as unknown as JsonObject }),
    done: done.slice(Math.max(0, done.length - Math.max(1, detail.doneSteps))).map((step) => ({
      step: step.step.name,
      ...outputShown(outputOf(step), Math.min(detail.value, 2_048), task?.id, step.step.name),
    })),
    remaining: shown as unknown as JsonValue,
    ...(more === 0 ? {} : { furtherRemaining: more }),
    ...(state.aside.length === 0
      ? {}
      : {
          aside: state.aside
            .slice(-Math.min(10, detail.remaining))
            .map(({ tool, why }) => ({ tool: shorten(tool, 128), why: shorten(why, 128) })),
        }),
    ...(isOpen ? { continue: howToGoOn(state, task.id) } : {}),
  };
}

function howToGoOn({ workflow }: WorkflowState, taskId: string): JsonObject {
  return {
    _meta: { [RELATED_TASK_META_KEY]: { taskId } },
    how:
      `Give this _meta with each tools/call; or, where you cannot, the argument "${TASK_ID_KEY}": "${taskId}". Get the prompt ` +
      `${workflow.name} again with the same _meta to see where it stands, and to have failed steps tried again.`,
    complete: WORKFLOW_TOOLS.complete,
    cancel: 'tasks/cancel',
  };
}

function plainList({ state, task, pause }: HandOver, { shown, more }: Rest): string {
  const which =
    task === undefined ? 'Nothing of this is kept: there is no task.' : `This is task ${task.id}, now ${task.status}.`;
  if (task !== undefined && isTerminal(task.status)) {
    const told = task.message === undefined ? '' : ` ${task.message}`;
    return state.next === undefined
      ? `${which} Every step is done.`
      : `${which}${told} Nothing more is to be done for it.`;
  }
  if (state.next === undefined) return `${which} Every step is done.`;
  const lines = shown.map((one, index) => `${index + 1}. ${inWords(one)}`);
  const further = more > 0 ? `\n… and ${more} more.` : '';
  const how =
    task === undefined
      ? 'Do these in order.'
      : `Do yours in order, each by its tool, with "${TASK_ID_KEY}": "${task.id}" among its arguments unless your client sets the related task itself.`;
  const why =
    task?.isParked === true ? `It does not go on for now. ${task.message ?? ''}` : pause && describePause(pause);
  const paused = why === undefined ? '' : ` ${why}`;
  return `${which}${paused}\n${lines.join('\n')}${further}\n${how}`;
}

function inWords(one: Remaining): string {
  const { step, tool, by, arguments: args, unresolved, furtherUnresolved, because, guidance, hasFailed } = one;
  const few = unresolved.map(({ argument, why }) => `${argument} (${why})`).join(', ');
  const open = furtherUnresolved === undefined ? few : `${few} and ${furtherUnresolved} more`;
  const told = guidance === undefined ? '' : ` ${guidance}`;
  const shown = shorten(JSON.stringify(args), EXCERPT);
  if (by === 'server' && hasFailed === true)
    return `${step}: get the prompt again, and the server tries it again, or call ${tool} with ${shown} yourself.${told}`;
  if (by === 'server')
    return `${step}: the server does it, by ${tool}, once it can${open === '' ? '' : `: it waits for ${open}`}.`;
  const why = because === undefined ? '' : ` It is yours, since ${because}.`;
  const find = open === '' ? '' : ` Find: ${open}.`;
  return `${step}: call ${tool} with ${shown}.${why}${find}${told}`;
}

function words(role: PromptMessage['role'], text: string): PromptMessage {
  return { role, content: { type: 'text', text } };
}
