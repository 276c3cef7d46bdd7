/**
 * What all drivers written in TypeScript have in common: where the server is, the behaviours one after the other, and a line
 * of JSON on standard output for each, `{ behaviour, outcome, detail }`. The outcome is the way in which the client got
 * there: `call` (the call's own answer), `task` (it followed a task), `tools` (its model used the tools for tasks), or
 * `error`. A client's own file says only how it connects and calls.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** A server to connect to, or the command that starts it on stdio. */
export type Target = { readonly url: string } | { readonly command: string; readonly args: readonly string[] };
type Outcome = 'call' | 'task' | 'tools' | 'error';
type Done = readonly [outcome: Outcome, detail: string];

export const target = JSON.parse(process.env['CLIENTS_TARGET'] ?? '{}') as Target;
export const variant = process.env['CLIENTS_VARIANT'] ?? '';

export interface Answer {
  readonly text: string;
  readonly isError: boolean;
}

/** A client whose calls are answered by results, and that knows nothing else. */
export interface PlainClient {
  /** May reject where the client makes an error of a tool an exception. */
  call(tool: string, args: object): Promise<Answer>;
  close(): Promise<void>;
}

/** A client that follows tasks. */
export interface TaskClient extends PlainClient {
  start(tool: string, args: object): Promise<StartedTask>;
  /** A task that was started over another connection. */
  resume(taskId: string): Promise<StartedTask>;
}

export interface StartedTask {
  readonly id: string;
  /** What the task's result says; rejects with why there is none. */
  result(): Promise<string>;
  cancel(): Promise<void>;
}

/** Long enough for a client to ask several times how the task stands: the question may not come anew with each. */
const THINKING_MS = 1_000;
let questions = 0;

/** The person behind every client. */
export async function answerForm(params: unknown): Promise<{ action: 'accept'; content: { colour: string } }> {
  const { message } = params as { readonly message?: string };
  if (message !== 'Which colour?') throw new Error(`asked something else: ${JSON.stringify(params)}`);
  questions += 1;
  await delay(THINKING_MS);
  return { action: 'accept', content: { colour: 'blue' } };
}

/** Of a `CallToolResult`. */
export function answerOf(result: unknown): Answer {
  const { content, isError } = result as {
    readonly content?: readonly { text?: string }[];
    readonly isError?: boolean;
  };
  return { text: (content ?? []).map(({ text }) => text ?? '').join('\n'), isError: isError === true };
}

export async function drivePlain(connect: () => Promise<PlainClient>): Promise<void> {
  let client = await connect();
  const followed = async (first: Answer): Promise<Done> => {
    const taskId = handedOver(first);
    if (taskId === undefined) return ['call', wanted(first)];
    let answer = first;
    while (handedOver(answer) !== undefined) {
      answer = await client.call('task_status', { taskId, waitSeconds: 5 });
    }
    return ['tools', wanted(answer)];
  };
  await behave('short', async () => ['call', wanted(await client.call('greet', { name: 'Ada' }))]);
  await behave('long', async () => followed(await client.call('slow', {})));
  await behave('question', async () => {
    const answer = await client.call('ask', {});
    const taskId = handedOver(answer);
    if (taskId === undefined) return ['call', wanted(answer)];
    const content = { colour: 'blue' };
    const [, told] = await followed(await client.call('task_respond', { taskId, action: 'accept', content }));
    return ['tools', told];
  });
  await behave('cancel', async () => {
    const taskId = handedOver(await client.call('forever', {}));
    if (taskId === undefined) throw new Error('what takes for ever was not handed over');
    await client.call('task_cancel', { taskId });
    return ['tools', wanted(await client.call('task_status', { taskId }))];
  });
  await behave('failure', async () => ['call', await failuresOf(client)]);
  await behave('restart', async () => {
    const answer = await client.call('relay', {});
    if ('url' in target) await restartServer();
    else {
      await client.close();
      client = await connect();
    }
    return followed(answer);
  });
  await client.close();
}

