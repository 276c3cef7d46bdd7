/**
 * What the clients call: one tool for each behaviour that docs/clients.md has a column for. Times are short, so that all
 * clients together take minutes; nothing here depends on how fast a client is.
 */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { defineTaskTool, ProtocolError, ProtocolErrorCode } from '../../src/index.ts';

const STEPS = 3;
const STEP_MS = 1_000;
const POLL_INTERVAL_MS = 300;
const LOOK_SECONDS = 1;
/** Changes with each restart, but is one for the instances that take turns; a host's own process has none but its number. */
const LIFE = process.env['CLIENTS_SERVER_LIFE'] ?? String(process.pid);

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const nothing = z.object({});

const greet = defineTaskTool({
  name: 'greet',
  description: 'Greets somebody, at once.',
  taskSupport: 'forbidden',
  inputSchema: z.object({ name: z.string() }),
  run: async ({ name }) => text(`Hello, ${name}.`),
});

const slow = defineTaskTool({
  name: 'slow',
  description: 'Counts to three, which takes three seconds.',
  inputSchema: nothing,
  pollIntervalMs: POLL_INTERVAL_MS,
  run: async (_args, task) => {
    for (let step = 1; step <= STEPS; step += 1) {
      task.progress(`${step} of ${STEPS}`);
      await task.step(`count ${step}`, () => delay(STEP_MS, null));
    }
    return text(`Counted to ${STEPS}.`);
  },
});

const ask = defineTaskTool({
  name: 'ask',
  description: 'Asks for a colour.',
  inputSchema: nothing,
  pollIntervalMs: POLL_INTERVAL_MS,
  run: async (_args, task) => {
    const { action, content } = await task.elicit({
      message: 'Which colour?',
      requestedSchema: { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] },
    });
    return text(action === 'accept' ? `You said ${String(content?.['colour'])}.` : `You chose to ${action}.`);
  },
});

const fail = defineTaskTool({
  name: 'fail',
  description: 'Fails, by an error of the tool or of the protocol.',
  inputSchema: z.object({ how: z.enum(['tool', 'protocol']) }),
  pollIntervalMs: POLL_INTERVAL_MS,
  run: async ({ how }) => {
    if (how === 'protocol') throw new ProtocolError(ProtocolErrorCode.InternalError, 'The tape is torn.');
    return { ...text('The disk is full.'), isError: true };
  },
});

const forever = defineTaskTool({
  name: 'forever',
  description: 'Works until it is cancelled.',
  inputSchema: nothing,
  pollIntervalMs: POLL_INTERVAL_MS,
  run: async (_args, task) => {
    await delay(3_600_000, null, { signal: task.signal });
    return text('An hour is over.');
  },
});

const relay = defineTaskTool({
  name: 'relay',
  description: 'Ends only after a restart of the server in which it began.',
  inputSchema: nothing,
  pollIntervalMs: POLL_INTERVAL_MS,
  admit: async () => LIFE,
  run: async (_args, task) => {
    await task.waitForCondition('the restart', async () => LIFE, {
      initialState: LIFE,
      waitStrategy: (life) =>
        life === task.admission
          ? { shouldContinue: true, delay: { seconds: LOOK_SECONDS } }
          : { shouldContinue: false },
    });
    return text('Went on after the restart.');
  },
});

export default [greet, slow, ask, fail, forever, relay];
