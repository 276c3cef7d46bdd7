/** The CSV reader: RFC 4180, in pieces of any size, and what it says of files that are none. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { CSV_START, CsvError, type CsvRecord, MAX_RECORD_CHARACTERS, readCsv } from '../../../examples/csv.ts';

/** Reads the text in pieces of `size` characters, the state passing through JSON between them, as a step's does. */
function readInPieces(text: string, size: number): CsvRecord[] {
  const characters = Array.from(text);
  const records: CsvRecord[] = [];
  let state = CSV_START;
  for (let start = 0; start === 0 || start < characters.length; start += size) {
    const piece = readCsv(state, characters.slice(start, start + size).join(''), start + size >= characters.length);
    records.push(...piece.records);
    state = JSON.parse(JSON.stringify(piece.state));
  }
  return records;
}

const fieldsOf = (text: string, size = 1_000) => readInPieces(text, size).map(({ fields }) => fields);

describe('a CSV file', () => {
  test.each<[string, string, string[][]]>([
    [
      'plain, with LF',
      'a,b\n1,2\n',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'with CRLF and no last line break',
      'a,b\r\n1,2',
      [
        ['a', 'b'],
        ['1', '2'],
      ],
    ],
    [
      'with empty fields',
      ',\n"",\n',
      [
        ['', ''],
        ['', ''],
      ],
    ],
    ['with commas in quotes', '"a,b",c\n', [['a,b', 'c']]],
    ['with doubled quotes', '"say ""no""",""""\n', [['say "no"', '"']]],
    ['with line breaks in quotes', '"one\ntwo\r\nthree",x\n', [['one\ntwo\r\nthree', 'x']]],
    ['with a trailing comma at its end', 'a,', [['a', '']]],
    ['that ends after a closing quote', '"a"', [['a']]],
    ['with a blank line', 'a\n\nb\n', [['a'], [''], ['b']]],
    ['that is empty', '', []],
  ])('%s is read alike whole and character by character [DX-2]', (_what, text, expected) => {
    expect(fieldsOf(text)).toEqual(expected);
    expect(fieldsOf(text, 1)).toEqual(expected);
  });

  test('comes back from any text in any fields, in pieces of any size [DX-2]', () => {
    const field = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'ä', '😀', 'x') }),
    );
    const table = fc
      .integer({ min: 1, max: 4 })
      .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1 }));
    fc.assert(
      fc.property(table, fc.integer({ min: 1, max: 20 }), fc.constantFrom('\n', '\r\n'), (rows, size, lineEnd) => {
        const text = rows
          .map((row) => row.map((value) => `"${value.replaceAll('"', '""')}"`).join(',') + lineEnd)
          .join('');

        expect(fieldsOf(text, size)).toEqual(rows);
      }),
    );
  });

  test('knows on which line each record begins [DX-2]', () => {
    expect(readInPieces('h\n"two\nlines"\nlast', 2).map(({ line }) => line)).toEqual([1, 2, 4]);
  });
});

describe('a malformed CSV file', () => {
  test.each([
    ['a quote inside a bare field', 'a\nb"c\n', 2, 'a quote inside a field'],
    ['text after a closing quote', 'a\n\n"b"c\n', 3, '"c" after a closing quote'],
    ['a space after a closing quote', '"a" ,b\n', 1, '" " after a closing quote'],
    ['a quote that is never closed, by where it opened', 'a\n"b\nc\nd\n', 2, 'opens here and is never closed'],
    ['a lone carriage return', 'a\rb\n', 1, 'no line feed follows'],
    ['a lone carriage return at the end', 'a\nb\r', 2, 'no line feed follows'],
    ['nothing but commas', `a\n${','.repeat(MAX_RECORD_CHARACTERS + 1)}`, 2, 'characters in one record'],
    ['a field without an end', `a\n"${'x\n'.repeat(MAX_RECORD_CHARACTERS)}"`, 2, 'is a quote missing?'],
  ])('with %s is refused with line and reason [DX-2]', (_what, text, line, reason) => {
    for (const size of [text.length < 100 ? 1 : 10_000, 1_000_000]) {
      const read = () => readInPieces(text, size);
      expect(read).toThrow(CsvError);
      expect(read).toThrow(reason);
      expect(read).toThrow(new RegExp(`^line ${line}: `));
    }
  });
});
