/**
 * `npm run simulate -- [--histories N] [--seed S] [--seconds T] [--mutants]`: random programs in random worlds against the
 * oracle, in as many processes as there are cores. Ends with an error, the seed and the smallest program that shows the
 * fault. With `--mutants`: how many histories it takes to find each of the faults of mutants.ts.
 */
import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { faultyEngine, MUTANTS } from './mutants.ts';
import { type SimulationReport, simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    /** Of a process that another has started: which one it is, and of how many. */
    part: { type: 'string' },
    parts: { type: 'string' },
  },
});

const seed = Number(values.seed);
const histories = Number(values.histories);
const until = values.seconds === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.seconds) * 1000;

if (values.mutants) await findMutants();
else if (values.part !== undefined) await runPart(Number(values.part), Number(values.parts));
else await runAll();

async function runPart(part: number, parts: number): Promise<void> {
  const share = Math.ceil(histories / parts);
  process.send?.(await simulate({ firstSeed: seed + part, step: parts, histories: share, until }));
  process.exit(0);
}

async function runAll(): Promise<void> {
  const parts = availableParallelism();
  const startedAt = Date.now();
  const reports = await Promise.all(
    Array.from({ length: parts }, (_, part) => {
      const child = fork(fileURLToPath(import.meta.url), [
        ...process.argv.slice(2),
        '--part',
        `${part}`,
        '--parts',
        `${parts}`,
      ]);
      return new Promise<SimulationReport>((resolve, reject) => {
        child.on('message', (report) => resolve(report as SimulationReport));
        child.on('exit', (code) => reject(new Error(`a part of the simulation ended with ${code}`)));
      });
    }),
  );
  const done = reports.reduce((sum, report) => sum + report.histories, 0);
  const seconds = (Date.now() - startedAt) / 1000;
  const violations = reports.flatMap(({ violation }) => violation ?? []);
  for (const violation of violations) {
    console.log(`\nseed ${violation.seed}: ${JSON.stringify(violation.program)}\n  ${violation.faults.join('\n  ')}`);
  }
  console.log(
    `${done} histories from seed ${seed} in ${seconds.toFixed(0)} s in ${parts} processes: ${violations.length} violations`,
  );
  process.exit(violations.length === 0 ? 0 : 1);
}

async function findMutants(): Promise<void> {
  let missed = 0;
  for (const [index, mutant] of MUTANTS.entries()) {
    const engine = await faultyEngine(mutant, index);
    const { histories: needed, violation } = await simulate({ firstSeed: seed, histories: 20_000, engine });
    if (violation === undefined) missed += 1;
    console.log(
      violation === undefined
        ? `MISSED after ${needed} histories: ${mutant.name}`
        : `found after ${needed} histories: ${mutant.name}\n    ${JSON.stringify(violation.program)}\n    ${violation.faults[0]?.slice(0, 200)}`,
    );
  }
  process.exit(missed === 0 ? 0 : 1);
}
