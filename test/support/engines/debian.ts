/**
 * Programs out of Debian (or Ubuntu) packages without root and without installing anything: the
 * packages are downloaded and unpacked into the cache folder. `unpackPackages` is not a package manager: it takes one level
 * of dependencies, and the base system has to have the rest; `unpackProgram` takes all that apt would install.
 */
import { lstat, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { cached, run } from './process.ts';

/** Bound to the machine's loader, or of no use to an unpacked program. */
const LEFT_TO_THE_SYSTEM = new Set([
  'libc6',
  'adduser',
  'init-system-helpers',
  'lsb-base',
  'debconf',
  'sysvinit-utils',
]);

export interface UnpackedPackages {
  /** The root under which `usr/bin` and the rest are. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The packages, together and, if asked, with what each of them directly depends on. Rejects with
 * one line where this is no Debian, or the packages cannot be fetched.
 */
export async function unpackPackages(
  names: readonly string[],
  options: { readonly dependencies: boolean },
): Promise<UnpackedPackages> {
  const what = `the Debian package ${names[0]} (unpacked, not installed)`;
  const root = await cached(`debian-${names.join('-')}`, what, async (folder) => {
    try {
      await downloadAndUnpack(names, folder, options, []);
    } catch {
      // The machine's own package lists are missing or stale; ours need no root.
      const apt = await privateLists(join(folder, 'apt'));
      await downloadAndUnpack(names, folder, options, apt);
    }
    await rm(join(folder, 'apt'), { recursive: true, force: true });
  });
  const libraries = await Promise.all(['usr/lib', 'lib'].map((base) => libraryFolders(join(root, base))));
  return { root, env: { LD_LIBRARY_PATH: libraries.flat().join(':') } };
}

/** A program with all that apt would install for it here. Rejects with one line where this is no Debian, or nothing is fetched. */
export async function unpackProgram(name: string, size: string): Promise<UnpackedPackages> {
  const what = `the Debian package ${name} (${size}; unpacked, not installed)`;
  const root = await cached(`debian-program-${name}`, what, async (folder) => {
    const apt = await privateLists(join(folder, 'apt'));
    const install = ['--download-only', '--yes', '--no-install-recommends', 'install', name];
    await run('apt-get', [...apt, '-o', 'Debug::NoLocking=true', ...install]);
    const archives = join(folder, 'apt/cache/archives');
    for (const file of (await readdir(archives)).filter((entry) => entry.endsWith('.deb'))) {
      await run('dpkg-deb', ['-x', join(archives, file), folder]);
    }
    await rm(join(folder, 'apt'), { recursive: true, force: true });
    await relinkInside(folder);
  });
  const libraries = await Promise.all(['usr/lib', 'lib'].map((base) => libraryFolders(join(root, base))));
  return { root, env: { LD_LIBRARY_PATH: libraries.flat().join(':') } };
}

/** Fetches package lists into `folder` and resolves to the options that make apt use them. */
async function privateLists(folder: string): Promise<string[]> {
  await run('mkdir', ['-p', join(folder, 'state/lists/partial'), join(folder, 'cache/archives/partial')]);
  const settings = {
    'Dir::State': join(folder, 'state'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::State::status': '/var/lib/dpkg/status',
  };
  const apt = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  await run('apt-get', [...apt, 'update']);
  return apt;
}

async function downloadAndUnpack(
  names: readonly string[],
  folder: string,
  options: { readonly dependencies: boolean },
  apt: readonly string[],
): Promise<void> {
  const listed = await run('apt-cache', [...apt, 'depends', ...names]);
  const depends = [...listed.matchAll(/^ *\|?(?:Pre)?Depends: ([a-z0-9.+-]+)$/gm)].map((match) => match[1] ?? '');
  const wanted = options.dependencies ? depends.filter((name) => !LEFT_TO_THE_SYSTEM.has(name)) : [];
  await run('apt-get', [...apt, 'download', ...new Set([...names, ...wanted])], { cwd: folder });
  const packages = (await readdir(folder)).filter((file) => file.endsWith('.deb'));
  for (const file of packages) {
    await run('dpkg-deb', ['-x', join(folder, file), folder]);
    await rm(join(folder, file));
  }
  await relinkInside(folder);
}

/** Links to `/etc/…` are meant for an installed package; the unpacked file is in the folder. */
async function relinkInside(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const link of entries.filter((entry) => entry.isSymbolicLink())) {
    const path = join(link.parentPath, link.name);
    const target = await readlink(path);
    const unpacked = join(folder, target);
    if (!target.startsWith('/') || !(await exists(unpacked))) continue;
    await rm(path);
    await symlink(relative(dirname(path), unpacked), path);
  }
}

async function libraryFolders(base: string): Promise<string[]> {
  const names = await readdir(base).catch(() => []);
  return names.filter((name) => name.includes('-linux-gnu')).map((name) => join(base, name));
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
