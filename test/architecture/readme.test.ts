/**
 * Code in README.md, docs/guide.md and docs/workflows.md is code that runs: each `ts` fence names a region of a file, and
 * is that region to the letter. Says nothing of what the regions do: the examples' own tests do.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';

const DOCUMENTS = ['README.md', 'docs/guide.md', 'docs/workflows.md'];

interface Fence {
  readonly line: number;
  /** `FILE#REGION`, from the comment in the line before. */
  readonly source: string | undefined;
  readonly code: string;
}

function fencesOf(markdown: string): Fence[] {
  const fences = markdown.matchAll(/(?:^<!-- (\S+#\S+) -->\n)?^```ts\n(.*?)^```$/gms);
  return [...fences].map(({ 1: source, 2: code = '', index }) => ({
    line: markdown.slice(0, index).split('\n').length,
    source,
    code,
  }));
}

/** The lines between `// #region NAME` and the next `// #endregion`, moved to the left margin. */
function regionOf(text: string, name: string): string | undefined {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const length = lines.slice(start + 1).findIndex((line) => line.trim() === '// #endregion');
  if (start < 0 || length < 0) return undefined;
  const region = lines.slice(start + 1, start + 1 + length);
  const margin = Math.min(...region.filter((line) => line.trim() !== '').map((line) => line.search(/\S/)));
  return region.map((line) => `${line.slice(margin)}\n`).join('');
}

function complaintOf({ source, code }: Fence): string | undefined {
  if (source === undefined) return 'names no source: write <!-- FILE#REGION --> in the line before it';
  const [file = '', name = ''] = source.split('#', 2);
  if (!existsSync(join(REPOSITORY_ROOT, file))) return `is from ${file}, which does not exist`;
  const region = regionOf(readFileSync(join(REPOSITORY_ROOT, file), 'utf8'), name);
  if (region === undefined) return `is from ${source}, which does not exist`;
  return region === code ? undefined : `is not what ${source} has: copy the region`;
}

describe.each(DOCUMENTS)('%s', (path) => {
  const text = readFileSync(join(REPOSITORY_ROOT, path), 'utf8');

  test('shows code', () => {
    expect(fencesOf(text).length).toBe(text.split('```ts\n').length - 1);
    expect(fencesOf(text)).not.toEqual([]);
  });

  test('shows only code that is a region of a file that runs [DX-3]', () => {
    const complaints = fencesOf(text).map((fence) => ({ at: `${path}:${fence.line}`, why: complaintOf(fence) }));

    expect(complaints.filter(({ why }) => why !== undefined)).toEqual([]);
  });

  test('links only to files that exist [DX-3]', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(([, target = '']) => target);
    const missing = links.filter((target) => !existsSync(join(REPOSITORY_ROOT, posix.dirname(path), target)));

    expect(missing).toEqual([]);
  });
});

describe('a fence is complained about', () => {
  const fence = (source: string | undefined, code: string) => ({ line: 1, source, code });

  test.each([
    [fence(undefined, 'a'), 'names no source'],
    [fence('examples/none.ts#a', 'a'), 'which does not exist'],
    [fence('examples/readme-tool.ts#other', 'a'), 'which does not exist'],
    [fence('examples/readme-tool.ts#readme-tool', 'a'), 'copy the region'],
  ])('%j', (wrong, complaint) => {
    expect(complaintOf(wrong)).toContain(complaint);
  });
});

test('a region is moved to the left margin and keeps its shape', () => {
  expect(regionOf('x\n  // #region r\n  a {\n    b\n\n  }\n  // #endregion\n', 'r')).toBe('a {\n  b\n\n}\n');
});
