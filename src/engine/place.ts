/** Where in a handler something is asked for: what an operation has to know of its branch. */
export interface Place {
  /** What it is called in the journal: empty for the handler's own. */
  readonly path: string;
  /** What the branch was for has been decided without it. */
  isWithdrawn: boolean;
  isWithin(other: Place): boolean;
  /** The how-manieth of this kind and name is asked for now. */
  count(kind: string, name: string): number;
}
