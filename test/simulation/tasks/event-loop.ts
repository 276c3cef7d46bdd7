/**
 * Whether anything can go on by itself: the engine and the store end their turns with `setImmediate`, so with none of
 * those pending, and no promise that can settle, everybody waits for time or for somebody.
 */
const immediate = globalThis.setImmediate;
let watched = { pending: 0 };

/** Counts what is pending of all that begins from now on, until the returned function is called. */
export function watchEventLoop(): () => void {
  const own = { pending: 0 };
  watched = own;
  const counted = (action: (...args: unknown[]) => void, ...args: unknown[]) => {
    own.pending += 1;
    return immediate(() => {
      own.pending -= 1;
      action(...args);
    });
  };
  globalThis.setImmediate = counted as unknown as typeof immediate;
  return () => {
    globalThis.setImmediate = immediate;
  };
}

/** One turn of the event loop; every promise that could settle has. */
export function turnOfEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    immediate(resolve);
  });
}

export function isQuiet(): boolean {
  return watched.pending === 0;
}

/** Until everybody waits. Rejects when somebody never does. */
export async function untilQuiet(mostTurns = 10_000): Promise<void> {
  for (let turns = 0; turns < mostTurns; turns += 1) {
    await turnOfEventLoop();
    if (isQuiet()) return;
  }
  throw new Error(`Something goes on by itself for more than ${mostTurns} turns of the event loop.`);
}
