/**
 * The journal of a task: the append-only record of what its handler asked for and of what came of it, in
 * the one order in which it happened. An entry is what one append wrote. Here is what an entry says, and
 * the check that each entry passes when it is read; where entries are kept is not known here.
 */
import * as z from 'zod';
import type { JsonValue } from '../domain/json.ts';
import { END_CAUSES, type EndCause } from '../domain/task.ts';
import { type RecordedError, recordedError } from './recorded-error.ts';

/**
 * What a handler can ask for. `value` is a random number or a UUID, `patch` a mark that `patched` left, and
 * `withdraw` says that nobody waits for an earlier operation any more.
 */
export const OPERATION_KINDS = [
  'step',
  'condition',
  'wait',
  'callback',
  'question',
  'value',
  'patch',
  'withdraw',
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/** Something that the code asked for. Its number is its place among all that the journal has, from 0. */
export interface Ask {
  readonly kind: OperationKind;
  readonly name: string;
  /** Path of the branch; absent: the handler's own. */
  readonly branch?: string;
  /** The how-manieth of this kind and name in its branch; absent: the first. */
  readonly nth?: number;
  /** The turn in which it was asked: how many outcomes had been handed over; absent: none. */
  readonly turn?: number;
  /** Of a wait: its end, in milliseconds since the epoch, and how long it was to take. */
  readonly dueAt?: number;
  readonly afterMs?: number;
  /** Of a callback or question: when it gives up, in milliseconds since the epoch. */
  readonly timeoutAt?: number;
  /** Of a value. */
  readonly value?: JsonValue;
  /** Of a withdrawal: the number of what is withdrawn. */
  readonly target?: number;
}

/** Something that happened. `of` is the number of the operation that it happened to. */
export type Outcome =
  | { readonly kind: 'ok'; readonly of: number; readonly value?: JsonValue }
  | { readonly kind: 'failed'; readonly of: number; readonly error: RecordedError }
  | { readonly kind: 'timed_out'; readonly of: number }
  /** A try of a step failed, or a look at a condition was not content: the next comes at `dueAt`. */
  | {
      readonly kind: 'retry';
      readonly of: number;
      readonly attempt: number;
      readonly dueAt: number;
      readonly afterMs: number;
      readonly state?: JsonValue;
    }
  /** What was due later by a clock that has been put back since is due at `dueAt`. */
  | { readonly kind: 'due'; readonly of: number; readonly dueAt: number }
  /** A try that may not be repeated begins now. */
  | { readonly kind: 'begun'; readonly of: number; readonly attempt: number }
  /** Everything that is still waited for is rejected: the task has ended, and cleans up. */
  | { readonly kind: 'aborted'; readonly cause: EndCause };

/** Outcomes that the code is handed; with each of them a turn begins. */
export type HandedOutcome = Extract<Outcome, { kind: 'ok' | 'failed' | 'timed_out' | 'aborted' }>;

/** What happens to an operation without the code's learning of it. */
export type Progress = Exclude<Outcome, HandedOutcome>;

export function isHanded(outcome: Outcome): outcome is HandedOutcome {
  return outcome.kind !== 'retry' && outcome.kind !== 'begun' && outcome.kind !== 'due';
}

/** What one append wrote: first what was asked since the append before, then what happened. */
export interface JournalEntry {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly asks?: readonly Ask[];
  readonly outcomes?: readonly Outcome[];
}

const number = z.int().nonnegative();
const json = z.unknown() as unknown as z.ZodType<JsonValue>;

const ask = z.object({
  kind: z.enum(OPERATION_KINDS),
  name: z.string(),
  branch: z.string().exactOptional(),
  nth: number.exactOptional(),
  turn: number.exactOptional(),
  dueAt: z.int().exactOptional(),
  afterMs: number.exactOptional(),
  timeoutAt: z.int().exactOptional(),
  value: json.exactOptional(),
  target: number.exactOptional(),
});

const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ok'), of: number, value: json.exactOptional() }),
  z.object({ kind: z.literal('failed'), of: number, error: recordedError }),
  z.object({ kind: z.literal('timed_out'), of: number }),
  z.object({
    kind: z.literal('retry'),
    of: number,
    attempt: number,
    dueAt: z.int(),
    afterMs: number,
    state: json.exactOptional(),
  }),
  z.object({ kind: z.literal('due'), of: number, dueAt: z.int() }),
  z.object({ kind: z.literal('begun'), of: number, attempt: number }),
  z.object({ kind: z.literal('aborted'), cause: z.enum(END_CAUSES) }),
]);

/** An entry as it is read; members that this build does not know are left out. */
export const journalEntry = z.object({
  at: z.int(),
  asks: z.array(ask).exactOptional(),
  outcomes: z.array(outcome).exactOptional(),
}) satisfies z.ZodType<JournalEntry>;
