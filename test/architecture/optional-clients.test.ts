/**
 * A backend's client library is optional: who uses one backend installs and loads no other's.
 * Imports each published entry in a process of its own and looks at what was really loaded.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';
import { zoneOf } from './layer-rules.ts';

/** What belongs to one engine. */
const CLIENTS = /^(node:sqlite|ioredis|@aws-sdk\/.*|@smithy\/.*)$/;

/** The client that each driver may load, and must, or it would be no driver. */
const CLIENT_OF: Readonly<Record<string, RegExp | undefined>> = {
  memory: undefined,
  sqlite: /^node:sqlite$/,
  dynamodb: /^(@aws-sdk|@smithy)\//,
  redis: /^ioredis$/,
};

/** Where a client is really loaded; a driver that is handed its client may need no more than its types. */
const LOADS = ['src/backends/sqlite.ts', 'src/backends/dynamodb.ts', 'src/backends/redis-client.ts'];

function clientsLoadedBy(file: string): string[] {
  const program = join(REPOSITORY_ROOT, 'test/support/loaded-modules.ts');
  const output = execFileSync(process.execPath, [program, join(REPOSITORY_ROOT, file)], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
  });
  return (JSON.parse(output) as string[]).filter((module) => CLIENTS.test(module));
}

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

  test('the server’s own entry is checked as soon as there is one', () => {
    const served = existsSync(join(REPOSITORY_ROOT, 'src/server'))
      ? readdirSync(join(REPOSITORY_ROOT, 'src/server')).some((name) => name.endsWith('.ts'))
      : false;

    expect(served && !existsSync(join(REPOSITORY_ROOT, 'src/index.ts'))).toBe(false);
  });
});
