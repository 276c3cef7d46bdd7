/** Whether a store can be worked with from here: it answers, it can be written, clocks agree, somebody looks at its agenda. */
import type { StorageBackend } from '../backends/backend.ts';
import type { Clock, RandomBytes } from '../clock.ts';
import type { Owner } from '../domain/owner.ts';
import { createdAtOf } from '../domain/task-id.ts';
import type { TaskStore } from '../store/task-store.ts';
import { findStuck } from './stuck.ts';
import { iso } from './task-report.ts';

export interface Finding {
  readonly what: string;
  readonly state: 'fine' | 'warning' | 'wrong';
  readonly says: string;
}

export interface DoctorOptions {
  readonly backend: StorageBackend;
  readonly store: TaskStore;
  /** Whose newest task tells of the clocks of its servers. */
  readonly owner: Owner;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly graceMs: number;
}

const PROBE_KEPT_MS = 60_000;
/** Clocks that differ by less do no harm: see the agenda. */
const CLOCK_TOLERANCE_MS = 2_000;

export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const findings = [await finding('reading', () => read(options)), await finding('writing', () => write(options))];
  if (findings.some(({ state }) => state === 'wrong')) return findings;
  return [
    ...findings,
    await finding('clock', () => compareClocks(options)),
    await finding('servers', () => lookForServers(options)),
  ];
}

type Verdict = Pick<Finding, 'state' | 'says'>;

async function finding(what: string, look: () => Promise<Verdict>): Promise<Finding> {
  try {
    return { what, ...(await look()) };
  } catch (error) {
    return { what, state: 'wrong', says: error instanceof Error ? error.message : String(error) };
  }
}

async function read({ backend, clock }: DoctorOptions): Promise<Verdict> {
  const before = clock.now();
  await backend.get({ partition: 'probe', id: 'probe' });
  return { state: 'fine', says: `answers in ${clock.now() - before} ms` };
}

/** A record of its own, which expires by itself if this process dies before it is removed. */
async function write({ backend, clock, random }: DoctorOptions): Promise<Verdict> {
  const key = { partition: 'probe', id: `doctor ${Buffer.from(random(8)).toString('hex')}` };
  const before = clock.now();
  await backend.putIfVersion(key, { value: 'probe', expiresAt: before + PROBE_KEPT_MS }, 0);
  await backend.delete(key);
  return { state: 'fine', says: `a record was written and removed in ${clock.now() - before} ms` };
}

async function compareClocks({ store, owner, clock }: DoctorOptions): Promise<Verdict> {
  const now = clock.now();
  const [newest] = (await store.list(owner, { limit: 1 })).tasks;
  const aheadMs = newest === undefined ? 0 : createdAtOf(newest.id) - now;
  if (aheadMs > CLOCK_TOLERANCE_MS) {
    const says = `the newest task was created ${aheadMs} ms from now: the clock here, ${iso(now)}, is behind, or a server's is ahead`;
    return { state: 'wrong', says };
  }
  return { state: 'fine', says: `${iso(now)}; no task of this owner is from the future` };
}

async function lookForServers({ store, clock, graceMs }: DoctorOptions): Promise<Verdict> {
  const { stuck, agendaLateMs } = await findStuck(store, { clock, graceMs, limit: 1 });
  if (agendaLateMs > graceMs) {
    const seconds = Math.round(agendaLateMs / 1000);
    return { state: 'wrong', says: `nobody has looked at the agenda for ${seconds} s: no server runs on this store` };
  }
  return stuck.length > 0
    ? { state: 'warning', says: 'they look at the agenda, but some tasks do not go on: tasks stuck lists them' }
    : { state: 'fine', says: 'nothing that is due waits for a server' };
}
