/** What is printed of tasks: nothing that a terminal obeys, colours only where they are wanted, lines that fit. */
import { describe, expect, test } from '@jest/globals';
import { duration, harmless, jsonText, size, table } from '../../../bin/tasks-text.ts';

const ESCAPE = '\u001b';

describe('what others have written', () => {
  test('is shown, and not obeyed by a terminal [OPS-1]', () => {
    expect(harmless(`a${ESCAPE}[2Jb\r\u009bc\u202ed\ne`)).toBe('a\\u001b[2Jb\\u000d\\u009bc\\u202ed e');
    expect(jsonText({ a: `${ESCAPE}[2J\u009b\u202e` }, 0)).toBe('{"a":"\\u001b[2J\\u009b\\u202e"}');
    expect(JSON.parse(jsonText('\u009b\u202e'))).toBe('\u009b\u202e');
  });

  test('cannot colour a table or add a line to it [OPS-1]', () => {
    const text = table(['A', 'B'], [[`${ESCAPE}[31mx`, 'y\nz']], { colours: true });

    expect(text.split('\n')).toHaveLength(3);
    expect(text).not.toContain(`${ESCAPE}[31m`);
  });
});

describe('a table', () => {
  test('has colours only where they are wanted [OPS-1]', () => {
    const rows = [['completed', 'fine']];

    expect(table(['STATUS', 'SAYS'], rows, { colours: false })).toBe('STATUS     SAYS\ncompleted  fine\n');
    expect(table(['STATUS', 'SAYS'], rows, { colours: true })).toContain(`${ESCAPE}[32mcompleted`);
  });

  test('is cut to the width of the terminal in its last column, between characters [OPS-1]', () => {
    const text = table(['ID', 'SAYS'], [['x', '👍🏽'.repeat(40)]], { colours: false, width: 24 });

    expect(text).toBe(`ID  SAYS\nx   ${'👍🏽'.repeat(19)}…\n`);
  });
});

test.each([
  [12, '12 ms', '12 B'],
  [1_500, '1.5 s', '1.5 KB'],
  [61_000, '1 min 1 s', '59.6 KB'],
  [7_260_000, '2 h 1 min', '6.9 MB'],
  [180_000_000, '2 d 2 h', '171.7 MB'],
])('%d is read as %s, and as %s [OPS-1]', (number, time, bytes) => {
  expect([duration(number), size(number)]).toEqual([time, bytes]);
});
