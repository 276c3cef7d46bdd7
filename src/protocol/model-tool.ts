/** Plain tools of the server's own, for the client's model: typed by their schema, and kind about the model's mistakes. */
import type * as z from 'zod';
import { isTaskError, type TaskErrorCode } from '../domain/errors.ts';
import { type CallContext, type PlainTool, toolError } from './tool.ts';

/** `mistakes`: errors that are the model's mistake, which it is told of by the tool's result, and nobody else. */
export function modelTool<Schema extends z.ZodType>(
  declaration: Omit<PlainTool, 'run' | 'taskSupport' | 'inputSchema'> & {
    readonly inputSchema: Schema & PlainTool['inputSchema'];
    readonly mistakes: readonly TaskErrorCode[];
  },
  run: (args: z.infer<Schema>, call: CallContext) => ReturnType<PlainTool['run']>,
): PlainTool {
  const { mistakes, ...rest } = declaration;
  return {
    ...rest,
    taskSupport: 'forbidden',
    run: async (args, call) => {
      try {
        return await run(args as z.infer<Schema>, call);
      } catch (error) {
        if (isTaskError(error) && mistakes.includes(error.code)) return toolError(error.message);
        throw error;
      }
    },
  };
}
