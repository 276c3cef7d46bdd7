/**
 * Members that are there. Under `exactOptionalPropertyTypes` a member that may be absent must not be `undefined` instead:
 * this leaves such members out. A pure leaf, so that any layer may import it.
 */

/** Members that may be `undefined` become optional. */
export type Present<T> = {
  [Name in keyof T as undefined extends T[Name] ? never : Name]: T[Name];
} & {
  [Name in keyof T as undefined extends T[Name] ? Name : never]?: Exclude<T[Name], undefined>;
};

/** `{ ...present({ a, b }) }` has `a` only if it is not `undefined`, and the same of `b`. */
export function present<T extends object>(members: T): Present<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Present<T>;
}
