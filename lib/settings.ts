/** What `cdk deploy -c name=value` may say, checked: each mistake is one clear sentence. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { AUTH_MODES, BACKENDS, type BackendKind } from '../lambda/shared/environment.ts';
import type { Authorization } from './authorization.ts';
import { API_KINDS, type ApiKind } from './mcp-endpoint.ts';

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
}

const KNOWN = [
  'stage',
  'backend',
  'api',
  'auth',
  'jwtIssuer',
  'jwtAudience',
  'jwtJwksUri',
  'jwtScopes',
  'jwtTenantClaim',
  'tools',
  'domainName',
  'certificateArn',
  'webAclArn',
] as const;
type Name = (typeof KNOWN)[number];

export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** `get` reads the CDK context. Throws a `SettingsError` that says which setting is wrong and what it may be. */
export function readSettings(get: (name: Name) => unknown): Settings {
  const text = (name: Name): string | undefined => {
    const value = get(name);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    throw new SettingsError(`Context "${name}" must be text.`);
  };
  const choice = <T extends string>(name: Name, allowed: readonly T[], otherwise?: T): T => {
    const value = text(name) ?? otherwise;
    const found = allowed.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    throw new SettingsError(`Context "${name}" must be one of ${allowed.join(', ')}: -c ${name}=${allowed[0]}`);
  };
  const stage = text('stage') ?? 'dev';
  if (!/^[a-z][a-z0-9-]{0,15}$/.test(stage)) {
    throw new SettingsError('Context "stage" has up to 16 lower-case letters, digits or "-", and begins with a letter.');
  }
  const tools = resolve(text('tools') ?? 'lambda/tools.ts');
  if (!existsSync(tools)) throw new SettingsError(`Context "tools" names ${text('tools')}, which does not exist.`);
  const domainName = text('domainName');
  const certificateArn = text('certificateArn');
  if ((domainName === undefined) !== (certificateArn === undefined)) {
    throw new SettingsError('Contexts "domainName" and "certificateArn" go together.');
  }
  const webAclArn = text('webAclArn');
  const api = choice('api', API_KINDS, 'rest');
  if (api !== 'rest' && (domainName ?? webAclArn) !== undefined) {
    throw new SettingsError('"domainName" and "webAclArn" need -c api=rest.');
  }
  return {
    stage,
    backend: choice('backend', BACKENDS, 'dynamodb'),
    api,
    authorization: authorizationOf(choice('auth', AUTH_MODES, 'iam'), text),
    tools,
    ...(domainName === undefined || certificateArn === undefined ? {} : { domainName, certificateArn }),
    ...(webAclArn === undefined ? {} : { webAclArn }),
  };
}

function authorizationOf(mode: Authorization['mode'], text: (name: Name) => string | undefined): Authorization {
  if (mode !== 'jwt') {
    if (text('jwtIssuer') !== undefined) throw new SettingsError('"jwtIssuer" is set, so -c auth=jwt is missing.');
    return { mode };
  }
  const issuer = text('jwtIssuer');
  if (issuer === undefined || !URL.canParse(issuer) || new URL(issuer).protocol !== 'https:') {
    throw new SettingsError('-c auth=jwt needs the issuer as an https URL: -c jwtIssuer=https://…');
  }
  const audience = text('jwtAudience');
  const jwksUri = text('jwtJwksUri');
  const tenantClaim = text('jwtTenantClaim');
  return {
    mode,
    issuer,
    scopes: (text('jwtScopes') ?? '').split(/[ ,]+/).filter((scope) => scope !== ''),
    ...(audience === undefined ? {} : { audience }),
    ...(jwksUri === undefined ? {} : { jwksUri }),
    ...(tenantClaim === undefined ? {} : { tenantClaim }),
  };
}
