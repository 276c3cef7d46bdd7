/** What an operator asked for cannot be done, in words that say what to do instead. Not for what storage says. */
export class OperationError extends Error {
  override readonly name = 'OperationError';
}
