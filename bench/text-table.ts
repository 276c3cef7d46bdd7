/** Tables for people: plain text for a terminal, Markdown for a document. The first column is text, the others are figures. */

type Cell = string | number;

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export function plainTable({ head, rows }: Table): string {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const rule = widths.map((width) => '-'.repeat(width));
  const render = (line: readonly string[]) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  const [first = [], ...rest] = lines;
  return [first, rule, ...rest].map(render).join('\n');
}

/** `leftColumns`: those that hold text, counted from the left or, if negative, from the right. */
export function markdownTable({ head, rows }: Table, leftColumns: readonly number[] = [0]): string {
  const left = new Set(leftColumns.map((column) => (column < 0 ? head.length + column : column)));
  const line = (cells: readonly Cell[]) => `| ${cells.map(String).join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (left.has(column) ? '---' : '---:'))), ...rows.map(line)].join('\n');
}
