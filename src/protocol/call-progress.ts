/**
 * `notifications/progress` of a call that is kept open, on the stream of its own answer. Many clients give a request up
 * after a minute, or less, and begin to count anew with each progress that they get.
 */
import type { ServerContext } from '@modelcontextprotocol/server';
import type { CancelTimer, Clock, EpochMs } from '../clock.ts';
import { present } from '../present.ts';

/**
 * After how long without news a client is told that the work still goes on: a third of the shortest patience that is
 * common (30 s), so that one that is late does no harm. A call that ends before, without a message, is answered as JSON.
 */
const SIGN_OF_LIFE_MS = 10_000;
/** A token comes back with each notification; a client that sends a longer one gets none, as the specification allows. */
const MAX_TOKEN_LENGTH = 1_024;

/** What a request's client is told while it waits. */
export interface ToldProgress {
  /** Tells the client how the task stands, if it is to be told. */
  show(message: string | undefined): void;
  /** To be called at the end of the wait. */
  stop(): void;
}

/** A call that waits for its task. */
export interface KeptCall extends ToldProgress {
  /** How long its client waits. */
  readonly maxMs: number;
}

export interface KeepOpenOptions {
  readonly clock: Clock;
  readonly plainCallWaitMs: number;
  /** `undefined`: nobody is sent progress. */
  readonly progressCallWaitMs: number | undefined;
}

/** How long a call is kept open. */
export function keptOpenMs(ctx: ServerContext, options: Omit<KeepOpenOptions, 'clock'>): number {
  const { plainCallWaitMs, progressCallWaitMs } = options;
  return progressTokenOf(ctx) === undefined ? plainCallWaitMs : (progressCallWaitMs ?? plainCallWaitMs);
}

/** Sends progress from now on, where the request asks for it and its client takes a stream for an answer. */
export function keepOpen(ctx: ServerContext, options: KeepOpenOptions): KeptCall {
  const maxMs = keptOpenMs(ctx, options);
  if (progressTokenOf(ctx) === undefined || options.progressCallWaitMs === undefined) return { maxMs, ...NOTHING_TOLD };
  const told = toldProgress(ctx, options.clock);
  return { maxMs, show: (message) => told.show(message), stop: () => told.stop() };
}

/**
 * The same, for a request that waits for as long as its client does. `since`: progress is the time since then, in
 * seconds, so that it grows on from one stream to the next. @default it is counted
 */
export function toldProgress(ctx: ServerContext, clock: Clock, since?: EpochMs): ToldProgress {
  const token = progressTokenOf(ctx);
  if (token === undefined) return NOTHING_TOLD;
  return new CallProgress(clock, (count, message) => {
    const progress = since === undefined ? count : Math.max(clock.now() - since, 0) / 1000 + count / 1e6;
    const params = { progressToken: token, progress, ...present({ message }) };
    // Whoever has gone is noticed by the call itself.
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  });
}

const NOTHING_TOLD: ToldProgress = { show: () => {}, stop: () => {} };

/** By which the client knows progress of this request; `undefined`: it is not to be told any. */
export function progressTokenOf(ctx: ServerContext): string | number | undefined {
  // Of another type, it was refused before: the specification knows text and whole numbers.
  const token = ctx.mcpReq._meta?.progressToken;
  if (typeof token === 'string' && token.length > MAX_TOKEN_LENGTH) return undefined;
  return takesStreams(ctx) ? token : undefined;
}

/** What does not come by HTTP is a stream of messages. */
function takesStreams({ http }: ServerContext): boolean {
  if (http?.req === undefined) return true;
  const accepted = http.req.headers.get('accept')?.toLowerCase().split(',') ?? [];
  return accepted.some((range) => range.split(';')[0]?.trim() === 'text/event-stream');
}

/** From its making until `stop`. */
class CallProgress implements ToldProgress {
  readonly #clock: Clock;
  readonly #send: (progress: number, message: string | undefined) => void;
  #sent = 0;
  #message: string | undefined;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock, send: (progress: number, message: string | undefined) => void) {
    this.#clock = clock;
    this.#send = send;
    this.#waitForNews();
  }

  /** Tells the client, if it has not been told the same last. */
  show(message: string | undefined): void {
    if (message === undefined || message === this.#message) return;
    this.#message = message;
    this.#cancel();
    this.#tell();
  }

  stop(): void {
    this.#cancel();
  }

  /** The newest message comes with signs of life too: what a client shows would else go blank. */
  #tell(): void {
    this.#sent += 1;
    this.#send(this.#sent, this.#message);
    this.#waitForNews();
  }

  #waitForNews(): void {
    this.#cancel = this.#clock.after(SIGN_OF_LIFE_MS, () => this.#tell());
  }
}
