/** Two traces, and where they part, for messages. */
export function firstDifference(seen: readonly string[], instead: readonly string[]): string {
  const place = seen.findIndex((what, index) => what !== instead[index]);
  return place < 0
    ? `only ${seen.length} of ${instead.length}`
    : `"${seen[place]}" and not "${instead[place]}" (${place})`;
}
