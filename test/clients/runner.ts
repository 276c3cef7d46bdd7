/**
 * Runs each client's driver against a server of its own, a few at a time, and judges what it says: that a behaviour ended
 * is the driver's word, what the client was told is held against what the tools say.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { COMPILE_CACHE } from '../support/compile-cache.ts';
import { PATIENCE_MS } from '../support/until.ts';
import { BEHAVIOURS, type Behaviour, CLIENTS, type Setting, type TestedClient } from './client-list.ts';
import { type Installed, installed } from './installation.ts';
import { serve, stdioCommand } from './served.ts';

const DRIVERS = fileURLToPath(new URL('./drivers/', import.meta.url));
const RESOLUTION = pathToFileURL(join(DRIVERS, 'resolution.ts')).href;
/** Drivers at a time: most of a run is waiting for the clock. */
const AT_A_TIME = 4;

/** What has to be in what the client was told. */
const EXPECTED: Readonly<Record<Behaviour, readonly string[]>> = {
  short: ['Hello, Ada.'],
  long: ['Counted to 3.'],
  question: ['You said blue.'],
  cancel: ['cancel'],
  failure: ['The disk is full.', 'The tape is torn.'],
  restart: ['Went on after the restart.'],
};

export type Outcome = 'call' | 'task' | 'tools' | 'error';

export interface Observation {
  readonly outcome: Outcome;
  readonly detail: string;
}

export interface ClientRun {
  readonly client: TestedClient;
  readonly setting: Setting;
  readonly seen: Readonly<Record<Behaviour, Observation>>;
  /** The revision of the protocol that it spoke; `undefined` over stdio, where nobody listens. */
  readonly spoke: string | undefined;
}

export interface RunOfClients {
  readonly runs: readonly ClientRun[];
  /** Clients that are not there, with the reason. */
  readonly missing: ReadonlyMap<TestedClient, string>;
}

export interface RunOptions {
  /** Of a DynamoDB that may be written to. */
  readonly dynamoDbEndpoint: string;
  /** @default all clients, in all their settings */
  readonly only?: (client: TestedClient, setting: Setting) => boolean;
  readonly onRun?: (run: ClientRun, log: string, seconds: number) => void;
}

export async function runClients(options: RunOptions): Promise<RunOfClients> {
  const { only = () => true } = options;
  const missing = new Map<TestedClient, string>();
  const wanted = CLIENTS.flatMap((client) => client.settings.map((setting) => ({ client, setting })));
  const queue = wanted.filter(({ client, setting }) => only(client, setting));
  const runs: ClientRun[] = [];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const there = await installed(next.client.installation);
      if ('missing' in there) missing.set(next.client, there.missing);
      else runs.push(await runClient(next.client, next.setting, there, options));
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return { runs, missing };
}

/** What is not as it should be, in sentences; also that a client can what it was said not to. */
export function failuresOf({ client, setting, seen, spoke = client.speaks }: ClientRun): string[] {
  const who = `${client.id} over ${setting}`;
  if (BEHAVIOURS.every((behaviour) => seen[behaviour] === seen.short)) return [`${who}: ${seen.short.detail}`];
  if (spoke !== client.speaks) return [`${who}: it speaks ${spoke}, not ${client.speaks}`];
  return BEHAVIOURS.flatMap((behaviour) => {
    const { outcome, detail } = seen[behaviour];
    const cannot = client.cannot?.[behaviour] !== undefined;
    if (cannot) return outcome === 'error' ? [] : [`${who}: ${behaviour}: can be done now, by ${outcome}`];
    return outcome === 'error' ? [`${who}: ${behaviour}: ${detail}`] : [];
  });
}

