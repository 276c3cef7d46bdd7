/** Text for people, made to fit. */

/**
 * At most `maxLength` UTF-16 code units of a text, never cut inside a character: neither between the two
 * halves of a surrogate pair nor inside what is seen as one (an emoji of several code points, an accent).
 */
export function shorten(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const room = Math.max(maxLength - ELLIPSIS.length, 0);
  // Only what is between the cut and a place where a character surely begins has to be looked at.
  const from = beginningBefore(text, room - LONGEST_CHARACTER);
  let end = from;
  for (const { index, segment } of graphemes.segment(text.slice(from, room + LONGEST_CHARACTER))) {
    if (from + index + segment.length > room) break;
    end = from + index + segment.length;
  }
  return `${text.slice(0, end)}${ELLIPSIS}`;
}

const ELLIPSIS = '…';
/** Longer than any in practice. */
const LONGEST_CHARACTER = 64;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Where a character begins, at or before `index`: at an ASCII one. From the middle of a row of flags or of a family
 * nobody can tell where one ends. A line feed may belong to a carriage return before it.
 */
function beginningBefore(text: string, index: number): number {
  for (let at = index; at > 0; at -= 1) {
    const code = text.charCodeAt(at);
    if (code < 0x80 && code !== 0x0a) return at;
  }
  return 0;
}
