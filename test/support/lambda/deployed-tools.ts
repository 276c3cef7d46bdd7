/** The tools of the deployed-bundle tests: bundled through `-c tools=`, as a team's own are. */
import { appendFile, readFile } from 'node:fs/promises';
import * as z from 'zod';
import { type AnyTool, defineTaskTool, inputRequired, inputResponse } from '../../../src/index.ts';

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const pollIntervalMs = 50;
const COLOUR = {
  message: 'Which colour?',
  requestedSchema: {
    type: 'object' as const,
    properties: { colour: { type: 'string' as const } },
    required: ['colour'],
  },
};
/** Where tools leave a sign of life for the test to see. */
const withFile = z.object({ file: z.string() });

const tools: readonly AnyTool[] = [
  defineTaskTool({
    name: 'greet',
    description: 'Answers within the call.',
    taskSupport: 'forbidden',
    inputSchema: z.object({ name: z.string() }),
    run: async ({ name }) => text(`hello ${name}`),
  }),
  defineTaskTool({
    name: 'work',
    description: 'Three steps and a wait.',
    inputSchema: z.object({ waitSeconds: z.number().default(1) }),
    pollIntervalMs,
    run: async ({ waitSeconds }, task) => {
      const numbers: number[] = [];
      for (let step = 1; step <= 3; step += 1) numbers.push(await task.step(`step ${step}`, async () => step));
      await task.wait('pause', { seconds: waitSeconds });
      return text(numbers.join(' '));
    },
  }),
  defineTaskTool({
    name: 'tell',
    description: 'Says that it waits, and waits.',
    inputSchema: z.object({}),
    pollIntervalMs,
    run: async (_args, task) => {
      task.progress('waiting');
      await task.wait('pause', { seconds: 1 });
      return text('told');
    },
  }),
  defineTaskTool({
    name: 'ask',
    description: 'Asks for a colour.',
    inputSchema: z.object({}),
    pollIntervalMs,
    run: async (_args, task) => {
      const { content } = await task.elicit(COLOUR);
      return text(`It is ${String(content?.['colour'])}.`);
    },
  }),
  defineTaskTool({
    name: 'ask_within',
    description: 'Asks for a colour within the call.',
    taskSupport: 'forbidden',
    inputSchema: z.object({}),
    run: async (_args, call) => {
      const answer = inputResponse(call.inputResponses ?? {}, 'colour');
      if (answer.kind === 'missing') return inputRequired({ inputRequests: { colour: inputRequired.elicit(COLOUR) } });
      return text(JSON.stringify(answer));
    },
  }),
  defineTaskTool({
    name: 'endless',
    description: 'Runs until it is told to stop.',
    inputSchema: withFile,
    pollIntervalMs,
    run: async ({ file }, task) => {
      await appendFile(file, 'started\n');
      await new Promise((_resolve, reject) => {
        task.signal.addEventListener('abort', () => {
          void appendFile(file, `aborted: ${task.signal.reason.reason}\n`).then(() => reject(task.signal.reason));
        });
      });
      return text('never');
    },
  }),
  defineTaskTool({
    name: 'large',
    description: 'Gives a result of the given size.',
    inputSchema: z.object({ bytes: z.int() }),
    pollIntervalMs,
    run: async ({ bytes }) => text('x'.repeat(bytes)),
  }),
  defineTaskTool({
    name: 'quotes',
    description: 'Gives a result of so many quotes, each of which takes four bytes of a buffered answer.',
    inputSchema: z.object({ count: z.int(), note: z.string().optional() }),
    pollIntervalMs,
    run: async ({ count }) => text('"'.repeat(count)),
  }),
  defineTaskTool({
    name: 'two_steps',
    description: 'Does one step, then hangs in the next one the first time that it comes to it.',
    inputSchema: withFile,
    pollIntervalMs,
    run: async ({ file }, task) => {
      await task.step('first', async () => appendFile(file, 'first\n'));
      await task.step('second', async () => {
        const seen = await readFile(file, 'utf8');
        await appendFile(file, 'second\n');
        if (!seen.includes('second')) await new Promise(() => setInterval(() => {}, 1_000));
      });
      return text(await readFile(file, 'utf8'));
    },
  }),
  defineTaskTool({
    name: 'in_turns',
    description: 'Takes its steps for as long as the function lets it, and goes on where it was.',
    inputSchema: z.object({ steps: z.int(), stepMs: z.int() }),
    pollIntervalMs,
    run: async ({ steps, stepMs }, task) => {
      const processes = new Set<number>();
      for (let step = 1; step <= steps; step += 1) {
        const at = await task.step(`step ${step}`, async () => {
          await new Promise((resolve) => setTimeout(resolve, stepMs));
          return Date.now();
        });
        processes.add(at);
      }
      return text(`${processes.size} steps`);
    },
  }),
  defineTaskTool({
    name: 'poison',
    description: 'Kills its process in each run.',
    inputSchema: withFile,
    pollIntervalMs,
    maxAttempts: 2,
    run: async ({ file }) => {
      await appendFile(file, 'run\n');
      process.exit(1);
    },
  }),
  defineTaskTool({
    name: 'brief',
    description: 'Asks for a word, and may wait for it for a second.',
    inputSchema: z.object({}),
    runDeadlineMs: 1_000,
    run: async (_args, task) => {
      await task.elicit({ message: 'A word?', requestedSchema: { type: 'object', properties: {} } });
      return text('never');
    },
  }),
];

export default tools;
