/** What `cdk deploy -c name=value` may say, checked: each mistake is one clear sentence. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  BACKENDS,
  type BackendKind,
  HEADER_MODES,
  type HeaderMode,
  LOG_LEVELS,
  type LogLevel,
} from '../lambda/shared/words.ts';
import { type ArnSettings, readArns, type Target } from './arn-settings.ts';
import type { Authorization } from './authorization.ts';
import { JWT_SETTINGS, readAuthorization } from './authorization-settings.ts';
import { ContextReader, misspelled } from './context-reader.ts';
import { contradictions } from './contradictions.ts';
import { API_KINDS, type ApiKind, ORIGIN } from './front.ts';
import { CONCURRENCY_BOUNDS, STREAM_SECONDS_BOUNDS } from './limits.ts';
import { RETENTION_DAYS } from './log-settings.ts';
import { type NetworkSettings, readNetwork } from './network-settings.ts';
import { ROLLOUTS, type Rollout } from './rollout.ts';

export interface Settings extends ArnSettings, NetworkSettings {
  readonly stage: string;
  readonly backend: BackendKind;
  readonly api: ApiKind;
  readonly authorization: Authorization;
  /** Absolute path. */
  readonly tools: string;
  readonly rollout: Rollout;
  /** Where the stacks go, as the command line or the ARNs say. */
  readonly region?: string;
  readonly domainName?: string;
  readonly callerAccounts?: readonly string[];
  readonly allowedOrigins?: readonly string[];
  readonly headers: HeaderMode;
  readonly taskTools: boolean;
  readonly apiGatewayLogRole: boolean;
  readonly accountConcurrency?: number;
  readonly reservedConcurrency?: number;
  readonly workerConcurrency?: number;
  readonly workerReservedConcurrency?: number;
  /** `null`: no limit. */
  readonly maxActiveTasksPerOwner?: number | null;
  /** Of a table that is there already; absent: one is made. */
  readonly tableName?: string;
  readonly maxStreamSeconds?: number;
  readonly memoryMiB?: number;
  readonly leaseMs?: number;
  readonly throttlingRateLimit?: number;
  readonly throttlingBurstLimit?: number;
  readonly serverName?: string;
  readonly serverVersion?: string;
  readonly logLevel: LogLevel;
  readonly logRetentionDays: RetentionDays;
  readonly tracing: boolean;
  /** Tasks survive `cdk destroy`. */
  readonly protection: boolean;
  /** For Redis, whose functions are in a network of their own. */
  readonly internetAccess: boolean;
}

/** All that is read of the context. */
export const SETTING_NAMES = [
  ...[
    'stage',
    'backend',
    'api',
    'tools',
    'serverName',
    'serverVersion',
    'tracing',
    'protection',
    'rollout',
    'tableName',
  ],
  ...['auth', ...JWT_SETTINGS, 'callerAccounts', 'allowedOrigins', 'headers', 'taskTools'],
  ...['domainName', 'certificateArn', 'webAclArn', 'encryptionKeyArn', 'alarmTopicArn', 'apiGatewayLogRole'],
  ...['accountConcurrency', 'reservedConcurrency', 'workerConcurrency', 'workerReservedConcurrency'],
  ...[
    'maxActiveTasksPerOwner',
    'maxStreamSeconds',
    'throttlingRateLimit',
    'throttlingBurstLimit',
    'memoryMiB',
    'leaseMs',
  ],
  ...['internetAccess', 'vpcId', 'subnetIds', 'availabilityZones'],
  ...['logLevel', 'logRetentionDays', 'logKeyArn'],
] as const;

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
const TABLE_NAME = /^[A-Za-z0-9_.-]{3,255}$/;
const SHORT_TEXT = /^[\x20-\x7e]{1,64}$/;

