/** Waiting for what another process brings about. */
import { setTimeout as delay } from 'node:timers/promises';

const DEADLINE_MS = 30_000;
const LOOK_EVERY_MS = 50;

/** Asks again until `condition` holds; throws when it does not within `deadlineMs`. */
export async function until(what: string, condition: () => Promise<boolean>, deadlineMs = DEADLINE_MS): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${deadlineMs} ms in vain for ${what}.`);
    await delay(LOOK_EVERY_MS);
  }
}
