/** The actions of steps that really ran, whoever ran them, and what must be true of that: how often, and which try. */

/** A run that runs actions: its epoch, and what there was when it took the task. */
export interface ActingRun {
  readonly epoch: number;
  /** Entries of the journal. */
  readonly entries: number;
  /** Actions that had begun. */
  readonly actions: number;
}

export interface ActionBegins {
  readonly id: string;
  readonly attempt: number;
  readonly atMostOnce: boolean;
  readonly run: ActingRun;
  /** Whether the run knows the outcome of the step: it is in the journal. */
  readonly isDecided: boolean;
}

interface Try {
  readonly attempt: number;
  readonly epoch: number;
  readonly count: number;
}

export class ActionsLedger {
  readonly #complain: (problem: string) => void;
  readonly #tries = new Map<string, Try[]>();
  #count = 0;

  constructor(complain: (problem: string) => void) {
    this.#complain = complain;
  }

  get count(): number {
    return this.#count;
  }

  /** Returns what makes this try of the action different from every other. */
  begin({ id, attempt, atMostOnce, run, isDecided }: ActionBegins): number {
    const tries = this.#tries.get(id) ?? [];
    this.#tries.set(id, tries);
    if (isDecided) this.#complain(`the action of ${id} ran again after its outcome was recorded`);
    if (atMostOnce && tries.some((other) => other.attempt === attempt)) {
      this.#complain(`try ${attempt} of ${id}, at most one, ran twice`);
    }
    // That a later try has begun shows that the failure of this one is in the journal.
    const later = tries.find(
      (other) => other.attempt > attempt && (other.epoch === run.epoch || other.count <= run.actions),
    );
    if (later !== undefined) this.#complain(`try ${attempt} of ${id} ran after try ${later.attempt}`);
    const latest = Math.max(0, ...tries.map((other) => other.attempt));
    if (attempt > latest + 1 && !atMostOnce) this.#complain(`try ${attempt} of ${id} ran after try ${latest} only`);
    this.#count += 1;
    tries.push({ attempt, epoch: run.epoch, count: this.#count });
    return this.#count;
  }
}
