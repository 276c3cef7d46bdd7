/**
 * `notifications/progress` of a call that is kept open, on the stream of its own answer. Many clients give a request up
 * after a minute, or less, and begin to count anew with each progress that they get.
 */
import type { ServerContext } from '@modelcontextprotocol/server';
import type { CancelTimer, Clock } from '../clock.ts';
import { isModern } from './capability.ts';

/**
 * After how long without news a client is told that the work still goes on: a third of the shortest patience that is
 * common (30 s), so that one that is late does no harm. A call that ends before, without a message, is answered as JSON.
 */
export const SIGN_OF_LIFE_MS = 10_000;
/** A token comes back with each notification; a client that sends a longer one gets none, as the specification allows. */
const MAX_TOKEN_LENGTH = 1_024;

/** For a request that asks for progress, and whose client takes a stream for an answer. */
export function callProgress(ctx: ServerContext, clock: Clock): CallProgress | undefined {
  // Of another type, it was refused before (-32602).
  const token = ctx.mcpReq._meta?.progressToken;
  if (token === undefined || (typeof token === 'string' && token.length > MAX_TOKEN_LENGTH)) return undefined;
  if (!isModern(ctx) || !takesStreams(ctx)) return undefined;
  return new CallProgress(clock, (progress, message) => {
    const params = { progressToken: token, progress, ...(message === undefined ? {} : { message }) };
    // Whoever has gone is noticed by the call itself.
    ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {});
  });
}

/** What does not come by HTTP is a stream of messages. */
function takesStreams({ http }: ServerContext): boolean {
  if (http?.req === undefined) return true;
  const accepted = http.req.headers.get('accept')?.toLowerCase().split(',') ?? [];
  return accepted.some((range) => range.split(';')[0]?.trim() === 'text/event-stream');
}

/** From its making until `stop`. */
export class CallProgress {
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
