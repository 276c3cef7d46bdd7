/**
 * Workflows and clients by chance: calls, reports and prompts at any moment, also while the run is at work, from two instances.
 * Whatever the order, no result is lost, each step has a result that some call gave, and the server keeps to the order of steps.
 */
import { expect, test } from '@jest/globals';
import { isJsonObject, type JsonObject, type JsonValue } from '../../../src/domain/json.ts';
import type { Payload } from '../../../src/domain/payload.ts';
import { asTaskId } from '../../../src/domain/task-id.ts';
import { manualRandom } from '../../../src/testing/manual-clock.ts';
import { Seeded } from '../../simulation/seeded.ts';
import { type HeldServer, holdServer } from '../../support/mcp-server.ts';
import { boundTo, WorkflowSession } from '../../support/workflow-session.ts';
import { type Called, PLAIN_TOOLS, type RandomWorkflow, randomWorkflow, TASK_TOOL } from './random-workflow.ts';

const SEEDS = 25;
const ACTIONS = 25;
/** Rounds in which a client does what it is told, at most. */
const ROUNDS = 80;
/** What is reported within this time of one another may be taken in either way round. */
const SAME_MS = 5;

interface KeptPiece {
  readonly status: string;
  readonly by?: string;
  readonly number?: number;
  readonly error?: string;
}

/** Where a result is: `aside`, `waiting`, or a step's piece. */
type Places = ReadonlyMap<number, string>;

interface Kept {
  readonly steps: readonly {
    readonly name: string;
    readonly isSkipped: boolean;
    readonly pieces: readonly KeptPiece[];
  }[];
  /** By number. What failed is where it made a step fail. */
  readonly places: Places;
}

class World {
  readonly chance: Seeded;
  readonly random: RandomWorkflow;
  readonly held: HeldServer;
  readonly other: HeldServer;
  readonly session: WorkflowSession;
  /** What the run did that it should not have. */
  readonly offences: string[] = [];
  /** Numbers of calls that were bound to the workflow, and had ended before it had. */
  readonly reported = new Set<number>();
  taskId = '';
  /** At the last look. */
  #places: Places = new Map();
  readonly #replaced = new Set<number>();

  constructor(seed: number) {
    this.chance = new Seeded(seed);
    let now = () => 0;
    this.random = randomWorkflow({
      chance: this.chance,
      now: () => now(),
      whileRunning: (taskId, step, item) => this.#whileRunning(taskId, step, item),
    });
    const { tools, workflow } = this.random;
    this.held = holdServer(tools, { workflows: [workflow] });
    const { backend, queue, clock } = this.held;
    now = () => clock.now();
    this.other = holdServer(tools, { workflows: [workflow], backend, queue, clock, random: manualRandom(seed + 1000) });
    this.session = new WorkflowSession(this.held);
  }

  /** One or several at once. */
  async act(): Promise<void> {
    await this.chance.weighted<() => Promise<unknown>>([
      [6, () => this.callSome()],
      [2, () => this.reportSome()],
      [2, () => this.session.again('random', this.taskId)],
      [4, () => this.held.runDue()],
      [1, () => this.held.clock.advance(50)],
    ])();
    await this.held.clock.advance(SAME_MS + 1);
    await this.look();
  }

  async callSome(tool?: string, fails?: boolean): Promise<void> {
    const howMany = tool === undefined ? 1 + this.chance.below(3) : 1;
    const called = tool ?? this.chance.pick([...PLAIN_TOOLS, TASK_TOOL]);
    const before = this.random.called.length;
    const peers = [this.held.peer, this.other.peer];
    const isOpen = await this.isOpen();
    const calls = Array.from({ length: howMany }, () =>
      this.chance.pick(peers).call(called, { fails: fails ?? this.chance.chance(0.2) }, boundTo(this.taskId)),
    );
    await (howMany === 1 ? calls[0] : this.#inTime(Promise.all(calls)));
    if (!isOpen || !(await this.isOpen())) return;
    // Those of the run that went on meanwhile are its own; a task reports when it ends.
    for (const { number, step, tool: name } of this.random.called.slice(before))
      if (step === undefined && name !== TASK_TOOL) this.reported.add(number);
  }

  async reportSome(step = this.chance.pick(this.random.workflow.steps).name): Promise<void> {
    const number = this.random.note(`step ${step}`, false);
    const isOpen = await this.isOpen();
    await this.held.peer.call('task_report', { taskId: this.taskId, step, result: { number, list: [0] } });
    if (isOpen && (await this.isOpen())) this.reported.add(number);
  }

  /** Writers that meet give way to one another for a moment, which passes only here; nothing is run. */
  async #inTime(work: Promise<unknown>): Promise<void> {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    while (!isOver) await this.held.clock.advance(1);
    await over;
  }

