/** Text with placeholders: `{argument.file}`, `{output.profile.rows}`, `{variable.x}`, `{item}`. Other braces are text. */
import type { JsonValue } from '../domain/json.ts';
import { shorten } from '../domain/text.ts';
import type { Source } from './workflow.ts';

/** Of one value: guidance is to be read. */
const MAX_FILLED_LENGTH = 2_000;
const PLACEHOLDER = /\{(argument|output|variable|item)(?:\.([^{}]*))?\}/gu;

/** A placeholder's own text, and where its value comes from; `undefined`: it names nothing. */
export interface Placeholder {
  readonly text: string;
  readonly source: Source | undefined;
}

export function placeholdersIn(template: string): readonly Placeholder[] {
  return [...template.matchAll(PLACEHOLDER)].map(([text, kind, rest]) => ({ text, source: sourceOf(kind, rest) }));
}

/** The text with what `resolve` gives; a value that is missing stays as its placeholder. */
export function fillTemplate(template: string, resolve: (source: Source) => JsonValue | undefined): string {
  return template.replace(PLACEHOLDER, (text, kind: string, rest: string | undefined) => {
    const source = sourceOf(kind, rest);
    const value = source === undefined ? undefined : resolve(source);
    if (value === undefined) return text;
    return shorten(typeof value === 'string' ? value : JSON.stringify(value), MAX_FILLED_LENGTH);
  });
}

function sourceOf(kind: string | undefined, rest: string | undefined): Source | undefined {
  if (kind === 'item') return { from: 'item', ...(rest === undefined ? {} : { path: rest }) };
  const [, name, path] = /^([^.[\]]+)(?:\.?(.+))?$/u.exec(rest ?? '') ?? [];
  if (name === undefined) return undefined;
  const part = path === undefined ? {} : { path };
  if (kind === 'argument') return { from: 'argument', name, ...part };
  return kind === 'output' ? { from: 'output', step: name, ...part } : { from: 'variable', name, ...part };
}
