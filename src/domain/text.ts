/** Text for people, made to fit. */

/**
 * At most `maxLength` UTF-16 code units of a text, never cut inside a character: neither between the two
 * halves of a surrogate pair nor inside what is seen as one (an emoji of several code points, an accent).
 */
export function shorten(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const room = Math.max(maxLength - ELLIPSIS.length, 0);
  let end = 0;
  // Only the neighbourhood of the cut has to be looked at; no character is longer than that in practice.
  const from = safeStart(text, Math.max(room - LONGEST_CHARACTER, 0));
  end = from;
  for (const { index, segment } of graphemes.segment(text.slice(from, room + LONGEST_CHARACTER))) {
    if (from + index + segment.length > room) break;
    end = from + index + segment.length;
  }
  return `${text.slice(0, end)}${ELLIPSIS}`;
}

const ELLIPSIS = '…';
const LONGEST_CHARACTER = 64;
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Not between the two halves of a surrogate pair. */
function safeStart(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return index > 0 && code >= 0xdc00 && code <= 0xdfff ? index - 1 : index;
}
