/**
 * A script that behaves as VS Code does (2025-11-25): it asks how a task stands until it has ended, reads the result of a
 * completed one, shows nothing but the status message of a failed one, and never asks for the result of one that waits for
 * input: whatever the server asks comes on the stream of some other answer. It ends no task; its model may.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Answer, answerForm, answerOf, driveTasks, type StartedTask, target } from './driver.ts';

const REVISION = '2025-11-25';
const DEFAULT_POLL_INTERVAL_MS = 2_000;
const INVALID_PARAMS = -32_602;

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly message: string };
}

interface Task {
  readonly taskId: string;
  readonly status: string;
  readonly statusMessage?: string;
  readonly pollInterval?: number;
}

interface Wire {
  /** Resolves when the message is taken; what comes back is handed to `onMessage`. */
  send(message: object): Promise<void>;
  close(): Promise<void>;
}

class RequestError extends Error {
  readonly code: number;

  constructor({ code, message }: { readonly code: number; readonly message: string }) {
    super(message);
    this.code = code;
  }
}

function httpWire(url: string, onMessage: (message: Message) => void): Wire {
  let session: string | undefined;
  let isInitialized = false;
  const send = async (message: object) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream, application/json',
        ...(isInitialized ? { 'mcp-protocol-version': REVISION } : {}),
        ...(session === undefined ? {} : { 'mcp-session-id': session }),
      },
      body: JSON.stringify(message),
    });
    session = response.headers.get('mcp-session-id') ?? session;
    isInitialized = true;
    if (response.status >= 300) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    if (isStream && response.body !== null) {
      void readEvents(response.body, onMessage).catch(() => {});
      return;
    }
    const text = await response.text();
    if (text !== '') onMessage(JSON.parse(text) as Message);
  };
  return { send, close: async () => {} };
}

async function readEvents(body: ReadableStream<Uint8Array>, onMessage: (message: Message) => void): Promise<void> {
  let text = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const data = text
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5));
      text = text.slice(end + 2);
      if (data.join('').trim() !== '') onMessage(JSON.parse(data.join('\n')) as Message);
    }
  }
}

function stdioWire(command: string, args: readonly string[], onMessage: (message: Message) => void): Wire {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  createInterface({ input: child.stdout }).on('line', (line) => onMessage(JSON.parse(line) as Message));
  return {
    send: async (message) => {
      child.stdin.write(`${JSON.stringify(message)}\n`);
    },
    close: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

await driveTasks(async () => {
  const waiting = new Map<number | string, (message: Message) => void>();
  const onMessage = (message: Message) => {
    const { id, method, params } = message;
    if (method === undefined) {
      if (id !== undefined) waiting.get(id)?.(message);
    } else if (method === 'elicitation/create') {
      void answerForm(params).then((result) => wire.send({ jsonrpc: '2.0', id, result }));
    } else if (id !== undefined) {
      void wire.send({ jsonrpc: '2.0', id, error: { code: -32_601, message: `Method not found: ${method}` } });
    }
  };
  const wire = 'url' in target ? httpWire(target.url, onMessage) : stdioWire(target.command, target.args, onMessage);
  let last = 0;
  const request = async <Result>(method: string, params: object): Promise<Result> => {
    last += 1;
    const id = last;
    const answered = new Promise<Message>((resolve) => waiting.set(id, resolve));
    await wire.send({ jsonrpc: '2.0', id, method, params });
    const { result, error } = await answered;
    waiting.delete(id);
    if (error !== undefined) throw new RequestError(error);
    return result as Result;
  };

  const { capabilities } = await request<{ capabilities: { tasks?: { requests?: { tools?: { call?: object } } } } }>(
    'initialize',
    {
      protocolVersion: REVISION,
      capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } },
      clientInfo: { name: 'Visual Studio Code', version: '1.0.0' },
    },
  );
  await wire.send({ jsonrpc: '2.0', method: 'notifications/initialized' });
  const { tools } = await request<{ tools: { name: string; execution?: { taskSupport?: string } }[] }>(
    'tools/list',
    {},
  );
  const hasTasks = capabilities.tasks?.requests?.tools?.call !== undefined;

  const call = (name: string, args: object) => {
    const support = tools.find((tool) => tool.name === name)?.execution?.taskSupport;
    const asTask = hasTasks && (support === 'optional' || support === 'required');
    return request<object>('tools/call', {
      name,
      arguments: args,
      ...(asTask ? { task: {} } : {}),
      _meta: { progressToken: `token-${last}` },
    });
  };
  const followed = (taskId: string, pollInterval = DEFAULT_POLL_INTERVAL_MS): StartedTask => ({
    id: taskId,
    result: async () => {
      for (let interval = pollInterval; ; ) {
        await delay(interval);
        let task = await request<Task>('tasks/get', { taskId }).catch(cancelledIfUnknown);
        if (task.status === 'input_required') task = await request<Task>('tasks/get', { taskId });
        if (task.status === 'completed') return answerOf(await request('tasks/result', { taskId })).text;
        if (task.status === 'failed') throw new Error(task.statusMessage ?? '(no message)');
        if (task.status === 'cancelled') throw new Error('cancelled');
        interval = task.pollInterval ?? DEFAULT_POLL_INTERVAL_MS;
      }
    },
    // The user gives it up, and then has the model end it.
    cancel: async () => {
      const listed = await plainCall('task_list', { status: 'working' });
      if (!listed.text.includes(taskId)) throw new Error(`not listed: ${listed.text}`);
      await plainCall('task_cancel', { taskId });
    },
  });
  const plainCall = async (name: string, args: object): Promise<Answer> => answerOf(await call(name, args));
  return {
    call: plainCall,
    start: async (name, args) => {
      const { task } = (await call(name, args)) as { readonly task?: Task };
      if (task === undefined) throw new Error('the call became no task');
      return followed(task.taskId, task.pollInterval);
    },
    resume: async (taskId) => followed(taskId),
    close: () => wire.close(),
  };
});

function cancelledIfUnknown(error: unknown): Task {
  if (error instanceof RequestError && error.code === INVALID_PARAMS) return { taskId: '', status: 'cancelled' };
  throw error;
}
