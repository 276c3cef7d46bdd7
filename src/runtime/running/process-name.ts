/**
 * What a process is called in the leases that it takes, so that another process of the same machine can tell that it has
 * ended: machine, process id, and when the process began, since ids are used again. A name from another machine, or from
 * another container, says nothing here: its lease must run out.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { sha256 } from '../../store/codec.ts';

const MACHINE_DIGITS = 16;

/** `unique` tells workers of one process apart. */
export function processName(unique: string): string {
  return [machine(), process.pid, beganAt(process.pid) ?? '', unique].join('/');
}

/** Whether the process that a name was given to is known to have ended. `false` for names that it cannot be told of. */
export function isGone(name: string): boolean {
  const [where, id = '', began = ''] = name.split('/');
  const pid = Number(id);
  if (where !== machine() || !Number.isInteger(pid) || pid <= 0) return false;
  if (!isRunning(pid)) return true;
  const now = beganAt(pid);
  return began !== '' && now !== undefined && now !== began;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process is one that runs.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

let known: string | undefined;

/** Of this machine since it was started, and of the container, where process ids mean something of their own. */
function machine(): string {
  known ??= sha256(
    [
      hostname(),
      attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
      attempt(() => readlinkSync('/proc/self/ns/pid')),
    ].join(' '),
  ).slice(0, MACHINE_DIGITS);
  return known;
}

/** In the machine's own ticks; `undefined` where the system does not tell. */
function beganAt(pid: number): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The name of the program, in parentheses, may hold anything; of what follows it, the twentieth is the start.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