  async isOpen(): Promise<boolean> {
    return (await this.#task()).status === 'working';
  }

  async #task() {
    const { owner, id } = this.#ref;
    return (await this.held.server.store.get({ owner, id })).task;
  }

  get #ref() {
    return { owner: { issuer: 'unspecified', subject: 'client alice' }, id: asTaskId(this.taskId) };
  }

  async kept(): Promise<Kept> {
    const { store } = this.held.server;
    const variables = await store.readVariables(this.#ref);
    const numberAt = async (kept: JsonValue | undefined) =>
      numberIn(
        (((await store.load(this.#ref, kept as unknown as Payload)) as JsonObject)['result'] ?? {}) as JsonObject,
      );
    const kept = variables['_workflow.state'];
    const record = kept === undefined ? undefined : await store.load(this.#ref, kept as unknown as Payload);
    const state = (record ?? { steps: [], aside: [] }) as unknown as {
      steps: { name: string; isSkipped?: boolean; pieces: (KeptPiece & { kept?: JsonValue })[] }[];
      aside: { kept: JsonValue }[];
    };
    const steps = await Promise.all(
      state.steps.map(async ({ name, isSkipped = false, pieces }) => ({
        name,
        isSkipped,
        pieces: await Promise.all(
          pieces.map(async ({ kept, ...piece }) =>
            kept === undefined ? piece : { ...piece, number: await numberAt(kept) },
          ),
        ),
      })),
    );
    const waiting = Object.entries(variables).flatMap(([key, value]) =>
      key.startsWith('_workflow.report.') && isJsonObject(value) ? [value as JsonValue] : [],
    );
    const places = new Map<number, string>();
    for (const { kept } of state.aside) places.set(await numberAt(kept), 'aside');
    for (const kept of waiting) places.set(await numberAt(kept), 'waiting');
    for (const { name, pieces } of steps)
      for (const [index, { number, error }] of pieces.entries()) {
        const shown = number ?? Number(/\d+/u.exec(error ?? '')?.[0]);
        if (Number.isSafeInteger(shown)) places.set(shown, `${name}[${index}]`);
      }
    return { steps, places };
  }

  /** Looks where every result is that was reported so far; between two looks, one may only give way to a later one. */
  async look(): Promise<void> {
    const { places } = await this.kept();
    // A task that was called for the workflow reports when it ends.
    if (await this.isOpen())
      for (const { number, step, tool } of this.random.called)
        if (step === undefined && tool === TASK_TOOL) this.reported.add(number);
    const byNumber = new Map(this.random.called.map((one) => [one.number, one]));
    for (const number of this.reported) {
      const call = byNumber.get(number);
      if (call === undefined || places.has(number) || this.#replaced.has(number)) continue;
      const before = this.#places.get(number) ?? 'waiting';
      const taker = [...places].find(([other, place]) => {
        const by = byNumber.get(other);
        const isNew = this.#places.get(other) !== place;
        const isThere = before === 'waiting' ? this.#takes(place, call) : place === before;
        // What failed makes room for whatever comes; a good result only for a client's later one.
        return (
          by !== undefined && isNew && isThere && by.at + SAME_MS >= call.at && (call.fails || by.step === undefined)
        );
      });
      const isOpenAgain = call.fails && before !== 'aside';
      if (taker === undefined && !isOpenAgain)
        this.offences.push(`the result of call ${number} of ${call.tool} is lost (${before})`);
      this.#replaced.add(number);
    }
    this.#places = places;
  }

  /** Of a run that waits for its client. */
  expectNothingWaits(): void {
    for (const [number, place] of this.#places)
      if (place === 'waiting' && Number.isSafeInteger(number)) this.offences.push(`call ${number} is not taken in`);
  }

  #takes(place: string, call: Called): boolean {
    const step = this.random.workflow.steps.find(({ name }) => place.startsWith(`${name}[`));
    return call.tool === `step ${step?.name}` || (step?.kind === 'tool' && step.tool === call.tool);
  }

  /** A tool is called by the run: all before it must be done, and it must not. */
  async #whileRunning(taskId: string, name: string, item: JsonValue | undefined): Promise<void> {
    this.taskId = taskId;
    const { steps } = await this.kept();
    const index = this.random.workflow.steps.findIndex((step) => step.name === name);
    for (const { name: earlier, isSkipped, pieces } of steps.slice(0, index))
      if (!isSkipped && !pieces.every(({ status }) => status === 'completed'))
        this.offences.push(`${name} was begun before ${earlier} was done`);
    const own = steps[index]?.pieces[typeof item === 'number' ? item : 0];
    if (own?.status === 'completed') this.offences.push(`${name} was done again`);
    if (this.chance.chance(0.3)) await this.callSome(this.chance.pick(PLAIN_TOOLS));
  }
}

/** `NaN`: of a prompt that was got again, which has no result. */
function numberIn({ content = [] }: JsonObject): number {
  const [block] = content as unknown as { text: string }[];
  const [, number] = /(\d+)/u.exec(block?.text ?? '') ?? [];
  return Number(number ?? Number.NaN);
}

/** As a client that does what it is told, until the workflow is done. */
async function finish(world: World): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    await world.held.clock.advance(1);
    const { meta, pause } = await world.session.again('random', world.taskId);
    await world.look();
    if (pause !== undefined && pause['type'] !== 'timeBudget') world.expectNothingWaits();
    if (meta['task_status'] === 'completed') return;
    const step = world.random.workflow.steps.find(({ name }) => name === (pause?.['step'] ?? pause?.['failedStep']));
    if (step?.kind === 'manual') await world.reportSome(step.name);
    else if (step?.by === 'client') await world.callSome(step.tool, false);
    await world.held.runDue();
    await world.held.clock.advance(50);
    await world.held.runDue();
  }
  throw new Error(`The workflow did not come to its end in ${ROUNDS} rounds.`);
}

function faultsOf({ random, offences }: World, { steps }: Kept): string[] {
  const faults = [...offences];
  const byNumber = new Map(random.called.map((one) => [one.number, one]));
  const held: Called[] = [];
  for (const { name, isSkipped, pieces } of steps) {
    const step = random.workflow.steps.find((one) => one.name === name);
    if (isSkipped) continue;
    for (const { status, number, by } of pieces) {
      const call = byNumber.get(number ?? Number.NaN);
      if (status !== 'completed' || call === undefined) {
        faults.push(`${name} is ${status}, by no call`);
        continue;
      }
      const tool = step?.kind === 'tool' ? step.tool : '';
      held.push(call);
      if (call.fails) faults.push(`${name} is done by call ${number}, which failed`);
      if (call.tool !== tool && call.tool !== `step ${name}`) faults.push(`${name} has a result of ${call.tool}`);
      if ((by === 'server') !== (call.step === name)) faults.push(`${name} was not done by ${by}`);
    }
  }
  const twice = held.filter((call, at) => held.indexOf(call) !== at);
  for (const call of twice) faults.push(`call ${call.number} counts for more than one step`);
  // What a step of the server began with is what the workflow ends with.
  const outputs = new Map(steps.map(({ name, pieces }) => [name, pieces[0]?.number]));
  for (const call of held) {
    const step = random.workflow.steps.find(({ name }) => name === call.step);
    const source = step?.kind === 'tool' ? step.arguments['from'] : undefined;
    if (source?.from !== 'output') continue;
    if (call.from !== outputs.get(source.step))
      faults.push(`${call.step} was given ${JSON.stringify(call.from)}, not the output of ${source.step}`);
  }
  return faults;
}

test.each(Array.from({ length: SEEDS }, (_, seed) => seed + 1))(
  'no result is lost, and steps are done in order, with seed %i [WF-2 WF-5 WF-6 WF-7 I1]',
  async (seed) => {
    const world = new World(seed);
    ({ taskId: world.taskId } = await world.session.get('random'));
    for (let action = 0; action < ACTIONS && (await world.isOpen()); action += 1) await world.act();
    await finish(world);

    expect(faultsOf(world, await world.kept())).toEqual([]);
  },
);
