/**
 * The soak's clients. Each creates one task after the other and polls it to its end, always at any
 * worker that is up, and says what it saw. It holds on to a task through every lost connection:
 * a create that was not answered is sent again with its idempotency key.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { IDEMPOTENCY_META_KEY, type JsonObject } from '../../src/index.ts';
import { present } from '../../src/present.ts';
import { McpCaller, RpcError, type SeenTask } from '../mcp-caller.ts';
import { OWNER_HEADER, ownerName, TOOL } from './soak-settings.ts';
import type { Workers } from './soak-workers.ts';

const POLL_EVERY_MS = 200;
const RETRY_AFTER_MS = 100;

/** What one client saw of one task. */
export interface Sighting {
  readonly owner: string;
  readonly taskId: string;
  /** The first terminal state that was seen; absent: the soak's time was over. */
  readonly end?: SeenTask;
  /** What the client said, if the task asked and acknowledged. */
  readonly answer?: string;
  readonly ms: number;
}

export interface Soaking {
  readonly workers: Workers;
  /** From 0 to 1. */
  readonly random: () => number;
  /** No new tasks after this; on `performance.now()`. */
  readonly createUntil: number;
  /** Nothing after this. */
  readonly giveUpAt: number;
  readonly count: (event: 'lost connection' | 'refused at the limit' | 'busy') => void;
}

export async function runClient(index: number, soaking: Soaking): Promise<Sighting[]> {
  const owner = ownerName(index);
  const sightings: Sighting[] = [];
  while (performance.now() < soaking.createUntil) {
    const sighting = await followTask(owner, soaking);
    if (sighting !== undefined) sightings.push(sighting);
  }
  return sightings;
}

async function followTask(owner: string, soaking: Soaking): Promise<Sighting | undefined> {
  const { random, giveUpAt } = soaking;
  const startedAt = performance.now();
  const question = random() < 0.3;
  const cancelAfter = random() < 0.15 ? Math.floor(random() * 5) : Number.POSITIVE_INFINITY;
  const args: JsonObject = { steps: 1 + Math.floor(random() * 4), question };
  const meta = { [IDEMPOTENCY_META_KEY]: randomUUID() };
  const created = await persist(owner, soaking, (caller) => caller.createTask(TOOL, args, meta));
  if (created === undefined) return undefined;
  const { taskId } = created;
  let answer: string | undefined;
  let end: SeenTask | undefined;
  for (let poll = 0; end === undefined && performance.now() < giveUpAt; poll += 1) {
    await delay(POLL_EVERY_MS);
    const seen = await persist(owner, soaking, (caller) => caller.getTask(taskId));
    if (seen === undefined) break;
    if (seen.status === 'input_required') answer = (await answerInputs(owner, soaking, seen)) ?? answer;
    else if (seen.status !== 'working') end = seen;
    if (end === undefined && poll >= cancelAfter) await persist(owner, soaking, (caller) => caller.cancelTask(taskId));
  }
  const ms = performance.now() - startedAt;
  return { owner, taskId, ms, ...present({ end, answer }) };
}

async function answerInputs(owner: string, soaking: Soaking, seen: SeenTask): Promise<string | undefined> {
  const word = `word of ${seen.taskId}`;
  const keys = Object.keys(seen.inputRequests ?? {});
  const answers = Object.fromEntries(keys.map((key) => [key, { action: 'accept', content: { word } }]));
  const acknowledged = await persist(owner, soaking, async (caller) => {
    await caller.updateTask(seen.taskId, answers);
    return true;
  });
  return acknowledged === true ? word : undefined;
}

/** Tries until a worker answers, or the soak is over. An error that is not to be tried again is thrown. */
async function persist<T>(
  owner: string,
  { workers, random, giveUpAt, count }: Soaking,
  action: (caller: McpCaller) => Promise<T>,
): Promise<T | undefined> {
  while (performance.now() < giveUpAt) {
    const url = workers.url(random());
    try {
      if (url !== undefined) {
        return await action(
          new McpCaller({ send: (request) => fetch(request), url, headers: { [OWNER_HEADER]: owner } }),
        );
      }
    } catch (error) {
      if (!(error instanceof RpcError)) count('lost connection');
      else if (error.reason === 'too_many_tasks') count('refused at the limit');
      else if (error.reason === 'unavailable' || error.reason === 'contention') count('busy');
      else throw error;
    }
    await delay(RETRY_AFTER_MS);
  }
  return undefined;
}
