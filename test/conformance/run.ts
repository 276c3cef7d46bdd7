/**
 * `npm run conformance [-- --backend ADDRESS] [--requirements REVISION] [--url URL]`: runs the official suite against
 * the fixtures in this process, or the task scenarios alone against a server that has them at URL; first the ten
 * scenarios of the tasks extension, then what each revision of the specification requires of a server, or only the one
 * that is named. The last line is `N passed, N failed`, in checks; the exit code is 1 if any failed, 2 for a wrong
 * option. A scenario that could not run has failed.
 */
import { parseArgs } from 'node:util';
import { startLocalServer } from '../../src/index.ts';
import { openBackend, parseBackendAddress } from '../../src/server/open-backend.ts';
import { createFixtureServer, FIXTURE_SERVER, fixtureTools } from './fixtures.ts';
import { remarksOf, tableOf, totalsOf } from './report.ts';
import { runRequirements, runScenarios, type ScenarioResult, TASK_SCENARIOS } from './suite.ts';

function readOptions() {
  const { values } = parseArgs({
    options: {
      backend: { type: 'string', default: 'memory' },
      requirements: { type: 'string', multiple: true, default: ['2026-07-28', '2025-11-25'] },
      url: { type: 'string' },
    },
  });
  return { address: parseBackendAddress(values.backend), revisions: values.requirements, url: values.url };
}

async function runAll({ address, revisions, url }: ReturnType<typeof readOptions>): Promise<ScenarioResult[]> {
  if (url !== undefined) return runTasks(url);
  await using running = new AsyncDisposableStack();
  const opened = await openBackend(address);
  running.defer(() => opened.close());
  const server = await startLocalServer({
    ...FIXTURE_SERVER,
    tools: fixtureTools,
    backend: opened.backend,
    createServer: createFixtureServer,
    allowAnonymous: true,
    // The suite counts the tools.
    taskTools: false,
    port: 0,
  });
  running.defer(() => server.close());

  show(`Backend: ${opened.description}\n\n`);
  const tasks = await runTasks(server.url);

  const results = [...tasks];
  for (const revision of revisions) {
    show(`Required of a server by ${revision}\n\n`);
    // The set runs the task scenarios too: they count once, unless the second run failed.
    const required = (await runRequirements(server.url, revision)).filter(
      (result) => !isTaskScenario(result) || totalsOf([result]).failed > 0,
    );
    show(`${tableOf(required)}\n${remarksOf(required)}\n`);
    results.push(...required);
  }
  return results;
}

async function runTasks(url: string): Promise<ScenarioResult[]> {
  show('The tasks extension\n\n');
  const tasks = await runScenarios(url, TASK_SCENARIOS);
  show(`${tableOf(tasks)}\n${remarksOf(tasks)}\n`);
  return tasks;
}

function isTaskScenario({ scenario }: ScenarioResult): boolean {
  return (TASK_SCENARIOS as readonly string[]).includes(scenario);
}

function show(text: string): void {
  process.stdout.write(text);
}

function complain(error: unknown): void {
  process.stderr.write(`conformance: ${error instanceof Error ? error.message : String(error)}\n`);
}

let options: ReturnType<typeof readOptions> | undefined;
try {
  options = readOptions();
} catch (error) {
  complain(error);
  process.exitCode = 2;
}
if (options !== undefined) {
  try {
    const { passed, failed } = totalsOf(await runAll(options));
    show(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed === 0 ? 0 : 1;
  } catch (error) {
    complain(error);
    process.exitCode = 1;
  }
}
