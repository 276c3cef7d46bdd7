/**
 * `npm run simulate -- [--histories N] [--seed S] [--seconds T] [--only engine|tasks|workflows]`: random programs in random
 * worlds against the oracle, in as many processes as there are cores: half of them whole tasks (`tasks/`), half the
 * engine alone. Ends with an error, the seed and the smallest history that shows the fault. With `--mutants`: how many
 * histories it takes to find each of the faults of mutants.ts.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { present } from '../../src/present.ts';
import { engineHistories } from './engine-histories.ts';
import { MUTANTS, mutatedSimulation } from './mutants.ts';
import { type HistoryKind, type SimulationReport, simulate, type Violation } from './simulate.ts';
import { taskHistories } from './tasks/task-histories.ts';
import { workflowHistories } from './tasks/workflow-histories.ts';

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    /** Of a process that another has started: which one it is, and of how many. */
    part: { type: 'string' },
    parts: { type: 'string' },
  },
});

const seed = Number(values.seed);
const histories = Number(values.histories);
const until = values.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.seconds) * 1000;
type KindName = 'tasks' | 'engine' | 'workflows';
const KINDS: Readonly<Record<KindName, HistoryKind<unknown>>> = {
  tasks: taskHistories,
  engine: engineHistories(),
  workflows: workflowHistories,
};
const names = (Object.keys(KINDS) as KindName[]).filter((name) => values.only === undefined || values.only === name);
/** Histories of one kind in a row. */
const BATCH = 100;
/** How often a run says how far it is. */
const SAY_EVERY_MS = 60_000;
/** Most objects of a history end with it: room for them in the young generation is a tenth of the time. */
const MEMORY = ['--min-semi-space-size=32', '--max-semi-space-size=64', '--single-threaded-gc'];

type Reports = Partial<Record<KindName, SimulationReport>>;
/** What a part says: how far it is, and in the end what it has seen. */
type Message = { readonly reports: Reports; readonly isEnd: boolean };

if (names.length === 0) throw new Error(`--only is one of ${Object.keys(KINDS).join(', ')}.`);
if (values.mutants) await findMutants();
else if (values.part !== undefined) await runPart(Number(values.part), Number(values.parts));
else await runAll();

async function runPart(part: number, parts: number): Promise<void> {
  const share = Math.ceil(histories / parts / names.length);
  const reports: Reports = {};
  for (let done = 0; done < share && Date.now() < until; done += BATCH) {
    for (const name of names) {
      const report = await batch(KINDS[name], done, share, { part, parts });
      const { histories: before = 0, violation } = reports[name] ?? {};
      reports[name] = {
        ...report,
        histories: before + report.histories,
        ...present({ violation }),
      };
    }
    if (Object.values(reports).some(({ violation }) => violation !== undefined)) break;
    process.send?.({ reports, isEnd: false } satisfies Message);
  }
  process.send?.({ reports, isEnd: true } satisfies Message, () => process.exit(0));
}

function batch(
  kind: HistoryKind<unknown>,
  done: number,
  share: number,
  { part, parts }: { readonly part: number; readonly parts: number },
): Promise<SimulationReport> {
  return simulate({
    kind,
    firstSeed: seed + part + done * parts,
    step: parts,
    histories: Math.min(BATCH, share - done),
    until,
  });
}

async function runAll(): Promise<void> {
  const parts = availableParallelism();
  const startedAt = Date.now();
  const reports: Reports[] = Array.from({ length: parts }, () => ({}));
  const said = () => {
    const counts = names.map((name) => `${countOf(reports, name)} of ${name}`).join(', ');
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(0);
    return `${counts}, from seed ${seed}, in ${seconds} s in ${parts} processes: ${violationsIn(reports)} violations`;
  };
  const saying = setInterval(() => console.log(`so far: ${said()}`), SAY_EVERY_MS);
  const runs = reports.map(async (_, part) => {
    const arguments_ = [...process.argv.slice(2), '--part', `${part}`, '--parts', `${parts}`];
    const end = await reportOf(fileURLToPath(import.meta.url), arguments_, (report) => {
      reports[part] = report;
    });
    reports[part] = end;
    for (const { violation } of Object.values(end)) if (violation !== undefined) console.log(violationText(violation));
  });
  await Promise.all(runs);
  clearInterval(saying);
  console.log(`histories: ${said()}`);
  process.exit(violationsIn(reports) === 0 ? 0 : 1);
}

function violationsIn(reports: readonly Reports[]): number {
  return reports.flatMap((report) => Object.values(report)).filter(({ violation }) => violation !== undefined).length;
}

function violationText({ seed: found, smallestSeed, smallest, faults }: Violation): string {
  return `\nseed ${found}; the smallest, with seed ${smallestSeed}:\n${smallest}\n  ${faults.join('\n  ')}`;
}

function countOf(reports: readonly Reports[], name: KindName): number {
  return reports.reduce((sum, report) => sum + (report[name]?.histories ?? 0), 0);
}

function reportOf(path: string, args: readonly string[], onReport: (reports: Reports) => void = () => {}) {
  const child = fork(path, args, { execArgv: [...process.execArgv, ...MEMORY] });
  return new Promise<Reports>((resolve, reject) => {
    child.on('message', ({ reports, isEnd }: Message) => {
      onReport(reports);
      if (isEnd) resolve(reports);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`a part of the simulation ended with ${code}`)));
  });
}

/** Both kinds of histories in turns, 20,000 of each, until one finds the fault. */
async function findMutants(): Promise<void> {
  let missed = 0;
  const each = 20_000 * names.length;
  const only = values.only === undefined ? [] : ['--only', values.only];
  for (const [index, mutant] of MUTANTS.entries()) {
    const path = await mutatedSimulation(mutant, `${seed}-${index}`);
    const args = ['--histories', `${each}`, '--seed', values.seed, '--part', '0', '--parts', '1', ...only];
    const reports = await reportOf(path, args);
    const found = Object.entries(reports).flatMap(([name, { histories: after, violation }]) =>
      violation === undefined ? [] : `by ${name} after ${after}: ${violationText(violation)}`,
    );
    if (found.length === 0) missed += 1;
    console.log(`${found.length === 0 ? 'MISSED' : 'found'}: ${mutant.name}\n${found.join('\n')}\n`);
  }
  console.log(`mutants: ${MUTANTS.length - missed} of ${MUTANTS.length} found, from seed ${seed}`);
  process.exit(missed === 0 ? 0 : 1);
}
