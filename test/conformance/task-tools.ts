/**
 * The tools that the suite's task scenarios call, by the names that they look for. Written as a user of
 * this package writes tools.
 */
import * as z from 'zod';
import {
  type AnyTool,
  type CallToolResult,
  defineTaskTool,
  type ElicitResult,
  inputRequired,
  ProtocolError,
  ProtocolErrorCode,
} from '../../src/index.ts';
import { ASK_NAME, requestsOf } from './questions.ts';

/** Short, since the suite looks every 200 ms and the tasks take a second or two. */
const pollIntervalMs = 250;

const NAME_FORM = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const CONFIRM_FORM = { type: 'object', properties: { confirm: { type: 'boolean' } }, required: ['confirm'] };

const greet = defineTaskTool({
  name: 'greet',
  description: 'Greets within the call; never a task.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ name: z.string() }),
  run: async ({ name }) => text(`Hello, ${name}!`),
});

const slowCompute = defineTaskTool({
  name: 'slow_compute',
  description: 'Takes the given number of seconds.',
  inputSchema: z.object({ seconds: z.int().min(0).max(3_600), label: z.string().default('compute') }),
  pollIntervalMs,
  async run({ seconds, label }, task) {
    if (seconds > 0) await task.wait('compute', { seconds });
    return text(`${label}: done after ${seconds} s`);
  },
});

const failingJob = defineTaskTool({
  name: 'failing_job',
  description: 'Fails after a second, as a tool does.',
  taskSupport: 'required',
  inputSchema: z.object({}),
  pollIntervalMs,
  async run(_args, task) {
    await task.wait('work', { seconds: 1 });
    throw new Error('The job failed.');
  },
});

const protocolErrorJob = defineTaskTool({
  name: 'protocol_error_job',
  description: 'Fails with a JSON-RPC error.',
  inputSchema: z.object({}),
  pollIntervalMs,
  async run() {
    throw new ProtocolError(ProtocolErrorCode.InternalError, 'The job met a protocol error.', {
      job: 'protocol_error_job',
    });
  },
});

const confirmDelete = defineTaskTool({
  name: 'confirm_delete',
  description: 'Asks before it deletes (nothing).',
  inputSchema: z.object({ filename: z.string().default('a file') }),
  pollIntervalMs,
  async run({ filename }, task) {
    const answer = await task.elicit({ message: `Delete ${filename}?`, requestedSchema: CONFIRM_FORM });
    return text(`${filename} was ${accepted(answer, 'confirm') === true ? 'deleted' : 'kept'}.`);
  },
});

const multiInput = defineTaskTool({
  name: 'multi_input',
  description: 'Asks two questions at once.',
  inputSchema: z.object({}),
  pollIntervalMs,
  async run(_args, task) {
    const [name, confirm] = await Promise.all([
      task.elicit({ message: 'Who is it for?', requestedSchema: NAME_FORM }),
      task.elicit({ message: 'Is that right?', requestedSchema: CONFIRM_FORM }),
    ]);
    return text(`For ${String(accepted(name, 'name'))}: ${String(accepted(confirm, 'confirm'))}.`);
  },
});

const toolWithTask = defineTaskTool({
  name: 'test_tool_with_task',
  description: 'Asks for a name within the call, then goes on as a task.',
  taskSupport: 'required',
  inputSchema: z.object({}),
  pollIntervalMs,
  async admit(_args, call) {
    return ASK_NAME.read(call.inputResponses) ?? inputRequired({ inputRequests: requestsOf([ASK_NAME]) });
  },
  run: async (_args, task) => text(`Hello, ${z.string().parse(task.admission)}!`),
});

export const taskTools: readonly AnyTool[] = [
  greet,
  slowCompute,
  failingJob,
  protocolErrorJob,
  confirmDelete,
  multiInput,
  toolWithTask,
];

function accepted({ action, content }: ElicitResult, field: string) {
  return action === 'accept' ? content?.[field] : undefined;
}

function text(value: string): CallToolResult {
  return { content: [{ type: 'text', text: value }] };
}
