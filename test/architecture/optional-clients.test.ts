/**
 * The client library of a backend or a queue is optional: who uses one installs and loads no other's.
 * Imports each published entry in a process of its own and looks at what was really loaded.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';
import { zoneOf } from './layer-rules.ts';

/** What belongs to one engine. */
const CLIENTS = /^(node:sqlite|ioredis|bullmq|sqs-consumer|@aws-sdk\/.*|@smithy\/.*)$/;

/** The client that each driver may load, and must, or it would be no driver. */
const CLIENT_OF: Readonly<Record<string, RegExp | undefined>> = {
  memory: undefined,
  sqlite: /^node:sqlite$/,
  dynamodb: /^(@aws-sdk|@smithy)\//,
  redis: /^ioredis$/,
};

/** Where a client is really loaded; a driver that is handed its client may need no more than its types. */
const LOADS = ['src/backends/sqlite.ts', 'src/backends/dynamodb.ts', 'src/backends/redis-client.ts'];

/** The queues among what is published, and what each may load, and must. */
const QUEUE_CLIENTS: Readonly<Record<string, readonly RegExp[]>> = {
  './queues/bullmq': [/^bullmq$/, /^ioredis$/],
  './queues/sqs': [/^@(aws-sdk|smithy)\//],
  './queues/sqs-consumer': [/^sqs-consumer$/, /^@(aws-sdk|smithy)\//],
};

function clientsLoadedBy(file: string): string[] {
  const program = join(REPOSITORY_ROOT, 'test/support/loaded-modules.ts');
  const output = execFileSync(process.execPath, [program, join(REPOSITORY_ROOT, file)], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
  });
  return (JSON.parse(output) as string[]).filter((module) => CLIENTS.test(module));
}

const manifest = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly import: string }>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean } | undefined>>;
};
const backends = readdirSync(join(REPOSITORY_ROOT, 'src/backends')).map((name) => `src/backends/${name}`);
const drivers = backends.filter((path) => zoneOf(path) === 'driver');

describe('a client library is loaded by its own backend only [STORE-11]', () => {
  test.each(backends.filter((path) => zoneOf(path) === 'seam'))('%s, of the seam, loads none', (path) => {
    expect(clientsLoadedBy(path)).toEqual([]);
  });

  test.each(drivers)('%s loads its own', (path) => {
    const engine = /([a-z]+)[^/]*\.ts$/.exec(path)?.[1] ?? '';
    expect(Object.keys(CLIENT_OF)).toContain(engine);

    const loaded = clientsLoadedBy(path);

    const own = CLIENT_OF[engine];
    expect(loaded.filter((module) => own?.test(module) !== true)).toEqual([]);
    if (LOADS.includes(path)) expect(loaded).not.toEqual([]);
  });

  test.each(['src/index.ts', 'src/testing/index.ts'].filter((path) => existsSync(join(REPOSITORY_ROOT, path))))(
    '%s loads none',
    (path) => {
      expect(clientsLoadedBy(path)).toEqual([]);
    },
  );

  const queues = Object.entries(manifest.exports).filter(([name]) => name.startsWith('./queues/'));

  test.each(queues)('%s loads its own, all of which users are told of', (name, { import: built }) => {
    const own = QUEUE_CLIENTS[name] ?? [];

    const loaded = clientsLoadedBy(built.replace('./dist/', '').replace(/\.js$/, '.ts'));

    expect(loaded.filter((module) => !own.some((client) => client.test(module)))).toEqual([]);
    expect(loaded.some((module) => own[0]?.test(module))).toBe(true);
    const told = Object.keys(manifest.peerDependencies).filter((peer) => own.some((client) => client.test(peer)));
    expect(told.length).toBeGreaterThanOrEqual(own.length);
    expect(told.every((peer) => manifest.peerDependenciesMeta[peer]?.optional)).toBe(true);
  });

  test('the server’s own entry is checked as soon as there is one', () => {
    const served = existsSync(join(REPOSITORY_ROOT, 'src/server'))
      ? readdirSync(join(REPOSITORY_ROOT, 'src/server')).some((name) => name.endsWith('.ts'))
      : false;

    expect(served && !existsSync(join(REPOSITORY_ROOT, 'src/index.ts'))).toBe(false);
  });
});
