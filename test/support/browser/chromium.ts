/**
 * A real browser for tests: the Chromium of this machine, or Debian's, unpacked into the cache. Where neither can be
 * had, that is said in one line, and the tests that need it are skipped.
 */
import { accessSync, constants } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, launch } from 'puppeteer-core';
import { unpackProgram } from '../engines/debian.ts';
import { say } from '../engines/process.ts';
import { PATIENCE_MS } from '../until.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export interface Chromium {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** `undefined`: there is none, which has been said. */
export async function findChromium(): Promise<Chromium | undefined> {
  const here = onThePath();
  if (here !== undefined) return { path: here, env: {} };
  try {
    return await unpacked();
  } catch (error) {
    say(
      `no Chromium, so the tests in a browser are skipped: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
}

export function startBrowser({ path, env }: Chromium): Promise<Browser> {
  return launch({
    executablePath: path,
    // It ends when its pipe does, so that not even `kill -9` of a test run leaves it behind.
    pipe: true,
    env: { ...process.env, ...env },
    timeout: PATIENCE_MS,
    protocolTimeout: PATIENCE_MS,
    // Root, as in containers, has no sandbox; and their /dev/shm is small.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

function onThePath(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function unpacked(): Promise<Chromium> {
  const { root, env } = await unpackProgram('chromium', '100 MB');
  const libraries = env['LD_LIBRARY_PATH'] ?? '';
  // Those that only one package uses are in a folder of their own.
  const nested = await Promise.all(libraries.split(delimiter).map((folder) => foldersIn(folder)));
  return {
    path: join(root, 'usr/lib/chromium/chromium'),
    env: {
      LD_LIBRARY_PATH: [libraries, ...nested.flat()].join(delimiter),
      FONTCONFIG_PATH: join(root, 'etc/fonts'),
    },
  };
}

async function foldersIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
}
