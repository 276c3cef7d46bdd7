/**
 * A workflow for a server that is killed: steps that the server does by plain tools and by a task tool, two that the client
 * does at once, one of them by a task, and a question. Each tool notes that it runs, and gives what no other run gives.
 */
import * as z from 'zod';
import { type AnyTool, defineTaskTool, defineWorkflow } from '../../src/index.ts';

const json = (value: object) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });

/** `note`: leaves a sign that something of a task ran; gives what is unlike any other run's. */
export function crashWorkflow(note: (task: string, name: string) => string) {
  const plain = (name: string): AnyTool =>
    defineTaskTool({
      name,
      description: 'Notes that it ran.',
      taskSupport: 'forbidden',
      inputSchema: z.looseObject({ signer: z.string().optional() }),
      run: async (given, call) => json({ nonce: note(call.related?.id ?? '', name), given }),
    });
  const far = defineTaskTool({
    name: 'far',
    description: 'Takes a while, with a step before and after.',
    inputSchema: z.object({ nonce: z.string() }),
    run: async ({ nonce }, task) => {
      const before = await task.step('far before', async () => note(task.id, 'far before'));
      await task.variables.set('before', before);
      await task.wait('far pause', { milliseconds: 200 });
      const after = await task.step('far after', async () => note(task.id, 'far after'));
      return json({ nonce: after, before, from: nonce });
    },
  });
  const take = defineTaskTool({
    name: 'take',
    description: 'The client gives a value.',
    taskSupport: 'forbidden',
    inputSchema: z.object({ value: z.string() }),
    run: async ({ value }) => json({ value }),
  });
  const carry = defineTaskTool({
    name: 'carry',
    description: 'The client gives a value, as a task.',
    inputSchema: z.object({ value: z.string() }),
    pollIntervalMs: 50,
    run: async ({ value }, task) => json({ value: await task.step('carried', async () => value) }),
  });
  const expedition = defineWorkflow({
    name: 'expedition',
    description: 'A long way with many stops.',
    arguments: z.object({ signer: z.string().optional() }),
    steps: (steps) =>
      steps
        .tool('begin', () => ({ tool: 'begin' }))
        .tool('far', ({ output }) => ({ tool: 'far', arguments: { nonce: output('begin', 'nonce') } }))
        .client('left', () => ({ tool: 'take' }))
        .client('right', () => ({ tool: 'carry' }))
        .tool('join', ({ output, variable }) => ({
          tool: 'join',
          arguments: { left: output('left', 'value'), right: output('right', 'value'), before: variable('before') },
        }))
        .tool('end', ({ argument }) => ({
          tool: 'end',
          arguments: { signer: argument('signer') },
          askFor: { message: 'signer', fields: { signer: { type: 'string' } } },
        })),
  });
  return { tools: [plain('begin'), far, take, carry, plain('join'), plain('end')], workflows: [expedition] };
}
