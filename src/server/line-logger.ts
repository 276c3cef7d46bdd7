/** A logger for people at a terminal: one line a record, on standard error. */
import type { Clock } from '../clock.ts';
import type { LogFields, Logger } from '../runtime/logger.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export function createLineLogger(level: LogLevel, clock: Clock, write: (line: string) => void): Logger {
  const threshold = LOG_LEVELS.indexOf(level);
  const logAt = (own: Exclude<LogLevel, 'silent'>) => (message: string, fields?: LogFields) => {
    if (LOG_LEVELS.indexOf(own) < threshold) return;
    write(`${new Date(clock.now()).toISOString()} ${own.padEnd(5)} ${message}${format(fields)}\n`);
  };
  return { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') };
}

function format(fields: LogFields | undefined): string {
  return Object.entries(fields ?? {})
    .map(([key, value]) => ` ${key}=${value instanceof Error ? JSON.stringify(value.stack) : JSON.stringify(value)}`)
    .join('');
}
