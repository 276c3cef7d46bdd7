/**
 * What documents name is there: files, folders and links of the repository; and one word is used for a thing, so that
 * nobody looks for two.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT, readSources } from '../../scripts/syntax.ts';

/** By hand: the table of requirements is made from what is there. */
const isWritten = (name: string) => name.endsWith('.md') && name !== 'requirements.md';
const DECISIONS = readdirSync(join(REPOSITORY_ROOT, 'docs/decisions')).map((name) => `docs/decisions/${name}`);
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(REPOSITORY_ROOT, 'docs')).flatMap((name) => (isWritten(name) ? [`docs/${name}`] : [])),
  ...DECISIONS,
];

/** `src/…`, `lambda/…`: a path in backticks, without patterns. */
const PATH = /`((?:src|lambda|lib|bin|bench|test|docs|examples|scripts)\/[\w./-]*\w\/?)`/g;
const LINK = /\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g;

function missing(document: string): string[] {
  const text = readFileSync(join(REPOSITORY_ROOT, document), 'utf8');
  const named = [...text.matchAll(PATH)].map(([, path = '']) => path);
  const linked = [...text.matchAll(LINK)].map(([, path = '']) => posix.join(posix.dirname(document), path));
  // `…/operations` for a module is as good as with its ending.
  const isThere = (path: string) => ['', '.ts'].some((ending) => existsSync(join(REPOSITORY_ROOT, `${path}${ending}`)));
  return [...named, ...linked].filter((path) => !isThere(path));
}

test.each(DOCUMENTS)('%s names and links only what is there [AES-1 AES-5]', (document) => {
  expect(missing(document)).toEqual([]);
});

test('every decision is linked from the page on the architecture [AES-1]', () => {
  const page = readFileSync(join(REPOSITORY_ROOT, 'docs/architecture.md'), 'utf8');

  expect(DECISIONS.filter((path) => !page.includes(`(${path.replace('docs/', '')})`))).toEqual([]);
});

/** Words that were second ones for a thing, each with the one that is left. */
const SECOND_WORDS: readonly (readonly [second: string, left: string])[] = [
  ['wakeAt', 'dueAt'],
  ['scheduledFor', 'notBefore'],
  ['handBack', 'giveBack'],
  ['hand_over', 'out_of_time'],
  ['listByPrefix', 'list'],
  ['CallbackOutcome', 'AnswerOutcome'],
];

describe('a thing has one word', () => {
  const sources = readSources(REPOSITORY_ROOT, 'src', 'lambda', 'lib', 'bin');

  test.each(SECOND_WORDS)('and not also "%s", which is %s [AES-2]', (word, _left) => {
    expect(sources.filter(({ text }) => text.includes(word)).map(({ path }) => path)).toEqual([]);
  });
});
