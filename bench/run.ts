/**
 * `npm run bench`: throughput, backend calls and HTTP overhead on each backend, side by side in one
 * run. Other parts on request: `--costs` (the cost table of docs/costs.md), `--engine`, `--waiters`, `--soak`. Times are
 * printed, never judged; the soak ends with an error when an invariant does not hold.
 */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { VERBS } from '../test/support/counting-backend.ts';
import { stopEngines } from '../test/support/engines/process.ts';
import { costDocument } from './costs/cost-document.ts';
import { meterDynamoDb } from './costs/cost-meter.ts';
import { costRows, costTable, measureCosts } from './costs/costs.ts';
import { measureEngine } from './engine.ts';
import { ENGINES, type EngineName, openEngine } from './engines.ts';
import { measureOverhead } from './http-overhead.ts';
import { measureLifecycles, POLLS } from './lifecycles.ts';
import { soak } from './soak/soak.ts';
import { UNATTENDED_ENGINES, unattendedSoak } from './soak/unattended.ts';
import { measureStarts } from './start.ts';
import { plainTable } from './text-table.ts';
import { measureWaiters } from './waiters/waiters.ts';

const USAGE = `npm run bench -- [options]
  --backends LIST    of ${ENGINES.join(',')} (default: all that can be started)
  --only PART        lifecycles or overhead (default: both)
  --count N          lifecycles on each backend and way (default: 400)
  --concurrency N    lifecycles at once (default: 128)
  --costs [--write]  only the cost table on DynamoDB Local; --write: into docs/costs.md
  --engine           only the engine: steps, resumes, the smallest task
  --start            only the start of a server with much in its store
  --waiters          only 500 clients that wait for results at one process; with --backends
  --soak             only the soak; --seconds N (default: 60), --seed N
  --unattended ENGINE  only the soak that no client looks at, on dynamodb or redis; --seconds N (at least 120), --seed N`;

const DOCUMENT = fileURLToPath(new URL('../docs/costs.md', import.meta.url));

const { values } = parseArgs({
  options: {
    backends: { type: 'string' },
    only: { type: 'string' },
    count: { type: 'string', default: '400' },
    concurrency: { type: 'string', default: '128' },
    costs: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    engine: { type: 'boolean', default: false },
    start: { type: 'boolean', default: false },
    waiters: { type: 'boolean', default: false },
    soak: { type: 'boolean', default: false },
    unattended: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

try {
  if (values.help) say(USAGE);
  else if (values.costs) await printCosts();
  else if (values.engine) await printEngine();
  else if (values.start) say(plainTable(await measureStarts()));
  else if (values.waiters) await printWaiters();
  else if (values.soak) await runSoak();
  else if (values.unattended !== undefined) await runUnattended(values.unattended);
  else await compareBackends();
} finally {
  await stopEngines();
}

async function printEngine(): Promise<void> {
  const { steps, calls } = await measureEngine();
  say(`${plainTable(steps)}\n\n${plainTable(calls)}`);
}

async function printWaiters(): Promise<void> {
  const { costs, delays } = await measureWaiters(chosenBackends(), say);
  say(`node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}\n`);
  say(`The process of the waiters\n${plainTable(costs)}`);
  say(`\nFrom the end of a task to its result at a client\n${plainTable(delays)}`);
}

async function compareBackends(): Promise<void> {
  const lifecycles: (string | number)[][] = [];
  const overheads: (string | number)[][] = [];
  const parts = values.only === undefined ? ['lifecycles', 'overhead'] : [values.only];
  const options = { count: Number(values.count), concurrency: Number(values.concurrency) };
  for (const name of chosenBackends()) {
    const engine = await openEngine(name).catch((error: unknown) => {
      say(`${name}: left out, ${error instanceof Error ? error.message : String(error)}`);
    });
    if (engine === undefined) continue;
    const { backend } = engine;
    try {
      if (parts.includes('lifecycles')) {
        const store = await measureLifecycles(backend, { ...options, face: 'store' });
        const endpoint = await measureLifecycles(backend, { ...options, face: 'endpoint' });
        const calls = VERBS.map((verb) => endpoint.callsEach[verb] ?? 0);
        lifecycles.push([name, store.perSecond.toFixed(0), endpoint.perSecond.toFixed(0), ...calls]);
      }
      if (parts.includes('overhead')) {
        const { discoverMs, getMs, ratio } = await measureOverhead(backend);
        overheads.push([name, discoverMs.toFixed(3), getMs.toFixed(3), `${ratio.toFixed(2)}×`]);
      }
    } finally {
      await engine.close();
    }
  }
  say(`node ${process.version}, ${availableParallelism()} cores, one process`);
  if (lifecycles.length > 0) {
    say(
      `\nLifecycles (create, ${POLLS} polls, one step, complete; ${options.concurrency} at once), per second, and calls of one`,
    );
    say(plainTable({ head: ['backend', 'store/s', 'endpoint/s', ...VERBS], rows: lifecycles }));
  }
  if (overheads.length > 0) {
    say('\ntasks/get over server/discover at the endpoint, one after the other: medians of interleaved batches');
    say(plainTable({ head: ['backend', 'discover ms', 'get ms', 'ratio'], rows: overheads }));
  }
}

function chosenBackends(): readonly EngineName[] {
  if (values.backends === undefined) return ENGINES;
  const asked = values.backends.split(',');
  const known = ENGINES.filter((name) => asked.includes(name));
  if (known.length !== asked.length) throw new Error(`--backends takes a list of ${ENGINES.join(',')}`);
  return known;
}

async function printCosts(): Promise<void> {
  const rows = costRows(await measureCosts(meterDynamoDb));
  say(plainTable(costTable(rows)));
  if (!values.write) return;
  await writeFile(DOCUMENT, costDocument(rows));
  say('\nwritten: docs/costs.md');
}

async function runUnattended(asked: string): Promise<void> {
  const engine = UNATTENDED_ENGINES.find((name) => name === asked);
  if (engine === undefined) throw new Error(`--unattended takes ${UNATTENDED_ENGINES.join(' or ')}`);
  const breaches = await unattendedSoak({ engine, seconds: Number(values.seconds), seed: seed(), say });
  for (const breach of breaches) say(breach);
  if (breaches.length > 0) process.exitCode = 1;
}

function seed(): number {
  return values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
}

async function runSoak(): Promise<void> {
  const broken = await soak({ seconds: Number(values.seconds), seed: seed(), say });
  if (broken.length > 0) process.exitCode = 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
