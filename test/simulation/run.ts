/**
 * `npm run simulate -- [--histories N] [--seed S] [--seconds T] [--only engine|tasks]`: random programs in random
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
import { type HistoryKind, type SimulationReport, simulate } from './simulate.ts';
import { taskHistories } from './tasks/task-histories.ts';

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
type KindName = 'tasks' | 'engine';
const KINDS: Readonly<Record<KindName, HistoryKind<unknown>>> = {
  tasks: taskHistories,
  engine: engineHistories(),
};
const names = (Object.keys(KINDS) as KindName[]).filter((name) => values.only === undefined || values.only === name);
/** Histories of one kind in a row. */
const BATCH = 100;

type Reports = Partial<Record<KindName, SimulationReport>>;

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
  }
  process.send?.(reports, () => process.exit(0));
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
  const arguments_ = (part: number) => [...process.argv.slice(2), '--part', `${part}`, '--parts', `${parts}`];
  const reports = await Promise.all(
    Array.from({ length: parts }, (_, part) => reportOf(fileURLToPath(import.meta.url), arguments_(part))),
  );
  const seconds = (Date.now() - startedAt) / 1000;
  let violations = 0;
  for (const { violation } of reports.flatMap((report) => Object.values(report))) {
    if (violation === undefined) continue;
    violations += 1;
    const { faults, smallest, smallestSeed } = violation;
    console.log(
      `\nseed ${violation.seed}; the smallest, with seed ${smallestSeed}:\n${smallest}\n  ${faults.join('\n  ')}`,
    );
  }
  const counts = names.map((name) => `${countOf(reports, name)} of ${name}`).join(', ');
  console.log(
    `histories: ${counts}, from seed ${seed}, in ${seconds.toFixed(0)} s in ${parts} processes: ${violations} violations`,
  );
  process.exit(violations === 0 ? 0 : 1);
}

function countOf(reports: readonly Reports[], name: KindName): number {
  return reports.reduce((sum, report) => sum + (report[name]?.histories ?? 0), 0);
}

function reportOf(path: string, args: readonly string[]): Promise<Reports> {
  const child = fork(path, args);
  return new Promise((resolve, reject) => {
    child.on('message', (reports) => resolve(reports as Reports));
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`a part of the simulation ended with ${code}`)));
  });
}

async function findMutants(): Promise<void> {
  let missed = 0;
  for (const [index, mutant] of MUTANTS.entries()) {
    const path = await mutatedSimulation(mutant, index);
    const found: string[] = [];
    for (const name of names) {
      const args = ['--only', name, '--histories', '20000', '--seed', values.seed, '--part', '0', '--parts', '1'];
      const report = (await reportOf(path, args))[name];
      if (report?.violation !== undefined) {
        found.push(
          `${name} after ${report.histories}: ${report.violation.faults[0]?.slice(0, 160)}\n${report.violation.smallest}`,
        );
      }
    }
    if (found.length === 0) missed += 1;
    console.log(
      `${found.length === 0 ? 'MISSED' : 'found'}: ${mutant.name}\n${found.map((by) => `  by ${by}\n`).join('')}`,
    );
  }
  process.exit(missed === 0 ? 0 : 1);
}
