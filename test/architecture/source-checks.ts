/**
 * The checks themselves: pure functions from source files to complaints. Each complaint says
 * which file breaks which rule and what to do instead. No test framework here, so that
 * `layers.test.ts` can hold both the repository and deliberate violations against them.
 */
import { posix } from 'node:path';
import {
  argumentsOf,
  isNode,
  nameOf,
  type SourceFile,
  type SyntaxNode,
  syntaxOf,
  textOf,
} from '../../scripts/syntax.ts';
import { EMPTY_NAMES, LAYERS, LEAF, MAX_LINES, VENDORS, zoneOf } from './layer-rules.ts';

/** What a file imports, by any form of import, types included. */
export function importsOf(file: SourceFile): string[] {
  const found = new Set<string>();
  for (const node of syntaxOf(file)) {
    const specifier = importedBy(node);
    if (specifier !== undefined) found.add(specifier);
  }
  return [...found];
}

function importedBy(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
      return textOf(node.source);
    case 'TsImportType':
      return textOf(node.argument);
    case 'CallExpression': {
      const isImport = isNode(node.callee, 'Import') || nameOf(node.callee) === 'require';
      return isImport ? textOf(argumentsOf(node)[0]) : undefined;
    }
    default:
      return undefined;
  }
}

/** The repository path that a relative import names, or `undefined` for a package. */
function resolved(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(from), specifier);
}

export function layerComplaints(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((specifier) => {
      const target = resolved(file.path, specifier);
      return target === undefined ? packageComplaint(file.path, specifier) : layerComplaint(file.path, target);
    }),
  );
}

function layerComplaint(from: string, to: string): string[] {
  const zone = zoneOf(from);
  if (zone === undefined) return [`${from} is in no layer. Instead: ${UNKNOWN_LAYER}.`];
  const { may, rule, instead } = LAYERS[zone];
  const target = zoneOf(to);
  const allowed =
    target === LEAF ||
    (target === zone && (zone !== 'driver' || engineOf(from) === engineOf(to))) ||
    may.some((entry) => (entry instanceof RegExp ? entry.test(to) : entry === target));
  return allowed ? [] : [`${from} imports ${to}. Rule: ${rule}. Instead: ${instead}.`];
}

const UNKNOWN_LAYER = 'put it into one of the layers of test/architecture/layer-rules.ts, or add the layer there';

/** `dynamodb` for `dynamodb.ts` and `dynamodb-retries.ts`: the files of one driver. */
function engineOf(path: string): string {
  return posix.basename(path, '.ts').replace(/-.*/, '');
}

function packageComplaint(from: string, specifier: string): string[] {
  const vendor = VENDORS.find(({ packages }) => packages.test(specifier));
  if (vendor === undefined) {
    const instead = 'give the package a home in VENDORS (test/architecture/layer-rules.ts), or do without';
    return [`${from} imports ${specifier}. Rule: each package has one home folder. Instead: ${instead}.`];
  }
  if (vendor.homes.test(from)) return [];
  const instead = `put the code that needs it there, behind an interface of ${posix.dirname(from)}/`;
  return [`${from} imports ${specifier}. Rule: its home is ${vendor.where}. Instead: ${instead}.`];
}

/** Each cycle once, as the files on it. */
export function cycles(files: readonly SourceFile[]): string[][] {
  const edges = new Map(
    files.map((file) => [file.path, importsOf(file).flatMap((specifier) => resolved(file.path, specifier) ?? [])]),
  );
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) {
      found.push([...trail.slice(seenAt), path]);
      return;
    }
    if (done.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

export function nameComplaints(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const words = posix.basename(path).replace(/\..*$/, '').split('-');
    const empty = EMPTY_NAMES.find((name) => words.includes(name));
    return empty === undefined ? [] : [`${path}: "${empty}" says nothing. Name the concept that lives there.`];
  });
}

export function sizeComplaints(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n');
    const excused = lines.slice(0, 12).some((line) => /^\W*(oxlint-disable max-lines -- )?Long because \S/.test(line));
    if (lines.length <= MAX_LINES || excused) return [];
    const how = 'split it, or open it with `/* oxlint-disable max-lines -- Long because … */`';
    return [`${path} has ${lines.length} lines, more than ${MAX_LINES}: ${how}.`];
  });
}

export function headerComplaints(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ text }) => !/^(#!.*\n)?\s*\/[/*]/.test(text))
    .map(({ path }) => `${path} does not open with a comment: what is it responsible for, and what is it not?`);
}

/** Keys are structured and never split; see `RecordKey`. */
export function splitComplaints(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const splits = [...syntaxOf(file)].filter(
      (node) => isMethodCall(node, 'split') && textOf(argumentsOf(node)[0]) === ':',
    );
    return splits.map(() => `${file.path} calls split(':'). Instead: keep the parts apart in a structured key.`);
  });
}

function isMethodCall(node: SyntaxNode, method: string): boolean {
  if (node.type !== 'CallExpression' || !isNode(node.callee, 'MemberExpression')) return false;
  return nameOf(node.callee.property) === method;
}

/** Time and randomness come from src/clock.ts. Lint finds most of it; this finds all forms, and cannot be switched off. */
export function clockComplaints(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path !== 'src/clock.ts')
    .flatMap((file) => {
      const sources = [...syntaxOf(file)].flatMap((node) => ambientSource(node) ?? []);
      return [...new Set(sources)].map(
        (source) => `${file.path} uses ${source}. Instead: take a Clock or RandomBytes of src/clock.ts as an argument.`,
      );
    });
}

const AMBIENT_GLOBALS = ['setTimeout', 'setInterval'];
const AMBIENT_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  Date: ['now'],
  Math: ['random'],
  performance: ['now'],
  crypto: ['randomUUID', 'getRandomValues', 'randomBytes', 'randomInt'],
  globalThis: AMBIENT_GLOBALS,
};
const AMBIENT_IMPORTS = ['randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID', 'webcrypto'];
const AMBIENT_MODULES = ['node:timers', 'node:timers/promises', 'node:perf_hooks'];

function ambientSource(node: SyntaxNode): string | undefined {
  if (node.type === 'NewExpression' || node.type === 'CallExpression') {
    const callee = nameOf(node.callee);
    if (callee === 'Date' && argumentsOf(node).length === 0) return 'the current time (`Date` without an argument)';
    if (callee !== undefined && AMBIENT_GLOBALS.includes(callee)) return `\`${callee}\``;
  }
  if (node.type === 'MemberExpression') {
    const object = isNode(node.object, 'MemberExpression') ? nameOf(node.object.property) : nameOf(node.object);
    const property = nameOf(node.property) ?? '';
    return object !== undefined && Object.hasOwn(AMBIENT_MEMBERS, object) && AMBIENT_MEMBERS[object]?.includes(property)
      ? `\`${object}.${property}\``
      : undefined;
  }
  if (node.type === 'ImportDeclaration') return ambientImport(node);
  return undefined;
}

function ambientImport(node: SyntaxNode): string | undefined {
  const module = textOf(node.source) ?? '';
  if (AMBIENT_MODULES.includes(module)) return `\`${module}\``;
  if (module !== 'node:crypto') return undefined;
  const names = (node.specifiers as readonly SyntaxNode[]).map(
    (specifier) => nameOf(specifier.imported) ?? nameOf(specifier.local),
  );
  return names.find((name) => name !== undefined && AMBIENT_IMPORTS.includes(name));
}
