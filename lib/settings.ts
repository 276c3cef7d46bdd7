/** What `cdk deploy -c name=value` may say, checked: each mistake is one clear sentence. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { AUTH_MODES, BACKENDS, type BackendKind } from '../lambda/shared/environment.ts';
import type { Authorization } from './authorization.ts';
import { ContextReader, misspelled } from './context-reader.ts';
import { API_KINDS, type ApiKind } from './front.ts';

export interface Settings {
  readonly stage: string;
  readonly backend: BackendKind;
  readonly api: ApiKind;
  readonly authorization: Authorization;
  /** Absolute path. */
  readonly tools: string;
  readonly domainName?: string;
  readonly certificateArn?: string;
  readonly webAclArn?: string;
  readonly encryptionKeyArn?: string;
  /** An SNS topic. */
  readonly alarmTopicArn?: string;
  readonly reservedConcurrency?: number;
  readonly workerConcurrency?: number;
  readonly maxActiveTasksPerOwner?: number;
  readonly throttlingRateLimit?: number;
  readonly throttlingBurstLimit?: number;
  readonly serverName?: string;
  readonly tracing: boolean;
  /** Tasks survive `cdk destroy`. */
  readonly protection: boolean;
  /** For Redis, whose functions are in a network of their own. */
  readonly internetAccess: boolean;
}

/** They decide who callers are and what they may do. */
const JWT_SETTINGS = ['jwtIssuer', 'jwtAudience', 'jwtJwksUri', 'jwtScopes', 'jwtTenantClaim'] as const;

/** All that is read of the context. */
export const SETTING_NAMES = [
  ...['stage', 'backend', 'api', 'tools', 'serverName', 'tracing', 'protection', 'internetAccess'],
  ...['auth', ...JWT_SETTINGS],
  ...['domainName', 'certificateArn', 'webAclArn', 'encryptionKeyArn', 'alarmTopicArn'],
  ...['reservedConcurrency', 'workerConcurrency', 'maxActiveTasksPerOwner'],
  ...['throttlingRateLimit', 'throttlingBurstLimit'],
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

/** Throws a `SettingsError` that says which settings are wrong and what they may be. */
export function readSettings(context: Readonly<Record<string, unknown>>): Settings {
  const reader = new ContextReader(context);
  const api = reader.oneOf('api', API_KINDS, 'rest');
  const authorization = readAuthorization(reader);
  const settings = {
    stage:
      reader.matching(
        'stage',
        /^[a-z][a-z0-9-]{0,15}$/,
        'up to 16 lower-case letters, digits or "-", a letter first',
      ) ?? 'dev',
    backend: reader.oneOf('backend', BACKENDS, 'dynamodb'),
    api,
    authorization,
    tools: readTools(reader),
    domainName: reader.matching('domainName', DOMAIN, 'a host name such as tasks.example.com'),
    certificateArn: reader.matching('certificateArn', /^arn:[^:]+:acm:/, 'the ARN of an ACM certificate'),
    webAclArn: reader.matching('webAclArn', /^arn:[^:]+:wafv2:[^:]+:\d+:regional\//, 'the ARN of a regional web ACL'),
    encryptionKeyArn: reader.matching('encryptionKeyArn', /^arn:[^:]+:kms:[^:]+:\d+:key\//, 'the ARN of a KMS key'),
    alarmTopicArn: reader.matching('alarmTopicArn', /^arn:[^:]+:sns:/, 'the ARN of an SNS topic'),
    reservedConcurrency: reader.wholeNumber('reservedConcurrency', { min: 1, max: 100_000 }),
    workerConcurrency: reader.wholeNumber('workerConcurrency', { min: 2, max: 1_000 }),
    maxActiveTasksPerOwner: reader.wholeNumber('maxActiveTasksPerOwner', { min: 1, max: 1_000_000 }),
    throttlingRateLimit: reader.wholeNumber('throttlingRateLimit', { min: 1, max: 10_000 }),
    throttlingBurstLimit: reader.wholeNumber('throttlingBurstLimit', { min: 1, max: 10_000 }),
    serverName: reader.matching('serverName', /^[\x20-\x7e]{1,64}$/, 'up to 64 printable ASCII characters'),
    tracing: reader.flag('tracing', false),
    protection: reader.flag('protection', true),
    internetAccess: reader.flag('internetAccess', authorization.mode === 'jwt'),
  };
  const problems = [
    ...misspelled(Object.keys(context), SETTING_NAMES),
    ...reader.problems,
    ...contradictions(reader, api, authorization.mode),
  ];
  if (problems.length > 0) throw new SettingsError(problems);
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as unknown as Settings;
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

function readAuthorization(reader: ContextReader): Authorization {
  for (const name of ['auth', ...JWT_SETTINGS]) reader.refuseEmpty(name);
  const mode = reader.oneOf('auth', AUTH_MODES, 'iam');
  const issuer = reader.httpsUrl('jwtIssuer');
  if (mode !== 'jwt') return { mode };
  if (reader.text('jwtIssuer') === undefined) {
    reader.problems.push('Context "auth" is "jwt", so the issuer of the tokens is needed: -c jwtIssuer=https://…');
  }
  const audience = reader.text('jwtAudience');
  const jwksUri = reader.httpsUrl('jwtJwksUri');
  const tenantClaim = reader.text('jwtTenantClaim');
  return {
    mode,
    issuer: issuer ?? '',
    scopes: (reader.text('jwtScopes') ?? '').split(/[ ,]+/).filter((scope) => scope !== ''),
    ...(audience === undefined ? {} : { audience }),
    ...(jwksUri === undefined ? {} : { jwksUri }),
    ...(tenantClaim === undefined ? {} : { tenantClaim }),
  };
}

/** Settings that are fine alone and not together. */
function contradictions(reader: ContextReader, api: ApiKind, mode: Authorization['mode']): string[] {
  const isSet = (name: string): boolean => reader.text(name) !== undefined;
  const refusals: readonly (readonly [boolean, string])[] = [
    [isSet('domainName') !== isSet('certificateArn'), 'Contexts "domainName" and "certificateArn" go together.'],
    [api !== 'rest' && isSet('domainName'), 'Context "domainName" needs -c api=rest.'],
    [api !== 'rest' && isSet('webAclArn'), 'Context "webAclArn" needs -c api=rest.'],
    [
      api === 'url' && (isSet('throttlingRateLimit') || isSet('throttlingBurstLimit')),
      'A function URL cannot throttle: use "reservedConcurrency", or -c api=rest.',
    ],
    ...JWT_SETTINGS.map((name) => [mode !== 'jwt' && isSet(name), `Context "${name}" needs -c auth=jwt.`] as const),
  ];
  return refusals.flatMap(([isWrong, problem]) => (isWrong ? [problem] : []));
}
