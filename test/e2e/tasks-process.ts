/** `mcp-durable-tasks tasks …` as a process of its own: what it prints, and its exit code. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import type { Exit } from './served-process.ts';

export const PROGRAM = fileURLToPath(new URL('../../bin/mcp-durable-tasks.ts', import.meta.url));

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export function runProgram(args: readonly string[], { cwd, env }: RunOptions = {}): Promise<Exit> {
  const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env: { ...inherited, ...COMPILE_CACHE, ...env }, cwd },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}
