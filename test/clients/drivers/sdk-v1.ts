/**
 * `@modelcontextprotocol/sdk`, the official client before 2026. Variants: `plain`; `tasks`, with its `experimental.tasks`;
 * `bridge`, plain, over `mcp-remote`, which hosts use that can only start programs.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { answerForm, answerOf, drivePlain, driveTasks, type StartedTask, target, variant } from './driver.ts';

const BRIDGE = `${process.env['CLIENTS_FOLDER']}/node_modules/mcp-remote/dist/proxy.js`;

async function connect() {
  const client = new Client({ name: 'sdk-v1', version: '1.32.2' }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => answerForm(params));
  await client.connect(transport());
  const call = async (name: string, args: object) => answerOf(await client.callTool({ name, arguments: { ...args } }));
  return { client, call, close: () => client.close() };
}

function transport() {
  if (!('url' in target)) return new StdioClientTransport({ ...target, args: [...target.args], stderr: 'ignore' });
  if (variant !== 'bridge') return new StreamableHTTPClientTransport(new URL(target.url));
  const args = [BRIDGE, target.url, '--allow-http', '--transport', 'http-only'];
  return new StdioClientTransport({
    command: process.execPath,
    args,
    env: { HOME: process.env['HOME'] ?? '', PATH: process.env['PATH'] ?? '' },
    stderr: 'ignore',
  });
}

async function connectWithTasks() {
  const { client, call, close } = await connect();
  // It learns from the list which tools are called as tasks.
  await client.listTools();
  const { tasks } = client.experimental;
  const taskOf = (id: string, rest: AsyncIterator<StreamedMessage> | undefined): StartedTask => ({
    id,
    result: async () => {
      if (rest === undefined) return wordsOf(await tasks.getTaskResult(id, CallToolResultSchema));
      let status = '';
      for (;;) {
        const { value, done } = await rest.next();
        if (done === true) throw new Error('the stream ended without a result');
        // The error itself only says that the task failed; why was in the status before it.
        if (value.type === 'error') throw new Error(`${status}: ${value.error.message}`);
        if (value.type === 'result') return wordsOf(value.result);
        status = value.task.statusMessage ?? '';
      }
    },
    cancel: async () => {
      await tasks.cancelTask(id);
    },
  });
  return {
    call,
    close,
    start: async (name: string, args: object) => {
      const stream = tasks.callToolStream({ name, arguments: { ...args } }, CallToolResultSchema);
      const { value } = await stream.next();
      if (value?.type === 'taskCreated') return taskOf(value.task.taskId, stream);
      throw value?.type === 'error' ? value.error : new Error('the call became no task');
    },
    resume: async (id: string) => taskOf(id, undefined),
  };
}

type StreamedMessage =
  | {
      readonly type: 'taskCreated' | 'taskStatus';
      readonly task: { readonly taskId: string; readonly statusMessage?: string };
    }
  | { readonly type: 'result'; readonly result: unknown }
  | { readonly type: 'error'; readonly error: Error };

function wordsOf(result: unknown): string {
  const { text, isError } = answerOf(result);
  if (isError) throw new Error(text);
  return text;
}

await (variant === 'tasks' ? driveTasks(connectWithTasks) : drivePlain(connect));
