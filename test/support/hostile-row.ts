/** What a request that is refused, or accepted after all, gives, and what it leaves behind. */
import { expect } from '@jest/globals';
import { present } from '../../src/present.ts';
import type { HostileWorld } from './hostile-world.ts';
import type { JsonMap, McpAnswer } from './mcp-requests.ts';

export interface HostileRow {
  readonly name: string;
  readonly send: (world: HostileWorld) => Promise<McpAnswer>;
  /** Of HTTP. @default 200 */
  readonly status?: number;
  readonly error?: { readonly code: number; readonly message?: string; readonly data?: JsonMap };
  /** What is in the result, where the request is accepted after all; with neither, there is no body. */
  readonly result?: JsonMap;
  /** The request creates a task, rightly. */
  readonly creates?: true;
}

export const NOT_FOUND = 'Task not found: the id is unknown or the task has expired.';

export function invalid(message?: string, data?: JsonMap) {
  return {
    error: { code: -32602, ...present({ message, data }) },
  };
}

export function badRequest(code: number, data?: JsonMap) {
  return { status: 400, error: { code, ...present({ data }) } };
}

/** Its head, and its record on the agenda. */
const RECORDS_OF_A_TASK = 2;

/** The documented answer, nothing stored, and a server that goes on serving. */
export async function checkRow(world: HostileWorld, row: HostileRow): Promise<void> {
  const before = await world.stored();

  const { status, message } = await row.send(world);

  expect(status).toBe(row.status ?? 200);
  if (row.error !== undefined) expect(message).toMatchObject({ error: row.error });
  else if (row.result !== undefined) expect(message).toMatchObject({ result: row.result });
  else expect(message).toBeUndefined();
  const after = await world.stored();
  if (row.creates === true) expect(after.size).toBe(before.size + RECORDS_OF_A_TASK);
  else expect(after).toEqual(before);
  const discovered = await world.peer.ask('server/discover');
  expect([discovered.status, discovered.message?.result?.['supportedVersions']]).toEqual([200, ['2026-07-28']]);
}