/** A client whose calls last as long as their tasks, which it follows itself; it answers nothing and ends nothing. */
export async function driveFollowing(client: PlainClient): Promise<void> {
  const followed = async (tool: string): Promise<Done> => ['task', wanted(await client.call(tool, {}))];
  await behave('short', async () => ['call', wanted(await client.call('greet', { name: 'Ada' }))]);
  await behave('long', () => followed('slow'));
  await behave('failure', async () => ['task', await failuresOf(client)]);
  await behave('restart', async () => {
    const [done] = await Promise.all([followed('relay'), restartServer('relay')]);
    return done;
  });
}

export async function driveTasks(connect: () => Promise<TaskClient>): Promise<void> {
  let client = await connect();
  const finished = async (tool: string): Promise<Done> => {
    const task = await client.start(tool, {});
    return ['task', await task.result()];
  };
  await behave('short', async () => ['call', wanted(await client.call('greet', { name: 'Ada' }))]);
  await behave('long', () => finished('slow'));
  await behave('question', () => finished('ask'));
  await behave('cancel', async () => {
    const task = await client.start('forever', {});
    await task.cancel();
    return ['task', await failureOf(() => task.result())];
  });
  await behave('failure', async () => {
    const reasons = [];
    for (const how of ['tool', 'protocol']) {
      const task = await client.start('fail', { how });
      reasons.push(await failureOf(() => task.result()));
    }
    return ['task', reasons.join(' ')];
  });
  await behave('restart', async () => {
    const task = await client.start('relay', {});
    if ('url' in target) {
      await restartServer();
      return ['task', await task.result()];
    }
    await client.close();
    client = await connect();
    return ['task', await (await client.resume(task.id)).result()];
  });
  await client.close();
}

/** Of some hosts, the model reads the structured content and nothing else. */
const GOES_ON = [/goes on as task ([0-9a-f]{44})/, /"taskId":"([0-9a-f]{44})".*"status":"(?:working|input_required)"/];

/** The id of the task that the work goes on as, from what a model reads. */
function handedOver({ text, isError }: Answer): string | undefined {
  if (isError) return undefined;
  return GOES_ON.map((words) => words.exec(text)?.[1]).find((id) => id !== undefined);
}

function wanted({ text, isError }: Answer): string {
  if (isError) throw new Error(`the tool's error: ${text}`);
  return text;
}

async function failuresOf(client: PlainClient): Promise<string> {
  const reasons = [];
  for (const how of ['tool', 'protocol']) reasons.push(await failureOf(() => client.call('fail', { how })));
  return reasons.join(' ');
}

/** However the client shows it. */
async function failureOf(attempt: () => Promise<Answer | string>): Promise<string> {
  let answer: Answer | string;
  try {
    answer = await attempt();
  } catch (error) {
    return messageOf(error);
  }
  if (typeof answer === 'object' && answer.isError) return answer.text;
  throw new Error(`no failure, but ${JSON.stringify(answer)}`);
}

async function behave(behaviour: string, run: () => Promise<Done>): Promise<void> {
  const before = questions;
  const [outcome, detail] = await run().catch((error: unknown): Done => ['error', messageOf(error)]);
  const asked = questions - before;
  if (asked > 1) report(behaviour, 'error', `asked ${asked} times`);
  else report(behaviour, outcome, detail);
}

function report(behaviour: string, outcome: Outcome, detail: string): void {
  process.stdout.write(`${JSON.stringify({ behaviour, outcome, detail })}\n`);
}

/** The restart of the server behind a URL; over stdio, the client is the one that starts it. */
async function restartServer(after?: string): Promise<void> {
  const query = after === undefined ? '' : `?after=${after}`;
  const response = await fetch(`${process.env['CLIENTS_RESTART_URL']}${query}`, { method: 'POST' });
  if (!response.ok) throw new Error(`no restart: ${await response.text()}`);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
