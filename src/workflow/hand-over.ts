/**
 * What a prompt answers: goal and instructions, what has been done, and the rest handed over to the client, once for
 * programs and once in words. Bounded: what is too large is there as its beginning and as a link.
 */
import type { JsonObject, JsonValue } from '../domain/json.ts';
import { jsonBytes } from '../domain/json.ts';
import { shorten } from '../domain/text.ts';
import type { GetPromptResult, PromptMessage, ResourceContents } from '../protocol/sdk.ts';
import { RELATED_TASK_META_KEY } from '../protocol/sdk.ts';
import { toolOf } from './interpreter.ts';
import { type Known, resolveArguments, valueFrom } from './resolving.ts';
import { fillTemplate } from './templates.ts';
import type { PauseReason, WorkflowStep } from './workflow.ts';
import { shownPause } from './workflow-records.ts';
import { type Done, isOver, outputOf, type StepState, statusOf, type WorkflowState } from './workflow-state.ts';

export interface HandOver {
  readonly state: WorkflowState;
  /** `undefined`: nothing is kept. */
  readonly task: { readonly id: string; readonly status: string; readonly message?: string | undefined } | undefined;
  readonly pause: PauseReason | undefined;
  /** By URI: what is attached to the steps that remain. */
  readonly attached: ReadonlyMap<string, readonly ResourceContents[]>;
  readonly maxBytes: number;
}

/** Of one step in the block for programs. */
const MAX_BLOCK_OUTPUT = 2_048;
const LEAST_SHARE = 256;
const EXCERPT = 400;
/** Of a value that is told within words. */
const MAX_TOLD = 1_000;
const LEAST_TOLD = 80;

export function stepUri(taskId: string, step: string): string {
  return `durable-task://${taskId}/steps/${encodeURIComponent(step)}`;
}

export function replyOf(handOver: HandOver): GetPromptResult {
  const { state, task, pause } = handOver;
  const done = state.steps.filter((step) => step.pieces.some((piece) => piece.done !== undefined));
  const attachments = [...handOver.attached.values()].flat();
  const share = Math.max(
    LEAST_SHARE,
    Math.floor((handOver.maxBytes * 0.5) / Math.max(1, done.length + attachments.length)),
  );
  const messages: PromptMessage[] = [
    words('user', opening(state, handOver.maxBytes * 0.05)),
    ...done.flatMap((step) => doneMessages(step, handOver, share)),
    ...attachments.map((contents) => embeddedOrLinked(contents, share)),
    words('user', `\`\`\`json\n${JSON.stringify(block(handOver))}\n\`\`\``),
    words('user', plainList(handOver)),
  ];
  return {
    description: state.workflow.description,
    messages,
    _meta: {
      ...(task === undefined
        ? {}
        : { [RELATED_TASK_META_KEY]: { taskId: task.id }, task_id: task.id, task_status: task.status }),
      steps: state.steps.map((step) => ({ name: step.step.name, status: statusOf(step) })),
      ...(pause === undefined ? {} : { pause_reason: shownPause(pause) }),
    },
  };
}

function opening(state: WorkflowState, share: number): string {
  const { goal, description, instructions } = state.workflow;
  const said = tell(goal ?? description, state.known(), share);
  return instructions === undefined ? said : `${said}\n\n${tell(instructions, state.known(), share)}`;
}

/** A template's text, in which large values are there by their beginning. */
function tell(template: string, known: Known, share: number): string {
  return fillTemplate(template, (source) => {
    const value = valueFrom(source, known);
    if (value === undefined) return undefined;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return shorten(text, Math.max(LEAST_TOLD, Math.min(MAX_TOLD, share)));
  });
}

/** Calls and results as a conversation has them. */
function doneMessages({ step, pieces, items }: StepState, { task }: HandOver, share: number): PromptMessage[] {
  const most = Math.max(1, Math.floor(share / LEAST_SHARE));
  const each = Math.max(LEAST_SHARE, Math.floor(share / Math.max(1, Math.min(most, pieces.length))));
  const isDone = pieces.flatMap(({ done }, index) => (done === undefined ? [] : [{ done, index }]));
  const more = isDone.length - most;
  const rest =
    more <= 0
      ? []
      : [
          words('user', `Step ${step.name} was done ${more} times more.`),
          ...(task === undefined
            ? []
            : [link(stepUri(task.id, step.name), `Result of ${step.name}`, 'application/json')]),
        ];
  const shown = isDone.slice(0, most).flatMap(({ done, index }): PromptMessage[] => {
    const which = items === undefined ? step.name : `${step.name}[${index}]`;
    const what =
      step.kind === 'tool'
        ? `I call ${step.tool} with ${shorten(JSON.stringify(done.arguments), each)}.`
        : 'I do this step.';
    const who = done.by === 'server' ? 'The server did this' : 'The client did this';
    const differs = done.differs ? ', with other arguments than the workflow has' : '';
    return [
      words('assistant', `Step ${which}: ${what}`),
      words('user', `${who}${differs}. Result:`),
      ...resultMessages(step, done, task?.id, each),
    ];
  });
  return [...shown, ...rest];
}

