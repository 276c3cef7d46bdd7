/**
 * How the environment variables of the functions are written and read: `lib/` writes them with `toVariables`, the
 * functions read them with `readEnvironment`. Their names, and what each may say, are in `words.ts`. Imports nothing
 * else, so that either side may import it.
 */
import { NO_LIMIT, VARIABLES, type VariableName } from './words.ts';

/**
 * These decide who a caller is and what they may do. Set to nothing, they would let in more callers, or let them
 * share an owner; so that is a mistake there, and not the same as leaving them out.
 */
const DECISIVE: readonly VariableName[] = [
  'authMode',
  'jwtIssuer',
  'jwtAudience',
  'jwtJwksUri',
  'jwtScopes',
  'jwtTenantClaim',
  'resourceUrl',
  'allowedOrigins',
];

/** What a function is told. Lists are separated by spaces. */
export type Environment = { readonly [Name in VariableName]?: string | undefined };

/** For `environment` of a function: only what is set. */
export function toVariables(environment: Environment): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const name of Object.keys(VARIABLES) as VariableName[]) {
    const value = environment[name];
    if (value !== undefined) variables[VARIABLES[name]] = value;
  }
  return variables;
}

export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): Environment {
  const entries = (Object.keys(VARIABLES) as VariableName[]).map((name) => [name, variables[VARIABLES[name]]] as const);
  const isSet = ([name, value]: (typeof entries)[number]) =>
    value !== undefined && (value !== '' || DECISIVE.includes(name));
  return Object.fromEntries(entries.filter(isSet));
}

/** `undefined` where it is left out. Throws an error that names the variable when it is set to nothing. */
export function unlessEmpty(environment: Environment, name: VariableName): string | undefined {
  const value = environment[name];
  if (value === undefined || value.trim() !== '') return value;
  throw new Error(`The environment variable ${VARIABLES[name]} is set to nothing: give it a value, or leave it out.`);
}

/** Throws an error that names the variable when it is missing. */
export function required(environment: Environment, name: VariableName): string {
  const value = environment[name];
  if (value === undefined || value === '') throw new Error(`The environment variable ${VARIABLES[name]} is not set.`);
  return value;
}

/** Throws an error that names the variable and the allowed values when it has another one. */
export function oneOf<T extends string>(
  environment: Environment,
  name: VariableName,
  allowed: readonly T[],
  otherwise?: T,
): T {
  const value = environment[name] ?? otherwise;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new Error(
      `The environment variable ${VARIABLES[name]} must be one of ${allowed.join(', ')}; it is ${value ?? 'not set'}.`,
    );
  }
  return found;
}

/** As {@link wholeNumber}, with a word besides; `null`: no limit. */
export function wholeNumberOrNone(environment: Environment, name: VariableName): number | null | undefined {
  return environment[name] === NO_LIMIT ? null : wholeNumber(environment, name);
}

/** `undefined` where it is left out. Throws an error that names the variable when it is no positive whole number. */
export function wholeNumber(environment: Environment, name: VariableName): number | undefined {
  const value = environment[name];
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`The environment variable ${VARIABLES[name]} must be a positive whole number; it is ${value}.`);
}
