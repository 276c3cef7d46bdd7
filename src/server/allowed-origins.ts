/** Whether a list of origins is one that browsers could match: each as they send it, byte for byte. */
import { TaskError } from '../domain/errors.ts';

/** `scheme://host`, with a port that is not the scheme's own: byte for byte what a browser sends. The same stands in `lib/front.ts`. */
export const ORIGIN =
  /^(?!http:.*:80$|https:.*:443$)[a-z][a-z0-9+.-]*:\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$/;

/** A sentence, or `undefined` if every entry is an origin that a browser could send. */
export function problemWithOrigins(origins: readonly string[]): string | undefined {
  const wrong = origins.find((origin) => !ORIGIN.test(origin));
  if (wrong === undefined) return undefined;
  return `${JSON.stringify(wrong)} is no origin that a browser sends: https://app.example.com, with the port if it is not the usual one, and no path`;
}

/** Throws `invalid_definition` for what no browser sends as the origin of a page. */
export function assertOrigins(origins: readonly string[]): void {
  const problem = problemWithOrigins(origins);
  if (problem !== undefined) throw new TaskError('invalid_definition', `allowedOrigins: ${problem}.`);
}
