/** What is on the agenda of a world about the task that is watched, as it lands; never nothing while the task is unfinished. */
import type { RecordKey } from '../../../src/backends/backend.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import type { TaskRef } from '../../../src/domain/task.ts';
import { agendaPartition } from '../../../src/store/keys.ts';
import type { Head } from './head-ledger.ts';

export class AgendaLedger {
  readonly #ref: TaskRef;
  readonly #complain: (problem: string) => void;
  readonly #entries = new Map<string, number>();

  constructor(ref: TaskRef, complain: (problem: string) => void) {
    this.#ref = ref;
    this.#complain = complain;
  }

  written(key: RecordKey): void {
    if (this.#isOurs(key)) this.#entries.set(key.id, Number(key.id.split(' ')[0]));
  }

  removed(key: RecordKey, head: Head): void {
    if (this.#isOurs(key) && this.#entries.delete(key.id)) this.check(head);
  }

  /** I12. */
  check({ status, run }: Head): void {
    const isUnfinished = !isTerminal(status) || run.cleanup !== undefined;
    if (isUnfinished && this.#entries.size === 0)
      this.#complain(`nobody is to look at the task: ${JSON.stringify(run)} [I12]`);
  }

  /** When somebody must look next; `undefined`: never. */
  get next(): number | undefined {
    return this.#entries.size === 0 ? undefined : Math.min(...this.#entries.values());
  }

  #isOurs({ partition, id }: RecordKey): boolean {
    return partition === agendaPartition(this.#ref.id) && id.endsWith(this.#ref.id);
  }
}
