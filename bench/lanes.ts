/** Many things at once, but not all of them. */

/** Runs `count` times, `concurrency` at once. */
export async function inParallel(
  count: number,
  concurrency: number,
  action: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      await action(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, lane));
}