function resultMessages(
  step: WorkflowStep,
  { result }: Done,
  taskId: string | undefined,
  share: number,
): PromptMessage[] {
  if (step.kind === 'resources' && Array.isArray(result.content)) {
    const contents = (result.content as readonly { resource: ResourceContents }[]).map(({ resource }) => resource);
    return contents.map((one) => embeddedOrLinked(one, Math.floor(share / contents.length)));
  }
  if (jsonBytes(result) <= share && Array.isArray(result.content)) {
    const blocks = (result.content as readonly unknown[]).filter(isPromptContent);
    const isSaid = blocks.length > 0 && result.structuredContent === undefined;
    if (isSaid) return blocks.map((content) => ({ role: 'user', content: content as PromptMessage['content'] }));
  }
  const text = JSON.stringify(result.structuredContent ?? result.content ?? null);
  if (Buffer.byteLength(text) <= share) return [words('user', text)];
  const excerpt = words(
    'user',
    `${shorten(text, Math.min(EXCERPT, Math.floor(share / 2)))} (${Buffer.byteLength(text)} bytes in all)`,
  );
  return taskId === undefined
    ? [excerpt]
    : [excerpt, link(stepUri(taskId, step.name), `Result of ${step.name}`, 'application/json')];
}

function isPromptContent(content: unknown): boolean {
  const { type } = content as { type?: unknown };
  return type === 'text' || type === 'image' || type === 'audio' || type === 'resource' || type === 'resource_link';
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
  readonly unresolved: readonly JsonObject[];
  readonly guidance?: string;
}

function remainingOf(state: WorkflowState, maxBytes: number): readonly Remaining[] {
  const open = state.steps.filter((step) => !isOver(step)).length;
  const share = (maxBytes * 0.05) / Math.max(1, open);
  return state.steps
    .filter((step) => !isOver(step))
    .flatMap((step) => {
      const indices = step.pieces.flatMap(({ status }, index) => (status === 'completed' ? [] : [index]));
      // A list that is not known yet stands for one time that the step is done.
      return (indices.length === 0 ? [0] : indices).map((index) => remaining(state, step, index, share));
    });
}

function remaining(state: WorkflowState, { step, items }: StepState, index: number, share: number): Remaining {
  const known = state.known(items?.[index]);
  const { values, missing } = step.kind === 'tool' ? resolveArguments(step, known) : { values: {}, missing: [] };
  const list =
    step.forEach !== undefined && items === undefined
      ? [{ argument: 'forEach', why: 'its list is not there yet' }]
      : [];
  return {
    step: items === undefined ? step.name : `${step.name}[${index}]`,
    tool: toolOf(step),
    by: step.by,
    arguments: values,
    unresolved: [...list, ...missing.map(({ argument, why }) => ({ argument, why }))],
    ...(step.guidance === undefined ? {} : { guidance: tell(step.guidance, known, share) }),
  };
}

function block(handOver: HandOver): JsonObject {
  const { state, task, pause, maxBytes } = handOver;
  const rest = remainingOf(state, maxBytes);
  const share = Math.max(LEAST_SHARE, Math.floor((maxBytes * 0.25) / Math.max(1, rest.length)));
  const remaining = firstWithin(
    maxBytes * 0.25,
    rest.map((one) => boundedRemaining(one, share)),
  );
  const done = state.steps.filter((step) => statusOf(step) === 'completed');
  const most = Math.min(MAX_BLOCK_OUTPUT, Math.floor((maxBytes * 0.2) / Math.max(1, done.length)));
  return {
    ...(task === undefined ? { kept: false } : { taskId: task.id, status: task.status }),
    workflow: state.workflow.name,
    ...(pause === undefined ? {} : { pauseReason: shownPause(pause) }),
    done: done.map((step) => ({
      step: step.step.name,
      ...outputShown(outputOf(step), task?.id, step.step.name, most),
    })),
    remaining,
    ...(remaining.length === rest.length ? {} : { more: rest.length - remaining.length }),
    ...(state.aside.length === 0 ? {} : { aside: state.aside.map(({ tool, why }) => ({ tool, why })) }),
    ...(task === undefined ? {} : { continue: howToGoOn(state, task.id) }),
  };
}

