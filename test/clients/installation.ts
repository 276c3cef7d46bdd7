/**
 * Puts the clients into the ignored cache, once, at the exact versions of `install/`: npm's together in one folder, Python's
 * each in a folder of its own, since two of them need other versions of a third; Go's as a program. A machine without
 * Python or Go, or that does not reach a registry, has no such client, which is no failure: the reason is said.
 */
import { createHash } from 'node:crypto';
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, run } from '../support/engines/process.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const INSTALL = join(HERE, 'install');
const GO_SOURCES = join(HERE, 'drivers', 'go');

export const INSTALLATIONS = ['none', 'npm', 'fastmcp', 'fastmcp-tasks', 'python-sdk', 'go'] as const;
export type Installation = (typeof INSTALLATIONS)[number];

/** Where it is, or why it is not there, in one line. */
export type Installed = { readonly folder: string } | { readonly missing: string };

const inHand = new Map<Installation, Promise<Installed>>();

/** The same for all who ask in this process; never rejects. */
export function installed(installation: Installation): Promise<Installed> {
  const known = inHand.get(installation) ?? install(installation);
  inHand.set(installation, known);
  return known;
}

async function install(installation: Installation): Promise<Installed> {
  try {
    return { folder: await folderOf(installation) };
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

function folderOf(installation: Installation): Promise<string> {
  switch (installation) {
    case 'none':
      return Promise.resolve(HERE);
    case 'npm':
      return installNpm();
    case 'go':
      return buildGo();
    default:
      return installPython(installation);
  }
}

async function installNpm(): Promise<string> {
  const from = join(INSTALL, 'npm');
  return cached(`clients-npm-${await digestOf(from)}`, 'the MCP clients of npm (343 MB)', async (draft) => {
    await cp(from, draft, { recursive: true });
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['ci', ...flags], { cwd: draft });
  });
}

async function installPython(name: string): Promise<string> {
  await run('python3', ['-c', 'import sys; assert sys.version_info >= (3, 10), "Python is older than 3.10"']);
  const list = join(INSTALL, 'python', `${name}.txt`);
  return cached(`clients-${name}-${await digestOf(list)}`, `the MCP client ${name} of PyPI (100 MB)`, async (draft) => {
    const flags = ['--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check'];
    await run('python3', ['-m', 'pip', 'install', ...flags, '--target', draft, '--requirement', list]);
  });
}

async function buildGo(): Promise<string> {
  await run('go', ['version']);
  return cached(`clients-go-${await digestOf(GO_SOURCES)}`, 'the MCP client of Go (20 MB)', async (draft) => {
    await run('go', ['build', '-trimpath', '-o', join(draft, 'client'), '.'], {
      cwd: GO_SOURCES,
      // No other toolchain than the one that is there.
      env: { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' },
    });
  });
}

/** Of a file, or of the files in a folder: another list is another folder of the cache. */
async function digestOf(path: string): Promise<string> {
  const names = await readdir(path).then(
    (entries) => entries.sort().map((name) => join(path, name)),
    () => [path],
  );
  const hash = createHash('sha256');
  for (const name of names) hash.update(await readFile(name));
  return hash.digest('hex').slice(0, 12);
}
