/**
 * A process of a world: its view of the records that all share, and its clock. Calls take their time, are refused, land
 * without being acknowledged; at any write it may die, and then nothing of it goes on and nothing that it awaits comes.
 */
import type {
  ListOptions,
  Page,
  RecordKey,
  RecordWrite,
  StorageBackend,
  StoredRecord,
  Version,
} from '../../../src/backends/backend.ts';
import { BackendUnavailableError } from '../../../src/backends/errors.ts';
import type { MemoryBackend } from '../../../src/backends/memory.ts';
import { type Clock, eventLoopTurn, type RandomBytes } from '../../../src/clock.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import type { Seeded } from '../seeded.ts';
import type { VirtualTime } from './virtual-time.ts';
import type { WorldSettings } from './world-settings.ts';

export interface SharedWorld {
  readonly settings: WorldSettings;
  readonly chance: Seeded;
  readonly time: VirtualTime;
  readonly records: MemoryBackend;
  /** Whether things still go wrong; in the end they do not, so that everything comes to an end. */
  areFaultsOver: boolean;
  readonly onWritten: (writer: SimulatedProcess, key: RecordKey, value: string) => void;
  /** The writer knows of it. */
  readonly onAcknowledged: (writer: SimulatedProcess, key: RecordKey, value: string) => void;
  readonly onRemoved: (key: RecordKey) => void;
  readonly onFault: (process: SimulatedProcess) => void;
}

/** One of its own each time: a single one would keep everything that ever awaited it. */
export function never(): Promise<never> {
  return new Promise(() => {});
}

/** Once it has refused a write, that storage refuses the next one, too: what waits for it pauses then. */
const STAYS_AWAY = 0.6;
/** Longer than a lease. */
const STALL_MS = 40_000;

export class SimulatedProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly store: GenericTaskStore;
  readonly random: RandomBytes;
  isDead = false;
  onDeath: () => void = () => {};

  constructor(name: string, world: SharedWorld, { mayDie }: { readonly mayDie: boolean }) {
    this.name = name;
    this.clock = world.time.clock(() => !this.isDead);
    this.random = (count) => world.chance.bytes(count);
    const backend = new ProcessBackend(this, world, mayDie);
    const { clock, random } = this;
    const limit = world.settings.limit === 0 ? {} : { maxActiveTasksPerOwner: world.settings.limit };
    const firstLookMs = world.settings.queueHopMs === 0 ? undefined : 120_000;
    this.store = new GenericTaskStore({ backend, clock, random, firstLookMs, ...limit });
  }

  die(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.onDeath();
  }
}

class ProcessBackend implements StorageBackend {
  readonly name = 'memory';
  readonly #process: SimulatedProcess;
  readonly #world: SharedWorld;
  readonly #mayDie: boolean;
  #isAway = false;

  constructor(process: SimulatedProcess, world: SharedWorld, mayDie: boolean) {
    this.#process = process;
    this.#world = world;
    this.#mayDie = mayDie;
  }

  get(key: RecordKey): Promise<StoredRecord | undefined> {
    return this.#called(() => this.#world.records.get(key));
  }

  list(partition: string, options: ListOptions): Promise<Page> {
    return this.#called(() => this.#world.records.list(partition, options));
  }

  putIfVersion(key: RecordKey, write: RecordWrite, expected: Version | 0): Promise<Version> {
    const written = this.#written(async () => {
      const version = await this.#world.records.putIfVersion(key, write, expected);
      this.#world.onWritten(this.#process, key, write.value);
      return version;
    });
    return written.then((version) => {
      this.#world.onAcknowledged(this.#process, key, write.value);
      return version;
    });
  }

  delete(key: RecordKey): Promise<boolean> {
    return this.#written(async () => {
      const wasThere = await this.#world.records.delete(key);
      if (wasThere) this.#world.onRemoved(key);
      return wasThere;
    });
  }

  addIfBelow(key: RecordKey, delta: number, options: { readonly ceiling: number }): Promise<number> {
    return this.#written(() => this.#world.records.addIfBelow(key, delta, options));
  }

  cleanupExpired(): Promise<number> {
    return Promise.resolve(0);
  }

  async close(): Promise<void> {}

  async #called<T>(call: () => Promise<T>): Promise<T> {
    await this.#takesTime();
    if (this.#process.isDead) return never();
    const result = await call();
    await this.#takesTime();
    return this.#process.isDead ? never() : result;
  }

  async #written<T>(write: () => Promise<T>): Promise<T> {
    const { chance, settings } = this.#world;
    const isFaulty = !this.#world.areFaultsOver;
    await this.#takesTime();
    this.#isAway = isFaulty && chance.chance(this.#isAway ? STAYS_AWAY : settings.refusals);
    if (this.#isAway) throw this.#unavailable();
    if (isFaulty) this.#mayDieNow();
    if (this.#process.isDead) return never();
    const result = await write();
    if (isFaulty) this.#mayDieNow();
    await this.#takesTime();
    if (this.#process.isDead) return never();
    if (isFaulty && chance.chance(settings.lostAnswers)) throw this.#unavailable();
    return result;
  }

  /** Half of the deaths come before the write lands, half after it. */
  #mayDieNow(): void {
    const { chance, settings } = this.#world;
    if (this.#mayDie && chance.chance(settings.kills / 2)) this.#process.die();
  }

  #unavailable(): BackendUnavailableError {
    this.#world.onFault(this.#process);
    return new BackendUnavailableError('the network was away for a moment');
  }

  async #takesTime(): Promise<void> {
    const { chance, settings, time, areFaultsOver } = this.#world;
    if (areFaultsOver) return;
    if (settings.stalls > 0 && chance.chance(settings.stalls)) {
      this.#world.onFault(this.#process);
      await this.#pause(time, STALL_MS);
    } else if (settings.slowCalls > 0 && chance.chance(settings.slowCalls)) {
      if (chance.chance(0.5)) for (let turns = 1 + chance.below(3); turns > 0; turns -= 1) await eventLoopTurn();
      else await this.#pause(time, chance.pick([1, 20, 400, 3_000]));
    }
  }

  #pause(time: VirtualTime, ms: number): Promise<void> {
    return new Promise((resolve) => {
      time.after(ms, resolve, () => !this.#process.isDead);
    });
  }
}
