/** What the soak's processes agree on. */
import type { LeaseTimes, Owner } from '../../src/index.ts';

export const WORKERS = 4;
export const CLIENTS = 32;
export const OWNERS = 8;
/** One more than an owner has clients, so that a leaked slot shows at the end or is repaired on the way. */
export const LIMIT = CLIENTS / OWNERS + 1;
/** Short, so that a killed worker's tasks are free again soon. */
export const LEASE_TIMES: LeaseTimes = { leaseMs: 2_000, heartbeatMs: 500 };

export const TOOL = 'job';
export const OWNER_HEADER = 'x-soak-owner';

export interface WorkerSettings {
  readonly tableName: string;
  /** A file that all workers append to. */
  readonly journal: string;
}

export function ownerName(client: number): string {
  return `owner-${client % OWNERS}`;
}

export function ownerNamed(name: string): Owner {
  return { issuer: 'soak', subject: name };
}
