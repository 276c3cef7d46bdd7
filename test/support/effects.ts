/** What a server to be killed leaves behind for the test to see: one line of JSON in a file for each side effect. */

export interface Effect {
  readonly task: string;
  readonly name: string;
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The effect of a run whose task went to another one: its process was kept from the processor for longer than its lease. */
export const LOST_LEASE = 'lost lease';
