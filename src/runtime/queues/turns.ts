/**
 * Who is next where several owners wait for few places. The place that becomes free goes to an owner who holds the
 * fewest; of those, to the one whose turn is longest ago. So an owner with a long line takes what nobody else wants,
 * and holds up nobody. Each owner's line is first in, first out. Knows neither time nor tasks.
 */

export class Turns<T> {
  /** Lines that are not empty, in the order of their turns. */
  readonly #lines = new Map<string, T[]>();
  readonly #held = new Map<string, number>();

  add(owner: string, item: T): void {
    const line = this.#lines.get(owner);
    if (line === undefined) this.#lines.set(owner, [item]);
    else line.push(item);
  }

  /**
   * Takes the item that is next, among those that may be taken now, out of its line. Its owner holds a place from then
   * on, until `release`. `undefined`: there is none.
   */
  take(mayTake: (item: T) => boolean = () => true): T | undefined {
    let next: { readonly owner: string; readonly line: T[]; readonly at: number; readonly held: number } | undefined;
    for (const [owner, line] of this.#lines) {
      const held = this.#held.get(owner) ?? 0;
      if (next !== undefined && held >= next.held) continue;
      const at = line.findIndex(mayTake);
      if (at >= 0) next = { owner, line, at, held };
      if (at >= 0 && held === 0) break;
    }
    if (next === undefined) return undefined;
    const { owner, line, at, held } = next;
    const [item] = line.splice(at, 1);
    // To the end of the turns.
    this.#lines.delete(owner);
    if (line.length > 0) this.#lines.set(owner, line);
    this.#held.set(owner, held + 1);
    return item;
  }

  /** Gives back one of the owner's places. */
  release(owner: string): void {
    const left = (this.#held.get(owner) ?? 0) - 1;
    if (left > 0) this.#held.set(owner, left);
    else this.#held.delete(owner);
  }
}
