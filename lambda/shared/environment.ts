/**
 * The only words that infrastructure and functions share: the names of the environment variables, and
 * what each may say. `lib/` writes them with `toVariables`, the functions read them with `readEnvironment`;
 * imports nothing, so that either side may.
 */

export const BACKENDS = ['dynamodb', 'redis'] as const;
export type BackendKind = (typeof BACKENDS)[number];

export const AUTH_MODES = ['jwt', 'iam', 'none'] as const;

export const RESPONSE_MODES = ['stream', 'buffered'] as const;
/** `stream`: REST API or function URL with response streaming. `buffered`: HTTP API. */
export type ResponseMode = (typeof RESPONSE_MODES)[number];

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const VARIABLES = {
  /** Which of several deployments in an account and region: a dimension of every metric. */
  deployment: 'TASKS_DEPLOYMENT',
  logLevel: 'TASKS_LOG_LEVEL',
  backend: 'TASKS_BACKEND',
  tableName: 'TASKS_TABLE_NAME',
  redisEndpoint: 'TASKS_REDIS_ENDPOINT',
  redisCacheName: 'TASKS_REDIS_CACHE_NAME',
  redisUserId: 'TASKS_REDIS_USER_ID',
  queueUrl: 'TASKS_QUEUE_URL',
  authMode: 'TASKS_AUTH_MODE',
  jwtIssuer: 'TASKS_JWT_ISSUER',
  jwtAudience: 'TASKS_JWT_AUDIENCE',
  jwtJwksUri: 'TASKS_JWT_JWKS_URI',
  jwtScopes: 'TASKS_JWT_SCOPES',
  jwtTenantClaim: 'TASKS_JWT_TENANT_CLAIM',
  resourceUrl: 'TASKS_RESOURCE_URL',
  allowedOrigins: 'TASKS_ALLOWED_ORIGINS',
  responseMode: 'TASKS_RESPONSE_MODE',
  serverName: 'TASKS_SERVER_NAME',
  serverVersion: 'TASKS_SERVER_VERSION',
  /** Of the API: what a buffered answer may take, escaped. */
  maxAnswerBytes: 'TASKS_MAX_ANSWER_BYTES',
  maxStreamSeconds: 'TASKS_MAX_STREAM_SECONDS',
  maxActiveTasksPerOwner: 'TASKS_MAX_ACTIVE_PER_OWNER',
  leaseMs: 'TASKS_LEASE_MS',
  heartbeatMs: 'TASKS_HEARTBEAT_MS',
} as const;

export type VariableName = keyof typeof VARIABLES;

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
export type Environment = Readonly<Partial<Record<VariableName, string>>>;

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

/** Throws an error that names the variable when it is set and no positive whole number. */
export function wholeNumber(environment: Environment, name: VariableName): number | undefined {
  const value = environment[name];
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`The environment variable ${VARIABLES[name]} must be a positive whole number; it is ${value}.`);
}
