/** What V8 compiled of a program, kept for its next process: a test that starts the same one many times starts it in half the time. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const COMPILE_CACHE = { NODE_COMPILE_CACHE: join(tmpdir(), 'mcp-durable-tasks-compile-cache') } as const;
