/**
 * What was thrown, in words. Apart from what records it, so that who only logs does not load the check of journals, which
 * bundlers would then evaluate late.
 */
import { shorten } from '../domain/text.ts';

export const MAX_MESSAGE_LENGTH = 32_768;
/** Of what was thrown that is no error, in the message that is made of it. */
const MAX_EXCERPT_LENGTH = 1_000;

/** Something that was thrown, in words: a text as it is, an error's message, anything else as JSON. */
export function describeThrown(thrown: unknown): string {
  if (typeof thrown === 'string') return shorten(thrown, MAX_MESSAGE_LENGTH);
  if (thrown instanceof Error) return thrown.message;
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown && typeof thrown.message === 'string') {
    return shorten(thrown.message, MAX_MESSAGE_LENGTH);
  }
  try {
    return shorten(JSON.stringify(thrown) ?? String(thrown), MAX_EXCERPT_LENGTH);
  } catch {
    return 'Something was thrown that is no error and no JSON.';
  }
}
