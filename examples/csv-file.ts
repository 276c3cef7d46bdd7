/**
 * A CSV file below one folder, read in chunks: finding it without ever leaving the folder, and one
 * chunk at a time from a byte offset. What a person could have got wrong is returned, not thrown:
 * a step that throws is tried again, which would not help here.
 */
import { open, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, sep } from 'node:path';
import { type ColumnStatistics, merge, NO_VALUES, statisticsOf } from './column-statistics.ts';
import { CSV_START, CsvError, type CsvRecord, type CsvState, readCsv } from './csv.ts';

export interface CsvFile {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** What one chunk gives: its statistics, and where the next one starts. JSON. */
export interface ChunkProfile {
  readonly nextOffset: number;
  readonly state: CsvState;
  readonly header: readonly string[] | null;
  readonly rows: number;
  readonly columns: readonly ColumnStatistics[];
}

export type Fault = { readonly fault: string };

export const FILE_START: ChunkProfile = { nextOffset: 0, state: CSV_START, header: null, rows: 0, columns: [] };

/** The file by its name below `root`; links that lead outside are outside. */
export async function findCsv(root: string, name: string): Promise<CsvFile | Fault> {
  const outside = { fault: `${name} is not below the folder of CSV files: name a file relative to it` };
  if (isAbsolute(name) || name.includes('\0')) return outside;
  try {
    const folder = await realpath(root);
    // Before the file system is asked: whether a file outside exists is nobody's business.
    if (leaves(relative(folder, join(folder, name)))) return outside;
    const path = await realpath(join(folder, name));
    if (leaves(relative(folder, path))) return outside;
    const found = await stat(path);
    if (!found.isFile()) return { fault: `${name} is not a file` };
    return { path, bytes: found.size, modifiedMs: found.mtimeMs };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { fault: `${name} does not exist` };
    // The system's own message would name the folder.
    return { fault: `${name} cannot be read${code === undefined ? '' : ` (${code})`}` };
  }
}

function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}

function leaves(path: string): boolean {
  return path === '..' || path.startsWith(`..${sep}`) || isAbsolute(path);
}

/** Of UTF-8. A chunk must have room for one, or the reading would stand still. */
const LONGEST_CHARACTER_BYTES = 4;

/** Reads one chunk from where the previous one ended. */
export async function profileChunk(
  file: CsvFile,
  before: ChunkProfile,
  chunkBytes: number,
): Promise<ChunkProfile | Fault> {
  const now = await stat(file.path);
  if (now.size !== file.bytes || now.mtimeMs !== file.modifiedMs)
    return { fault: 'the file was changed while it was read' };
  const chunk = await readBytes(file, before.nextOffset, Math.max(chunkBytes, LONGEST_CHARACTER_BYTES));
  const nextOffset = before.nextOffset + chunk.length;
  try {
    const text = decode(chunk, before);
    const { records, state } = readCsv(before.state, text, nextOffset >= file.bytes);
    const [first, ...others] = records;
    const header = before.header ?? first?.fields ?? null;
    const rows = rowsOf(before.header === null ? others : records, header ?? []);
    if (header === null && nextOffset >= file.bytes) return { fault: 'line 1: the file is empty' };
    const columns = (header ?? []).map((_, column) => statisticsOf(rows.map(({ fields }) => fields[column] ?? '')));
    return { nextOffset, state, header, rows: rows.length, columns };
  } catch (error) {
    if (error instanceof CsvError) return { fault: error.message };
    throw error;
  }
}

/** The profile of both, `next` being the chunk after. */
export function mergeProfiles(before: ChunkProfile, next: ChunkProfile): ChunkProfile {
  return {
    ...next,
    rows: before.rows + next.rows,
    columns: next.columns.map((column, index) => merge(before.columns[index] ?? NO_VALUES, column)),
  };
}

/** Up to `length` bytes, less what there is of a character that continues behind them. */
async function readBytes(file: CsvFile, offset: number, length: number): Promise<Buffer> {
  const handle = await open(file.path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    const bytes = buffer.subarray(0, bytesRead);
    return offset + bytesRead >= file.bytes ? bytes : bytes.subarray(0, endOfCharacters(bytes));
  } finally {
    await handle.close();
  }
}

/** UTF-8: continuation bytes are 10xxxxxx; a lead byte says how many follow. */
function endOfCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(LONGEST_CHARACTER_BYTES, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function decode(bytes: Uint8Array, { nextOffset, state }: ChunkProfile): string {
  try {
    // A byte order mark is one at the start only.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: nextOffset > 0 }).decode(bytes);
  } catch {
    throw new CsvError(state.line + linesBeforeFault(bytes), 'bytes that are not UTF-8: save the file as UTF-8');
  }
}

function linesBeforeFault(bytes: Uint8Array): number {
  const lines = new TextDecoder().decode(bytes).split('\n');
  return Math.max(
    0,
    lines.findIndex((line) => line.includes('\u{FFFD}')),
  );
}

/** Without blank lines, which many programs leave at the end; of a single column they are empty values. */
function rowsOf(records: readonly CsvRecord[], header: readonly string[]): CsvRecord[] {
  const rows = records.filter(({ fields }) => header.length === 1 || fields.length > 1 || fields[0] !== '');
  const wrong = rows.find(({ fields }) => fields.length !== header.length);
  if (wrong !== undefined) {
    throw new CsvError(wrong.line, `${count(wrong.fields.length, 'field')}, but the header has ${header.length}`);
  }
  return rows;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
