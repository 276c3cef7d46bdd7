/** `remind_me`: a message after some time. The wait costs nothing and outlives the process. */
import * as z from 'zod';
import { defineTaskTool } from '../src/index.ts';

const DAY_SECONDS = 24 * 60 * 60;
const MAX_DAYS = 30;

// #region remind-me
export const remindMe = defineTaskTool({
  name: 'remind_me',
  title: 'Remind me',
  description: 'Gives a message back after some seconds or minutes.',
  inputSchema: z
    .object({
      message: z.string().min(1).max(2_000),
      minutes: z.int().min(0).default(0),
      seconds: z.int().min(0).default(0),
    })
    .refine(({ minutes, seconds }) => minutes * 60 + seconds >= 1, 'give minutes or seconds, at least 1')
    .refine(({ minutes, seconds }) => minutes * 60 + seconds <= MAX_DAYS * DAY_SECONDS, `at most ${MAX_DAYS} days`),
  // Without it a task has a day to finish.
  runDeadlineMs: (MAX_DAYS + 1) * DAY_SECONDS * 1000,
  async run({ message, minutes, seconds }, task) {
    await task.wait('until it is due', { minutes, seconds });
    return { content: [{ type: 'text', text: message }] };
  },
});
// #endregion
