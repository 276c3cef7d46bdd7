/** What happened in a soak, in figures. What must hold is in soak-checks.ts. */

import type { Table } from '../text-table.ts';
import type { JournalEvent } from './soak-checks.ts';
import type { Sighting } from './soak-clients.ts';

export interface Happened {
  readonly seconds: number;
  readonly kills: number;
  readonly seen: readonly Sighting[];
  /** What the workers noted, by task. */
  readonly noted: ReadonlyMap<string, readonly JournalEvent[]>;
  /** What clients had to try again for. */
  readonly events: Readonly<Record<string, number>>;
}

export interface CounterFigures {
  readonly repairs: number;
  readonly surplus: number;
}

export function figures({ seconds, kills, seen, noted, events }: Happened, counters: CounterFigures): Table {
  const ended = (status: string) => seen.filter(({ end }) => end?.status === status).length;
  const ran = [...noted.values()].flat().filter((event) => 'ran' in event);
  const different = new Set(ran.map(({ task, ran: step }) => `${task} ${step}`)).size;
  const slowest = Math.max(0, ...seen.map(({ ms }) => ms));
  return {
    head: ['figure', 'value'],
    rows: [
      ['seconds', seconds.toFixed(1)],
      ['workers killed', kills],
      ['tasks', seen.length],
      ['… completed', ended('completed')],
      ['… cancelled', ended('cancelled')],
      ['… failed', ended('failed')],
      ['answers accepted', seen.filter(({ answer }) => answer !== undefined).length],
      ['step actions run', ran.length],
      ['… of them again, after a kill', ran.length - different],
      ['slowest task, s', (slowest / 1000).toFixed(1)],
      ...Object.entries(events),
      ['counter repairs on the way', counters.repairs],
      ['slots counted too many at the end', counters.surplus],
    ],
  };
}

/** The journal by task. A line that a kill cut off is left out. */
export function parseJournal(text: string): Map<string, JournalEvent[]> {
  const events = text.split('\n').flatMap((line): JournalEvent[] => {
    try {
      return [JSON.parse(line) as JournalEvent];
    } catch {
      return [];
    }
  });
  return Map.groupBy(events, ({ task }) => task);
}
