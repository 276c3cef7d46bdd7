/**
 * The official conformance suite as child processes: which scenarios there are, and what came of the
 * checks of each, from the JSON files that it writes. Knows nothing of the server under test.
 */
import { spawn } from 'node:child_process';
import { glob, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMMAND = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));
/** A whole set takes some 15 s on a machine that has nothing else to do. */
const GIVE_UP_MS = 20 * 60_000;
/** The suite's own limit for a scenario, 30 s if it is not told. */
const SCENARIO_LIMIT_MS = 5 * 60_000;
const AT_A_TIME = 4;
/** Inside its scenarios the suite waits for an answer as little as two seconds, which a busy machine may not make. */
const TRIES_ALONE = 2;

/** The scenarios of the tasks extension. */
export const TASK_SCENARIOS = [
  'tasks-lifecycle',
  'tasks-capability-negotiation',
  'tasks-wire-fields',
  'tasks-request-state-removal',
  'tasks-mrtr-input',
  'tasks-request-headers',
  'tasks-dispatch-and-envelope',
  'tasks-status-notifications',
  'tasks-required-task-error',
  'tasks-mrtr-composition',
] as const;

/** As the suite writes it; `INFO` is no verdict. */
export interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  readonly errorMessage?: string;
  readonly details?: { readonly note?: unknown };
}

export interface ScenarioResult {
  readonly scenario: string;
  /** Why the requirement set runs it without requiring it. */
  readonly notRequired?: string;
  readonly checks: readonly Check[];
}

/** Each scenario on its own, a few at a time, in the order given; what failed then is tried again when nothing else runs. */
export async function runScenarios(url: string, scenarios: readonly string[]): Promise<ScenarioResult[]> {
  const results = new Map<string, ScenarioResult>();
  const waiting = scenarios.values();
  const runOne = async (scenario: string) => {
    const { checks, output } = await runServer(url, ['--scenario', scenario]);
    results.set(scenario, { scenario, checks: checks.get(scenario) ?? [notRun(scenario, output)] });
  };
  const runWaiting = async () => {
    for (const scenario of waiting) await runOne(scenario);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, runWaiting));
  const failed = (scenario: string) => results.get(scenario)?.checks.some(({ status }) => status === 'FAILURE');
  for (let tries = 0; tries < TRIES_ALONE; tries += 1) {
    for (const scenario of scenarios.filter(failed)) {
      process.stderr.write(`conformance: ${scenario} failed beside others; once more alone\n`);
      await runOne(scenario);
    }
  }
  return scenarios.flatMap((scenario) => results.get(scenario) ?? []);
}

/** What a revision of the specification requires of a server, and what the suite runs along with it. */
export async function runRequirements(url: string, revision: string): Promise<ScenarioResult[]> {
  const listed = await listRequirements(revision);
  const { checks, output } = await runServer(url, ['--requirements', revision]);
  return listed.map((listing) => {
    const { scenario } = listing;
    return { ...listing, checks: checks.get(scenario) ?? [notRun(scenario, output)] };
  });
}

function notRun(scenario: string, output: string): Check {
  const lines = output.trim().split('\n');
  const reason =
    lines.find((line) => line.includes(scenario) && /fail|error|unknown/i.test(line)) ?? lines.at(-1) ?? '';
  return { id: 'not-run', status: 'FAILURE', errorMessage: `The scenario did not run: ${reason.trim()}` };
}

/** From the suite's own list: required ones below a heading, others marked with the side that they test. */
async function listRequirements(revision: string): Promise<Omit<ScenarioResult, 'checks'>[]> {
  const { exitCode, output } = await runSuite(['list', '--requirements', revision]);
  const listed: Omit<ScenarioResult, 'checks'>[] = [];
  let heading = '';
  let reason: string | undefined;
  for (const line of output.split('\n')) {
    if (/^\S.*:$/.test(line)) heading = line;
    reason = /^ {2}([a-z-]+) \(\d+\):$/.exec(line)?.[1] ?? reason;
    const [, scenario, side] = /^ +- (\S+)(?: \[(client|server)\])?$/.exec(line) ?? [];
    if (scenario === undefined) continue;
    if (side === 'server') listed.push({ scenario, notRequired: reason ?? 'not scored' });
    else if (side === undefined && heading.startsWith('Server scenarios')) listed.push({ scenario });
  }
  if (exitCode !== 0 || listed.length === 0)
    throw new Error(`the suite has no requirements for ${revision}: ${output.trim()}`);
  return listed;
}

interface ServerRun {
  readonly output: string;
  /** By scenario; those that wrote no results are missing. */
  readonly checks: ReadonlyMap<string, readonly Check[]>;
}

async function runServer(url: string, args: readonly string[]): Promise<ServerRun> {
  const folder = await mkdtemp(join(tmpdir(), 'conformance-'));
  try {
    const { output } = await runSuite([
      'server',
      ...['--url', url, '--timeout', String(SCENARIO_LIMIT_MS)],
      ...args,
      ...['--output-dir', folder],
    ]);
    const checks = new Map<string, readonly Check[]>();
    for await (const file of glob('server-*/checks.json', { cwd: folder })) {
      const scenario = /^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/.exec(dirname(file))?.[1];
      const written = JSON.parse(await readFile(join(folder, file), 'utf8')) as readonly Check[];
      if (scenario !== undefined && written.length > 0) checks.set(scenario, written);
    }
    return { output, checks };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The exit code says no more than the results do, except of `list`. */
function runSuite(args: readonly string[]): Promise<{ readonly exitCode: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: GIVE_UP_MS,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, output }));
  });
}
