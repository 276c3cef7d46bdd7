/**
 * The value of an owner's counter of active tasks. It is one integer, because engines add to it; from its highest
 * digits to its lowest it holds the number of its format, a generation, and how many tasks are active. What a newer
 * format writes is above every ceiling of an older one, so an older build can neither add to it nor read it.
 */
import * as z from 'zod';
import { type ShapeOf, StoredKind } from './codec.ts';

export interface ActiveCount {
  /** Raised with each repair; see active-limit.ts. */
  readonly generation: number;
  readonly active: number;
}

/** What `active` and `generation` must stay below. 31 formats fit into the integers that a number holds exactly. */
const ACTIVE_SPAN = 2 ** 20;
const FORMAT_SPAN = 2 ** 48;

/** The largest number of active tasks that a counter can hold. */
export const MAX_ACTIVE = ACTIVE_SPAN - 1;

const members = { generation: z.int(), active: z.int() } satisfies ShapeOf<ActiveCount>;
export const activeCount: StoredKind<ActiveCount> = StoredKind.first<ActiveCount>('counter', z.looseObject(members));

export function encodeCount({ generation, active }: ActiveCount, format = activeCount.format): number {
  return (format - 1) * FORMAT_SPAN + generation * ACTIVE_SPAN + active;
}

/** Throws `unreadable_record` for a counter that a newer build wrote. */
export function decodeCount(counter: number, kind: StoredKind<ActiveCount> = activeCount): ActiveCount {
  // Slots that were given back twice may leave a counter below 0.
  const above = Math.max(0, Math.floor(counter / FORMAT_SPAN));
  const rest = counter - above * FORMAT_SPAN;
  const generation = Math.max(0, Math.floor(rest / ACTIVE_SPAN));
  return kind.unwrap({ format: above + 1, generation, active: rest - generation * ACTIVE_SPAN }, 'active tasks');
}