/** The first of a list, as many as fit; at least one. */
function firstWithin<Item extends JsonValue>(maxBytes: number, items: readonly Item[]): readonly Item[] {
  let left = maxBytes;
  const end = items.findIndex((item, index) => {
    left -= jsonBytes(item);
    return left < 0 && index > 0;
  });
  return end < 0 ? items : items.slice(0, end);
}

function outputShown(output: JsonValue, taskId: string | undefined, step: string, maxBytes: number): JsonObject {
  const bytes = jsonBytes(output);
  if (bytes <= maxBytes) return { output };
  const excerpt = { excerpt: shorten(JSON.stringify(output), Math.min(EXCERPT, maxBytes)), bytes };
  return taskId === undefined ? excerpt : { ...excerpt, resource: stepUri(taskId, step) };
}

function boundedRemaining(one: Remaining, share: number): JsonObject {
  const args: Record<string, JsonValue> = {};
  const large: string[] = [];
  for (const [name, value] of Object.entries(one.arguments)) {
    if (jsonBytes(value) <= share) args[name] = value;
    else large.push(name);
  }
  const shortened = large.map((name) => ({
    argument: name,
    why: 'it is too large to be shown: take it from the resource of the step that made it',
  }));
  return { ...one, arguments: args, unresolved: [...one.unresolved, ...shortened] };
}

function howToGoOn({ workflow }: WorkflowState, taskId: string): JsonObject {
  return {
    _meta: { [RELATED_TASK_META_KEY]: { taskId } },
    how: `Give this _meta with each tools/call; or, where you cannot, the argument "_task_id": "${taskId}". Get the prompt ${workflow.name} again with the same _meta to see where it stands, and to have failed steps tried again.`,
    complete: 'task_complete',
    cancel: 'tasks/cancel',
  };
}

function plainList({ state, task, pause, maxBytes }: HandOver): string {
  const rest = remainingOf(state, maxBytes);
  const paused = pause === undefined ? '' : ` ${describePause(pause)}`;
  const which =
    task === undefined ? 'Nothing of this is kept: there is no task.' : `This is task ${task.id}, now ${task.status}.`;
  if (rest.length === 0) return `${which} Every step is done.`;
  if (task !== undefined && ['completed', 'failed', 'cancelled'].includes(task.status))
    return `${which}${task.message === undefined ? '' : ` ${task.message}`} Nothing more is to be done for it.`;
  const lines = rest.map(({ step, tool, by, arguments: args, unresolved, guidance }, index) => {
    const missing = unresolved.map(({ argument, why }) => `${String(argument)} (${String(why)})`);
    const open = missing.length === 0 ? '' : ` Find: ${missing.join(', ')}.`;
    const who = by === 'server' ? ', which the server does by itself once it can' : '';
    return `${index + 1}. ${step}: ${tool} with ${shorten(JSON.stringify(args), EXCERPT)}${who}.${open}${guidance === undefined ? '' : ` ${guidance}`}`;
  });
  const shown = firstWithin(maxBytes * 0.15, lines);
  const more = lines.length === shown.length ? '' : `\n… and ${lines.length - shown.length} more.`;
  const how =
    task === undefined
      ? 'Do these in order.'
      : `Do these in order, each by its tool, with "_task_id": "${task.id}" among its arguments unless your client sets the related task itself.`;
  return `${which}${paused}\n${shown.join('\n')}${more}\n${how}`;
}

export function describePause(pause: PauseReason): string {
  switch (pause.type) {
    case 'unresolvableParams':
      return `Step ${pause.blockedStep} lacks ${pause.missing.map(({ argument, why }) => `${argument} (${why})`).join(', ')}.`;
    case 'schemaMismatch':
      return `The arguments of step ${pause.blockedStep} do not fit its tool: ${pause.problem}.`;
    case 'toolError':
      return `Step ${pause.failedStep} failed: ${pause.error}.${pause.retryable ? ' It may be tried again.' : ''}`;
    case 'unresolvedDependency':
      return `Step ${pause.blockedStep} needs ${pause.missingOutput}, which step ${pause.producingStep} did not give.`;
    case 'clientStep':
      return `Step ${pause.step} is yours.`;
    case 'needsInput':
      return `Step ${pause.step} waits for an answer to the question of its task.`;
    case 'timeBudget':
      return `The server is at work on step ${pause.step}, and goes on; get the prompt again to see how far it is.`;
  }
}

function words(role: PromptMessage['role'], text: string): PromptMessage {
  return { role, content: { type: 'text', text } };
}
