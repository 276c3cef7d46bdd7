/**
 * What must not be in the repository: paths and hosts of somebody's machine, and words about
 * how the text came about instead of what it says. Reads what git tracks or would track.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT, type SourceFile } from '../../scripts/syntax.ts';

/** The character classes keep this file from finding itself. */
const FORBIDDEN: readonly (readonly [what: string, pattern: RegExp])[] = [
  [
    'an absolute path of one machine (use os.tmpdir() or a path relative to the repository)',
    /(?<![\w.$}/-])\/(work|home|root|tm[p])\/[\w.-]/,
  ],
  [
    'a package registry’s host (see .npmrc)',
    /registry\.[n]pmjs|\/\/(registry|npm|artifactory|nexus)\.[a-z]|\/\/[\w.-]*(registry|artifactory|nexu[s])[\w.-]*[:/]/i,
  ],
  [
    'who or what wrote the text',
    /\b(clau[d]e|anthro[p]ic|chatgp[t]|copilo[t])\b|\b(ai|llm|machine)-(genera[t]ed|writ[t]en)|genera[t]ed (by|with) (an? )?(ai|llm)\b|\bco-autho[r]ed-by\b/i,
  ],
  [
    'a document outside the repository (say it here, or link to docs/)',
    /\.\.\/share[d]\b(?!\/[\w-]+\.ts')|\b(DESIG[N]|FACT[S]|STYL[E]|REQUIREMENT[S])\.md\b/,
  ],
];

/** Products that these documents are about; elsewhere their names would say who wrote something. */
const ABOUT_HOSTS = ['docs/hosts.md', 'docs/clients.md'];
const HOSTS = /clau[d]e (code|desktop)|github copilo[t]|`clau[d]e mcp add [^`]*`/gi;

/** Dependency metadata and texts that are not ours. */
const NOT_OURS = ['package-lock.json', 'LICENSE'];
const LOCK_FILE = 'package-lock.json';

function complaints({ path, text }: SourceFile): string[] {
  return text.split('\n').flatMap((line, index) => {
    const said = ABOUT_HOSTS.includes(path) ? line.replaceAll(HOSTS, '') : line;
    const broken = FORBIDDEN.filter(([, pattern]) => pattern.test(said));
    return broken.map(([what]) => `${path}:${index + 1} has ${what}: ${line.trim().slice(0, 120)}`);
  });
}

function trackedFiles(): SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
  });
  const paths = [...new Set(listed.split('\0').filter((path) => path !== ''))];
  return paths.flatMap((path) => {
    try {
      const text = readFileSync(join(REPOSITORY_ROOT, path), 'utf8');
      return text.includes('\0') ? [] : [{ path, text }];
    } catch {
      // Deleted, but still in the index.
      return [];
    }
  });
}

describe('wording', () => {
  const files = trackedFiles();

  test('git lists the files', () => {
    expect(files.length).toBeGreaterThan(20);
  });

  test('no tracked file names a machine, a registry host or a writer', () => {
    expect(files.filter(({ path }) => !NOT_OURS.includes(path)).flatMap(complaints)).toEqual([]);
  });

  test.each([
    ['cd /wor', 'k/project'],
    [`open('/tm`, `p/x')`],
    ['see ../shar', 'ed/notes'],
    ['https://regist', 'ry.example.org/'],
    ['https://regis', 'try.npmjs.org'],
    ['as Clau', 'de said'],
    ['AI-gener', 'ated'],
    ['see DESI', 'GN.md'],
  ])('refuses %s%s', (start, end) => {
    expect(complaints({ path: 'a.md', text: start + end })).not.toEqual([]);
  });

  test.each([
    'an MCP session',
    "import { A } from '../shared/a.ts';",
    'tasks/work/now',
    'https://example.org/tmp/',
    '`${root}/tmp/x`',
    'the registry of tools',
  ])('accepts %s', (text) => {
    expect(complaints({ path: 'a.md', text })).toEqual([]);
  });
});

test.each([
  ['docs/hosts.md', 'Clau', 'de Code reads it', 0],
  ['docs/hosts.md', 'as Clau', 'de said', 1],
  ['docs/guide.md', 'Clau', 'de Code reads it', 1],
])('%s may name hosts and no writer: %s%s', (path, start, end, count) => {
  expect(complaints({ path, text: start + end })).toHaveLength(count);
});

describe('the lock file', () => {
  const lock = JSON.parse(readFileSync(join(REPOSITORY_ROOT, LOCK_FILE), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>;
  };

  test('names no registry', () => {
    const lines = readFileSync(join(REPOSITORY_ROOT, LOCK_FILE), 'utf8').split('\n');

    expect(lines.filter((line) => /"resolved"|registry/.test(line))).toEqual([]);
  });

  test('has an entry for every optional platform package, or npm 11 refuses `npm ci`', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in lock.packages) && !(`${path}/node_modules/${name}` in lock.packages),
      ),
    );

    // A registry that mirrors one platform only leaves them out: `npx node scripts/complete-lock-file.ts`.
    expect(missing).toEqual([]);
  });
});
