/**
 * What a client can be asked for. Nothing that it has not declared: the client that made a task says what its handler
 * may ask, and each client is shown only what it can answer.
 */
import type { InputRequest } from './inputs.ts';

/** As a client declares it; `sampling.tools` is sampling with tools. */
export type Askable = 'elicitation.form' | 'elicitation.url' | 'sampling' | 'sampling.tools' | 'roots';

/** What a request needs its client to have declared. */
export function neededFor({ method, params }: InputRequest): Askable {
  switch (method) {
    case 'elicitation/create':
      return params?.mode === 'url' ? 'elicitation.url' : 'elicitation.form';
    case 'sampling/createMessage':
      return params?.tools === undefined && params?.toolChoice === undefined ? 'sampling' : 'sampling.tools';
    case 'roots/list':
      return 'roots';
  }
}

/** `elicitation` alone means forms, as it does where a client declares it. */
export function includesAskable(declared: readonly string[], kind: Askable | 'elicitation'): boolean {
  return declared.includes(kind === 'elicitation' ? 'elicitation.form' : kind);
}

/** What a handler's question rejects with when the client that made the task has not declared what it needs. */
export class CannotAskError extends Error {
  override readonly name = 'CannotAskError';
  /** Without it the question cannot be asked. */
  readonly capability: Askable;

  /** `alternative`: what the question's fallback needs, which is not declared either. */
  constructor(capability: Askable, alternative?: Askable) {
    super(
      alternative === undefined
        ? `The client that made this task cannot be asked: it has not declared ${capability}.`
        : `The client that made this task cannot be asked: it has declared neither ${capability} nor ${alternative}.`,
    );
    this.capability = capability;
  }
}
