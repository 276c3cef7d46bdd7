/**
 * Waiting for what something else brings about: another process, a queue, an engine. A test that waits is not a
 * measurement: the limit only says what was waited for in vain, and is far beyond what the slowest machine needs.
 */
import { setTimeout as delay } from 'node:timers/promises';

/** Also what a test gives to clients, locks and leases whose patience is not what it is about. */
export const PATIENCE_MS = 120_000;
const LOOK_EVERY_MS = 20;

/** Asks again until there is an answer that is neither `false` nor `undefined`, and resolves to it. */
export async function until<T>(what: string, ask: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
    if (performance.now() > deadline) throw new Error(`Waited ${PATIENCE_MS / 1000} s in vain for ${what}.`);
    await delay(LOOK_EVERY_MS);
  }
}
