/** The clients of a workflow: they call its tools and report its steps, in any order and more often than needed; nothing of it is lost. */

import type { JsonObject } from '../../../src/domain/json.ts';
import { isTerminal } from '../../../src/domain/status.ts';
import { asTaskId } from '../../../src/domain/task-id.ts';
import type { Deliveries } from '../../../src/runtime/queues/deliveries.ts';
import { sendReport } from '../../../src/workflow/reports.ts';
import { WORKFLOW_KEYS } from '../../../src/workflow/workflow-records.ts';
import type { Report } from '../../../src/workflow/workflow-state.ts';
import type { Statement } from './program.ts';
import { CLIENT_TOOLS, workflowOf } from './workflow-program.ts';
import type { World } from './world.ts';

/** After so many they do what is needed, in order, so that the workflow comes to its end. */
const WILD_REPORTS = 12;
/** What nobody has taken in by then never will be: something before the workflow waits for ever. */
const MOST_REPORTS = 80;
const AT_ONCE = 2;

export class WorkflowClients {
  readonly #world: World;
  readonly #deliveries: () => Deliveries;
  readonly #steps: readonly string[];
  readonly #recorded = new Set<string>();
  #sent = 0;
  #underWay = 0;

  constructor(world: World, workflow: Statement, deliveries: () => Deliveries) {
    this.#world = world;
    this.#deliveries = deliveries;
    this.#steps = workflowOf(workflow.options).steps.flatMap(({ name, kind }) => (kind === 'manual' ? [name] : []));
  }

  /** What was on its way with a process that has died. */
  forget(): void {
    this.#underWay = 0;
  }

  possible(): (() => void)[] {
    this.#assertWoken();
    if (isTerminal(this.#world.head.status) || this.#underWay >= AT_ONCE || this.#sent >= MOST_REPORTS) return [];
    return [() => this.#report()];
  }

  /** Whether each report that was acknowledged was taken in, or is still there. */
  async lost(trace: readonly string[]): Promise<string[]> {
    const { witness, ref, head } = this.#world;
    // Nothing is taken in for one that was ended from outside.
    if (head.status !== 'completed') return [];
    const variables = await witness.store.readVariables(ref).catch(() => ({}));
    const taken = new Set(trace.flatMap((line) => line.match(/report-\d+/gu) ?? []));
    const missing = [...this.#recorded].filter(
      (id) => !taken.has(id) && !Object.hasOwn(variables, `${WORKFLOW_KEYS.report}${id}`),
    );
    return missing.map((id) => `${id} was recorded, and is lost [WF-5]`);
  }

  /** A workflow that waits for reports, and for nothing else, has been woken for each that is there. */
  #assertWoken(): void {
    const { head, lives, newestCode } = this.#world;
    const { dueAt, lease } = head.run;
    if (newestCode.length > 1 || dueAt !== null || lease !== undefined || head.status !== 'working') return;
    const seen = new Set(lives.flatMap(({ trace }) => trace).flatMap((line) => line.match(/report-\d+/gu) ?? []));
    const waiting = [...this.#recorded].find((id) => !seen.has(id));
    if (waiting !== undefined) this.#world.complain(`${waiting} is there, and its workflow was not woken [I12 WF-5]`);
  }

  #report(): void {
    this.#sent += 1;
    this.#underWay += 1;
    const report = this.#next(`report-${this.#sent}`);
    const { id, owner } = this.#world.ref;
    const sending = sendReport(this.#deliveries(), { owner, id: asTaskId(id) }, report, this.#world.time.now);
    this.#world.inBackground(
      sending
        .then((outcome) => {
          if (outcome === 'recorded') this.#recorded.add(report.id);
        })
        .finally(() => {
          this.#underWay = Math.max(0, this.#underWay - 1);
        }),
    );
  }

  #next(id: string): Report {
    const { chance } = this.#world;
    const choices = [...CLIENT_TOOLS, ...this.#steps];
    const isWild = this.#sent <= WILD_REPORTS;
    const which = isWild ? chance.pick(choices) : (choices[this.#sent % choices.length] ?? 'done_a');
    const isError = isWild && chance.chance(0.15);
    const result: JsonObject = {
      content: [{ type: 'text', text: JSON.stringify({ said: id }) }],
      ...(isError ? { isError } : {}),
    };
    if (isWild && chance.chance(0.1)) return { kind: 'continue', id, arguments: {} };
    if (this.#steps.includes(which)) return { kind: 'step', id, step: which, result };
    return { kind: 'call', id, tool: which, arguments: { of: 'client' }, result };
  }
}
