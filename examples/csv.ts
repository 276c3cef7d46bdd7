/**
 * CSV by RFC 4180, read piece by piece: the state between two pieces is plain JSON, so that a step
 * can record it and another process can go on from there. Quoted fields may hold commas, quotes
 * and line breaks, and may begin in one piece and end in another. Not a guesser of dialects:
 * commas, double quotes, LF or CRLF.
 */

type Mode = 'field_start' | 'unquoted' | 'quoted' | 'after_quote' | 'after_cr';

/** Where the reading stands. JSON. */
export interface CsvState {
  readonly mode: Mode;
  /** The line that is being read, from 1. */
  readonly line: number;
  /** The line on which the current record began, and the one on which the last quote opened. */
  readonly recordLine: number;
  readonly quoteLine: number;
  /** The finished fields of the current record, and what there is of the next. */
  readonly fields: readonly string[];
  readonly field: string;
}

export interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

export interface CsvPiece {
  readonly records: readonly CsvRecord[];
  readonly state: CsvState;
}

/** What is wrong with the file, and where. */
export class CsvError extends Error {
  override readonly name = 'CsvError';
  readonly line: number;
  readonly reason: string;

  constructor(line: number, reason: string) {
    super(`line ${line}: ${reason}`);
    this.line = line;
    this.reason = reason;
  }
}

export const CSV_START: CsvState = {
  mode: 'field_start',
  line: 1,
  recordLine: 1,
  quoteLine: 0,
  fields: [],
  field: '',
};

/** A longer record is a forgotten quote that swallows the file, or no CSV; the state stays small. */
export const MAX_RECORD_CHARACTERS = 131_072;

/** Reads on from `state`; `isLast` ends the file. Throws `CsvError`. */
export function readCsv(state: CsvState, text: string, isLast: boolean): CsvPiece {
  const reader = new Reader(state);
  for (const character of text) reader.read(character);
  if (isLast) reader.end();
  return { records: reader.records, state: reader.state };
}

class Reader {
  readonly records: CsvRecord[] = [];
  #mode: Mode;
  #line: number;
  #recordLine: number;
  #quoteLine: number;
  #fields: string[];
  #field: string;
  #recordCharacters: number;

  constructor({ mode, line, recordLine, quoteLine, fields, field }: CsvState) {
    this.#mode = mode;
    this.#line = line;
    this.#recordLine = recordLine;
    this.#quoteLine = quoteLine;
    this.#fields = [...fields];
    this.#field = field;
    this.#recordCharacters = fields.reduce((sum, { length }) => sum + length + 1, field.length);
  }

  get state(): CsvState {
    return {
      mode: this.#mode,
      line: this.#line,
      recordLine: this.#recordLine,
      quoteLine: this.#quoteLine,
      fields: this.#fields,
      field: this.#field,
    };
  }

  read(character: string): void {
    this.#recordCharacters += character.length;
    if (this.#recordCharacters > MAX_RECORD_CHARACTERS) {
      const from = this.#mode === 'quoted' ? this.#quoteLine : this.#recordLine;
      throw new CsvError(from, `more than ${MAX_RECORD_CHARACTERS} characters in one record: is a quote missing?`);
    }
    switch (this.#mode) {
      case 'field_start':
        if (character === '"') {
          this.#mode = 'quoted';
          this.#quoteLine = this.#line;
        } else this.#readUnquoted(character);
        return;
      case 'unquoted':
        if (character === '"') throw new CsvError(this.#line, 'a quote inside a field that does not begin with one');
        this.#readUnquoted(character);
        return;
      case 'quoted':
        if (character === '"') this.#mode = 'after_quote';
        else this.#append(character);
        return;
      case 'after_quote':
        if (character === '"') {
          this.#append('"');
          this.#mode = 'quoted';
        } else if (',\r\n'.includes(character)) this.#readUnquoted(character);
        else
          throw new CsvError(
            this.#line,
            `"${character}" after a closing quote, where a comma or the line's end belongs`,
          );
        return;
      case 'after_cr':
        if (character !== '\n') throw new CsvError(this.#line, 'a carriage return that no line feed follows');
        this.#endRecord();
    }
  }

  end(): void {
    if (this.#mode === 'quoted') throw new CsvError(this.#quoteLine, 'a quote opens here and is never closed');
    if (this.#mode === 'after_cr') throw new CsvError(this.#line, 'a carriage return that no line feed follows');
    // A file may end with or without a line break; nothing after the last one is no record.
    if (this.#mode !== 'field_start' || this.#fields.length > 0) this.#endRecord();
  }

  #readUnquoted(character: string): void {
    switch (character) {
      case ',':
        this.#endField();
        return;
      case '\n':
        this.#endRecord();
        return;
      case '\r':
        this.#mode = 'after_cr';
        return;
      default:
        this.#mode = 'unquoted';
        this.#append(character);
    }
  }

  #append(character: string): void {
    if (character === '\n') this.#line += 1;
    this.#field += character;
  }

  #endField(): void {
    this.#fields.push(this.#field);
    this.#field = '';
    this.#mode = 'field_start';
  }

  #endRecord(): void {
    this.#endField();
    this.records.push({ line: this.#recordLine, fields: this.#fields });
    this.#fields = [];
    this.#recordCharacters = 0;
    this.#line += 1;
    this.#recordLine = this.#line;
  }
}
