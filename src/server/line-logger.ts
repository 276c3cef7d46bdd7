/** A logger for people at a terminal: one line a record, and under it the stack of an error, with those of its causes. */
import type { Clock } from '../clock.ts';
import type { LogFields, Logger } from '../runtime/logger.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function createLineLogger(level: LogLevel, clock: Clock, write: (line: string) => void): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  const logAt = (own: Exclude<LogLevel, 'silent'>) => (message: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(own) < threshold) return;
    write(`${new Date(clock.now()).toISOString()} ${own.padEnd(5)} ${message}${format(fields)}\n${stacksOf(fields)}`);
  };
  return { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
}

function format(fields: LogFields | undefined): string {
  return Object.entries(fields ?? {})
    .filter(([key, value]) => key !== 'stack' && !(key === 'cause' && isFields(value)))
    .map(([key, value]) => ` ${key}=${value instanceof Error ? JSON.stringify(value.stack) : JSON.stringify(value)}`)
    .join('');
}

/** As `describeFailure` gives them. */
function stacksOf(fields: LogFields | undefined, what = ''): string {
  if (fields === undefined) return '';
  const { stack, cause } = fields;
  const own = typeof stack === 'string' ? `${what}${stack}`.replace(/^/gm, '    ') : '';
  const causes = isFields(cause) ? stacksOf(cause, 'caused by: ') : '';
  return (own === '' ? '' : `${own}\n`) + causes;
}

function isFields(value: unknown): value is LogFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
