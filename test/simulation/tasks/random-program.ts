/** Programs made at random: mostly small, since most faults need little; with few names, so that many share one. */
import type { Seeded } from '../seeded.ts';
import type { Block, Kind, Options, Program, Statement } from './program.ts';

const NAMES = ['a', 'a', 'a', 'b', 'b', 'c'];
const DEEPEST = 4;

const SIMPLE: readonly (readonly [number, Kind])[] = [
  [8, 'step'],
  [4, 'wait'],
  [1, 'until'],
  [2, 'condition'],
  [6, 'question'],
  [2, 'callback'],
  [1, 'uuid'],
  [1, 'random'],
  [1, 'now'],
  [2, 'variable'],
  [0.5, 'throw'],
  [0.7, 'abort'],
  [0.7, 'hop'],
  [0.7, 'join'],
];

/** Some programs do little but ask: much is outstanding at once, and answers come while others are being taken in. */
const ASKING: readonly (readonly [number, Kind])[] = [
  [10, 'question'],
  [1, 'callback'],
  [1, 'step'],
  [1, 'wait'],
];

const COMPOSED: readonly (readonly [number, Kind])[] = [
  [4, 'all'],
  [2, 'first'],
  [1, 'any'],
  [1.5, 'settled'],
  [1, 'stream'],
  [1, 'repeat'],
  [2.5, 'map'],
  [2, 'parallel'],
  [2.5, 'race'],
  [1, 'child'],
  [3, 'guarded'],
  [1, 'patched'],
  [1.5, 'choose'],
  [1.5, 'start'],
];

export function randomProgram(chance: Seeded): Program {
  return new Generator(chance).program();
}

class Generator {
  readonly #chance: Seeded;
  readonly #started: string[] = [];
  readonly #simple: readonly (readonly [number, Kind])[];
  #left: number;
  #ids = 0;

  constructor(chance: Seeded) {
    this.#chance = chance;
    this.#simple = chance.chance(0.15) ? ASKING : SIMPLE;
    this.#left = 3 + Math.floor(chance.next() ** 1.7 * 22);
  }

  program(): Program {
    const body = this.#block(0, 5);
    return body.length > 0 ? body : [this.#statement('step', 0)];
  }

  #block(depth: number, most: number, least = 1): Block {
    const length = least + this.#chance.below(most - least + 1);
    const block: Statement[] = [];
    while (block.length < length && this.#left > 0) {
      this.#left -= 1;
      const isComposed = depth < DEEPEST && this.#chance.chance(depth === 0 ? 0.55 : 0.35);
      block.push(this.#statement(this.#chance.weighted(isComposed ? COMPOSED : this.#simple), depth));
    }
    return block;
  }

  #statement(kind: Kind, depth: number): Statement {
    this.#ids += 1;
    const id = `${kind}${this.#ids}`;
    const name = kind === 'join' ? this.#startedEarlier() : this.#chance.pick(NAMES);
    const options = this.#options(kind);
    const blocks = this.#blocks(kind, depth, options);
    if (kind === 'start') this.#started.push(id);
    return { kind, id, name, options, blocks };
  }

  #startedEarlier(): string {
    return this.#started.length === 0 ? '' : this.#chance.pick(this.#started);
  }

  #blocks(kind: Kind, depth: number, options: Options): Block[] {
    const block = (most = 3, least = 1) => this.#block(depth + 1, most, least);
    const several = (most: number) => Array.from({ length: 2 + this.#chance.below(most - 1) }, () => block());
    switch (kind) {
      case 'all':
      case 'first':
      case 'any':
      case 'settled':
      case 'stream':
      case 'parallel':
      case 'race':
        return several(4);
      case 'repeat':
      case 'map':
      case 'child':
      case 'start':
        return [block()];
      case 'choose':
      case 'patched':
        return [block(2, 0), block(2, 0)];
      case 'guarded':
        return [block(), options.catches === 1 ? block(2, 0) : [], this.#chance.chance(0.7) ? block(2, 0) : []];
      default:
        return [];
    }
  }

  #options(kind: Kind): Options {
    const chance = this.#chance;
    switch (kind) {
      case 'wait':
      case 'until':
        return { ms: this.#length(), ...(kind === 'wait' ? this.#withSignal() : {}) };
      case 'condition':
        return { looks: chance.below(3), delayMs: chance.chance(0.4) ? 0 : this.#length() };
      case 'variable':
        return { action: chance.below(5), key: chance.below(2) };
      case 'choose':
        return { byChance: chance.chance(0.3) ? 1 : 0 };
      case 'repeat':
      case 'hop':
        return { times: chance.below(3) };
      case 'map':
      case 'parallel':
        return this.#batch(kind);
      case 'guarded':
        return { catches: chance.chance(0.6) ? 1 : 0 };
      case 'abort':
        return { signal: 1 + chance.below(2) };
      default:
        return this.#ofWhatMayFail(kind);
    }
  }

  #ofWhatMayFail(kind: Kind): Options {
    const chance = this.#chance;
    const tolerant = chance.chance(0.7) ? 1 : 0;
    switch (kind) {
      case 'step':
        return { ...this.#trying(), tolerant, ...this.#withSignal() };
      case 'question':
        return { timeoutMs: chance.chance(0.35) ? 1_000 + this.#length() : 0, tolerant, ...this.#withSignal() };
      case 'callback':
        return {
          timeoutMs: chance.chance(0.25) ? 1_000 + this.#length() : 0,
          tolerant,
          fails: chance.chance(0.2) ? 1 : 0,
          delayMs: chance.chance(0.5) ? 0 : 2_000,
        };
      default:
        return {};
    }
  }

  #withSignal(): Options {
    return { signal: this.#chance.chance(0.12) ? 1 + this.#chance.below(2) : 0 };
  }

  #trying(): Options {
    const chance = this.#chance;
    const retries = chance.chance(0.6) ? 0 : 1 + chance.below(3);
    return {
      retries,
      fails: chance.chance(0.6) ? 0 : chance.below(retries + 2),
      delayMs: chance.chance(0.5) ? 0 : this.#length(),
      atMostOnce: chance.chance(0.2) ? 1 : 0,
      takesMs: chance.chance(0.7) ? 0 : chance.pick([1, 300, 1_500, 9_000]),
      throwsText: chance.chance(0.1) ? 1 : 0,
    };
  }

  #batch(kind: Kind): Options {
    const chance = this.#chance;
    const completion = chance.below(7);
    return {
      ...(kind === 'map' ? { times: chance.below(4) } : {}),
      atOnce: chance.chance(0.5) ? 0 : 1 + chance.below(3),
      enough: completion === 1 ? 1 + chance.below(2) : 0,
      bears: completion === 2 ? 1 + chance.below(3) : 0,
      bearsPercent: completion === 3 ? chance.pick([25, 50, 100]) : 0,
      rule: completion === 4 ? 1 : 0,
      throws: chance.chance(0.3) ? 1 : 0,
    };
  }

  /** Some equal, some nothing, some longer than a lease or than what the queue can wait. */
  #length(): number {
    return this.#chance.pick([0, 1, 100, 1_000, 1_000, 2_000, 5_000, 20_000, 45_000, 600_000, 3_600_000]);
  }
}
