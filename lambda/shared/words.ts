/**
 * The words that infrastructure and functions must agree on, each written down here and nowhere else in `lib/` and
 * `lambda/`: paths, metrics, the cache's key prefix, and the environment variables with what each may say. Imports
 * nothing, so that either side may import it.
 */

/** Where the MCP function serves MCP. A stage's name in front is taken off by API Gateway. */
export const MCP_PATH = '/mcp';

const METADATA_PATH = '/.well-known/oauth-protected-resource';

/** The metadata's path with the resource's own path behind it, as RFC 9728 has it: the one that challenges point to. */
export const FULL_METADATA_PATH = `${METADATA_PATH}${MCP_PATH}`;

/** Where clients that were refused find out who issues tokens. Clients that know only the host ask at its root. */
export const METADATA_PATHS: readonly string[] = [METADATA_PATH, FULL_METADATA_PATH];

/** Of any of these, also with a stage or base path in front that nobody has taken off. */
export function isMetadataPath(path: string): boolean {
  return /^(?:\/[\w.~-]+)*\/\.well-known\/oauth-protected-resource(?:\/mcp)?$/.test(path);
}

/** A dimension of every metric; also what the server calls itself unless it is told a name. */
export const SERVICE = 'mcp-durable-tasks';

/** The functions write these metrics; alarms and dashboard watch them. */
export const METRICS_NAMESPACE = 'McpDurableTasks';
export const METRICS = {
  created: 'TasksCreated',
  completed: 'TasksCompleted',
  failed: 'TasksFailed',
  cancelled: 'TasksCancelled',
  /** Of a task from its creation to its end. */
  duration: 'TaskDuration',
  /** By reason, while `failed` is by tool. */
  failures: 'TaskFailures',
  takeovers: 'LeaseTakeovers',
  /** Looks at tasks whose code was not there. */
  parked: 'TasksParked',
} as const;
export type MetricName = (typeof METRICS)[keyof typeof METRICS];

/** Before each key of the cache: the functions' user may touch no others. */
export const CACHE_KEY_PREFIX = 'mcp-tasks:';

export const BACKENDS = ['dynamodb', 'redis'] as const;
export type BackendKind = (typeof BACKENDS)[number];

export const AUTH_MODES = ['jwt', 'iam', 'none'] as const;

export const RESPONSE_MODES = ['stream', 'buffered'] as const;
/** `stream`: REST API or function URL with response streaming. `buffered`: HTTP API. */
export type ResponseMode = (typeof RESPONSE_MODES)[number];

/** Of the server's setting `headers`. */
export const HEADER_MODES = ['strict', 'lenient'] as const;
export type HeaderMode = (typeof HEADER_MODES)[number];

/** Of a setting that is on or off. */
export const SWITCH = ['true', 'false'] as const;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** The environment variables of the functions, by the name that the code knows each by. */
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
  headers: 'TASKS_HEADERS',
  /** Whether clients without task support find the tools for tasks: one of `SWITCH`. */
  taskTools: 'TASKS_TASK_TOOLS',
  serverName: 'TASKS_SERVER_NAME',
  serverVersion: 'TASKS_SERVER_VERSION',
  /** Of the API: what a buffered answer may take, escaped. */
  maxAnswerBytes: 'TASKS_MAX_ANSWER_BYTES',
  maxStreamSeconds: 'TASKS_MAX_STREAM_SECONDS',
  maxActiveTasksPerOwner: 'TASKS_MAX_ACTIVE_PER_OWNER',
  leaseMs: 'TASKS_LEASE_MS',
  heartbeatMs: 'TASKS_HEARTBEAT_MS',
} as const;

/** What stands for no limit where there is a number otherwise, in settings and variables. */
export const NO_LIMIT = 'none';

export type VariableName = keyof typeof VARIABLES;