async function runClient(
  client: TestedClient,
  setting: Setting,
  { folder }: Extract<Installed, { folder: string }>,
  { dynamoDbEndpoint, onRun }: RunOptions,
): Promise<ClientRun> {
  const startedAt = performance.now();
  const scratch = await mkdtemp(join(tmpdir(), 'clients-'));
  const backend =
    setting === 'turns'
      ? `dynamodb:clients-${client.id}?endpoint=${dynamoDbEndpoint}`
      : `sqlite:${join(scratch, 'tasks.sqlite')}`;
  let driven: Driven;
  try {
    driven = await driveAgainst(client, setting, backend, { folder, home: scratch });
  } catch (error) {
    driven = { said: '', log: error instanceof Error ? error.message : String(error) };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  const run: ClientRun = { client, setting, seen: observationsOf(driven), spoke: driven.spoke };
  onRun?.(run, driven.log, (performance.now() - startedAt) / 1_000);
  return run;
}

async function driveAgainst(client: TestedClient, setting: Setting, backend: string, places: Places): Promise<Driven> {
  const shortWait = !client.followsTasks;
  if (setting === 'stdio') {
    const command = stdioCommand({ shortWait, backend });
    return drive(client, places, { CLIENTS_TARGET: JSON.stringify(command) });
  }
  await using served = await serve({
    shortWait,
    backend,
    instances: setting === 'turns' ? 2 : 1,
    args: client.serverArgs ?? [],
  });
  const { said, log } = await drive(client, places, {
    CLIENTS_TARGET: JSON.stringify({ url: served.url }),
    CLIENTS_RESTART_URL: served.restartUrl,
  });
  return { said, log: `${served.log()}${log}`, spoke: served.revision() };
}

function commandOf({ driver }: TestedClient, folder: string): readonly [command: string, ...args: string[]] {
  if (driver.endsWith('.py')) return ['python3', join(DRIVERS, driver)];
  if (driver.endsWith('.ts')) return [process.execPath, '--import', RESOLUTION, join(DRIVERS, driver)];
  return [join(folder, driver)];
}

interface Places {
  /** Of the installed client. */
  readonly folder: string;
  /** For files that it keeps. */
  readonly home: string;
}

interface Driven {
  /** On the driver's standard output. */
  readonly said: string;
  /** The end of what it and its server had to report. */
  readonly log: string;
  readonly spoke?: string | undefined;
}

/** Until the driver ends, or is ended for its silence. */
function drive(client: TestedClient, { folder, home }: Places, env: Record<string, string>): Promise<Driven> {
  const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
  const [command, ...args] = commandOf(client, folder);
  const child = spawn(command, args, {
    cwd: home,
    env: {
      ...inherited,
      ...env,
      ...COMPILE_CACHE,
      CLIENTS_FOLDER: folder,
      CLIENTS_VARIANT: client.variant ?? '',
      PYTHONPATH: folder,
      PYTHONDONTWRITEBYTECODE: '1',
      HOME: home,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const silence = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ said, log: error.message }));
    child.once('close', () => {
      clearTimeout(silence);
      resolve({ said, log: errors });
    });
  });
}

function observationsOf({ said, log }: Driven): ClientRun['seen'] {
  const lines = said.split('\n').flatMap((line) => (line.startsWith('{"behaviour"') ? [JSON.parse(line)] : []));
  const silent: Observation = { outcome: 'error', detail: `the driver said nothing of it: ${log.slice(-500)}` };
  const seen = BEHAVIOURS.map((behaviour) => {
    const found = (lines as (Observation & { behaviour: string })[]).find((line) => line.behaviour === behaviour);
    return [behaviour, found === undefined ? silent : judged(behaviour, found)];
  });
  return Object.fromEntries(seen) as ClientRun['seen'];
}

function judged(behaviour: Behaviour, { outcome, detail }: Observation): Observation {
  if (outcome === 'error') return { outcome, detail };
  const lacking = EXPECTED[behaviour].filter((words) => !detail.toLowerCase().includes(words.toLowerCase()));
  if (lacking.length === 0) return { outcome, detail };
  return {
    outcome: 'error',
    detail: `the client was told ${JSON.stringify(detail)}, without "${lacking.join('", "')}"`,
  };
}