/** Throws a `SettingsError` that says which settings are wrong and what they may be. */
export function readSettings(context: Readonly<Record<string, unknown>>, target: Target = {}): Settings {
  const reader = new ContextReader(context);
  const authorization = readAuthorization(reader);
  const { arns, region } = readArns(reader, target);
  const all = {
    stage:
      reader.matching(
        'stage',
        /^[a-z][a-z0-9-]{0,15}$/,
        'up to 16 lower-case letters, digits or "-", a letter first',
      ) ?? 'dev',
    backend: reader.oneOf('backend', BACKENDS, 'dynamodb'),
    api: reader.oneOf('api', API_KINDS, 'rest'),
    rollout: reader.oneOf('rollout', ROLLOUTS, 'all-at-once'),
    authorization,
    tools: readTools(reader),
    domainName: reader.matching('domainName', DOMAIN, 'a host name such as tasks.example.com'),
    callerAccounts: reader.listOf('callerAccounts', /^\d{12}$/, 'account ids of 12 digits'),
    allowedOrigins: reader.listOf('allowedOrigins', ORIGIN, 'origins such as https://app.example.com, without a path'),
    headers: reader.oneOf('headers', HEADER_MODES, 'strict'),
    taskTools: reader.flag('taskTools', false),
    apiGatewayLogRole: reader.flag('apiGatewayLogRole', true),
    tableName: reader.matching(
      'tableName',
      TABLE_NAME,
      'the name of a table, of 3 to 255 letters, digits, "_", "-" or "."',
    ),
    serverName: reader.matching('serverName', SHORT_TEXT, 'up to 64 printable ASCII characters'),
    serverVersion: reader.matching('serverVersion', SHORT_TEXT, 'up to 64 printable ASCII characters'),
    tracing: reader.flag('tracing', false),
    protection: reader.flag('protection', true),
    internetAccess: reader.flag('internetAccess', authorization.mode === 'jwt' && reader.text('vpcId') === undefined),
    region,
    ...arns,
    ...readNumbers(reader),
    ...readLogs(reader),
    ...readNetwork(reader, region),
  };
  const settings = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const problems = [
    ...misspelled(Object.keys(context), SETTING_NAMES),
    ...reader.problems,
    ...contradictions(reader, settings),
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  return settings as unknown as Settings;
}

function readNumbers(reader: ContextReader) {
  const within = (name: string, min: number, max: number) => reader.wholeNumber(name, { min, max });
  return {
    accountConcurrency: within('accountConcurrency', 10, 100_000),
    reservedConcurrency: within('reservedConcurrency', 1, 10_000),
    workerConcurrency: reader.wholeNumber('workerConcurrency', CONCURRENCY_BOUNDS),
    workerReservedConcurrency: within('workerReservedConcurrency', 2, 10_000),
    maxActiveTasksPerOwner: reader.limit('maxActiveTasksPerOwner', { min: 1, max: 1_000_000 }),
    maxStreamSeconds: reader.wholeNumber('maxStreamSeconds', STREAM_SECONDS_BOUNDS),
    throttlingRateLimit: within('throttlingRateLimit', 1, 10_000),
    throttlingBurstLimit: within('throttlingBurstLimit', 1, 10_000),
    memoryMiB: within('memoryMiB', 256, 10_240),
    leaseMs: within('leaseMs', 5_000, 300_000),
  };
}

function readLogs(reader: ContextReader) {
  const days = reader.oneOf('logRetentionDays', RETENTION_DAYS.map(String), '90');
  return {
    logLevel: reader.oneOf('logLevel', LOG_LEVELS, 'info'),
    logRetentionDays: RETENTION_DAYS.find((allowed) => String(allowed) === days) ?? RetentionDays.THREE_MONTHS,
  };
}

function readTools(reader: ContextReader): string {
  const tools = reader.text('tools') ?? 'lambda/tools.ts';
  const path = resolve(tools);
  if (!existsSync(path) || !statSync(path).isFile()) {
    reader.problems.push(
      `Context "tools" must name a file that exports the list of tools; there is no file "${tools}".`,
    );
  }
  return path;
}
