/** Whose turn it is: fewest places first, then longest ago; first in, first out for each owner. */
import { describe, expect, test } from '@jest/globals';
import { Turns } from '../../../../src/runtime/queues/turns.ts';

function linedUp(lines: Readonly<Record<string, number>>): Turns<string> {
  const turns = new Turns<string>();
  for (const [owner, length] of Object.entries(lines)) {
    for (let index = 1; index <= length; index += 1) turns.add(owner, `${owner}${index}`);
  }
  return turns;
}

/** Each takes its place and gives it back at once, until nobody waits. */
function oneAfterTheOther(turns: Turns<string>): string[] {
  const taken: string[] = [];
  for (let item = turns.take(); item !== undefined; item = turns.take()) {
    taken.push(item);
    turns.release(item.slice(0, 1));
  }
  return taken;
}

describe('turns', () => {
  test('go round between owners, each of whom is first in, first out [EXEC-8 AWS-9]', () => {
    expect(oneAfterTheOther(linedUp({ a: 4, b: 2, c: 1 }))).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
  });

  test('let an owner who holds no place go before one who holds some, whenever they came [EXEC-8 AWS-9]', () => {
    const turns = linedUp({ a: 4 });
    expect([turns.take(), turns.take(), turns.take()]).toEqual(['a1', 'a2', 'a3']);
    turns.add('b', 'b1');
    turns.add('b', 'b2');
    turns.release('a');

    expect([turns.take(), turns.take(), turns.take()]).toEqual(['b1', 'b2', 'a4']);
  });

  test('come to an owner whose places are free again, however many others keep coming [EXEC-8 AWS-9]', () => {
    const turns = linedUp({ a: 2 });
    expect(turns.take()).toBe('a1');
    turns.add('b', 'b1');
    turns.release('a');
    turns.add('c', 'c1');

    expect([turns.take(), turns.take(), turns.take()]).toEqual(['a2', 'b1', 'c1']);
  });

  test('pass over what may not be taken now, and keep its place in the line [EXEC-8]', () => {
    const turns = linedUp({ a: 3, b: 1 });
    const allBut =
      (...held: string[]) =>
      (item: string) =>
        !held.includes(item);

    expect([turns.take(allBut('a1')), turns.take(allBut('a1', 'b1')), turns.take(allBut('a1', 'b1'))]).toEqual([
      'a2',
      'a3',
      undefined,
    ]);
    expect([turns.take(), turns.take(), turns.take()]).toEqual(['b1', 'a1', undefined]);
  });

  test('are nobody’s where nobody waits', () => {
    expect(new Turns().take()).toBeUndefined();
  });
});
