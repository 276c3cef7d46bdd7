/**
 * Where the runtime reports. Fields are ids, names, counts and durations, and the errors that tools throw; never
 * arguments, results, answers, variables or tokens.
 */
import { describeThrown } from '../engine/thrown.ts';
import { present } from '../present.ts';

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;

export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A logger that adds `fields` to each record. */
export function withFields(logger: Logger, fields: LogFields): Logger {
  return {
    debug: (message, more) => logger.debug(message, { ...fields, ...more }),
    info: (message, more) => logger.info(message, { ...fields, ...more }),
    warn: (message, more) => logger.warn(message, { ...fields, ...more }),
    error: (message, more) => logger.error(message, { ...fields, ...more }),
  };
}

/** What may be logged of an error: its name, code and message; never what it carries. */
export function describeError(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = 'code' in error ? error.code : undefined;
  return { error: error.name, message: error.message, ...present({ code }) };
}

/** The same of an error that somebody must find: with its stack and its causes. What was thrown that is no error is shown. */
export function describeFailure(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error, message: describeThrown(error) };
  const { cause, stack } = error;
  return {
    ...describeError(error),
    ...present({ stack, cause: cause === undefined ? undefined : describeFailure(cause) }),
  };
}
