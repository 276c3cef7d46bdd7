/**
 * TypeScript sources as syntax trees, for the checks that read code: the architecture tests and
 * the requirement citations. TypeScript 7 has no compiler API, so swc parses. Knows nothing of
 * what the checks look for.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from '@swc/core';

export const REPOSITORY_ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export type SyntaxNode = { readonly type: string } & Readonly<Record<string, unknown>>;

/** The TypeScript files below the given folders (or the files themselves), sorted; a missing one holds none. */
export function readSources(root: string, ...folders: readonly string[]): SourceFile[] {
  const paths = folders.flatMap((folder) => {
    if (folder.endsWith('.ts')) return [join(root, folder)];
    const entries = filesBelow(join(root, folder));
    return entries.filter((entry) => entry.endsWith('.ts')).map((entry) => join(root, folder, entry));
  });
  return paths
    .sort()
    .map((path) => ({ path: relative(root, path).split(sep).join('/'), text: readFileSync(path, 'utf8') }));
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Every node of the file, parents before children, in source order. */
export function* syntaxOf(file: SourceFile): Generator<SyntaxNode> {
  let tree: unknown;
  try {
    tree = parseSync(file.text, { syntax: 'typescript', target: 'es2024' });
  } catch (error) {
    throw new Error(`${file.path} does not parse`, { cause: error });
  }
  yield* nodesOf(tree);
}

export function* nodesOf(value: unknown): Generator<SyntaxNode> {
  if (Array.isArray(value)) {
    for (const item of value) yield* nodesOf(item);
  } else if (typeof value === 'object' && value !== null) {
    if (isNode(value)) yield value;
    for (const child of Object.values(value)) yield* nodesOf(child);
  }
}

/** Checks the shape that all the readers here rely on. */
export function isNode(value: unknown, type?: string): value is SyntaxNode {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  return type === undefined ? typeof value.type === 'string' : value.type === type;
}

/** The text of a string or template literal; a template's expressions read as `${…}`. */
export function textOf(value: unknown): string | undefined {
  if (isNode(value, 'StringLiteral')) return String(value.value);
  if (!isNode(value, 'TemplateLiteral')) return undefined;
  const quasis = value.quasis as readonly { readonly cooked?: string }[];
  return quasis.map((quasi) => quasi.cooked ?? '').join('${…}');
}

/** The name of an identifier or of a property that is written as one. */
export function nameOf(value: unknown): string | undefined {
  return isNode(value, 'Identifier') ? String(value.value) : undefined;
}

/** A call's (or `new`'s) arguments, without swc's wrapping. */
export function argumentsOf(call: SyntaxNode): readonly unknown[] {
  const list = (call.arguments ?? []) as readonly { readonly expression: unknown }[];
  return list.map((argument) => argument.expression);
}
