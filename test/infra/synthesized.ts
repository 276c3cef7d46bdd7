/**
 * The app's two stacks as templates, for any settings. Without bundling, so that a test takes as long as CDK does;
 * what is in the bundles is tested where they run.
 */
import { readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { readSettings } from '../../lib/settings.ts';
import { environmentOf, StatefulStack, StatelessStack } from '../../lib/stacks.ts';

/** The feature flags that the app is deployed with. */
export const { context: FLAGS } = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8')) as {
  readonly context: Readonly<Record<string, unknown>>;
};

export type Context = Readonly<Record<string, string>>;
export type Properties = Readonly<Record<string, unknown>>;

export const KEY_ARN = 'arn:aws:kms:eu-central-1:111111111111:key/0f8fad5b-d9cb-469f-a165-70867728950e';

export const JWT: Context = { auth: 'jwt', jwtIssuer: 'https://issuer.example.com' };
/** What tokens need at a REST API. */
export const OWN_DOMAIN: Context = {
  domainName: 'tasks.example.com',
  certificateArn: 'arn:aws:acm:eu-central-1:111111111111:certificate/0f8fad5b-d9cb-469f-a165-70867728950e',
};
export const OWN_NETWORK: Context = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  availabilityZones: 'eu-central-1a,eu-central-1b',
};

export interface Resource {
  readonly id: string;
  readonly type: string;
  readonly properties: Properties;
  readonly raw: Properties;
}

export interface Synthesized {
  readonly app: App;
  readonly state: readonly Resource[];
  readonly server: readonly Resource[];
  readonly outputs: Readonly<Record<string, { readonly Value: unknown }>>;
}

/** An app with our feature flags that leaves assets unbundled and templates unvalidated: `npm run synth` does both. */
export function appWithoutBundling(context: Readonly<Record<string, unknown>> = {}): App {
  process.env['CDK_VALIDATION'] = 'false';
  return new App({ context: { ...FLAGS, 'aws:cdk:bundling-stacks': [], ...context } });
}

export function stacksOf(app: App, context: Context): { state: StatefulStack; server: StatelessStack } {
  const settings = readSettings(context);
  const env = environmentOf(settings, undefined);
  const state = new StatefulStack(app, 'state', settings, { env });
  return { state, server: new StatelessStack(app, 'server', settings, state.storage, { env }) };
}

const made = new Map<string, Synthesized>();

export function synthesize(context: Context = {}): Synthesized {
  const key = JSON.stringify(context);
  const before = made.get(key);
  if (before !== undefined) return before;
  const app = appWithoutBundling();
  const stacks = stacksOf(app, context);
  const server = Template.fromStack(stacks.server);
  const synthesized = {
    app,
    state: resourcesOf(Template.fromStack(stacks.state)),
    server: resourcesOf(server),
    outputs: server.findOutputs('*') as Synthesized['outputs'],
  };
  made.set(key, synthesized);
  return synthesized;
}

export function resourcesOf(template: Template): Resource[] {
  const { Resources = {} } = template.toJSON() as { Resources?: Record<string, Properties> };
  return Object.entries(Resources).map(([id, raw]) => ({
    id,
    type: String(raw['Type']),
    properties: (raw['Properties'] ?? {}) as Properties,
    raw,
  }));
}

export function ofType(resources: readonly Resource[], type: string): Resource[] {
  return resources.filter((resource) => resource.type === type);
}

/** The one resource of its type whose logical id matches. */
export function only(resources: readonly Resource[], type: string, id = /(?:)/): Resource {
  const found = ofType(resources, type).filter((resource) => id.test(resource.id));
  const [resource] = found;
  if (resource === undefined || found.length > 1) throw new Error(`${found.length} resources ${type} ${id}, not one`);
  return resource;
}

/** All settings that give other resources, by name. */
export const VARIANTS: Readonly<Record<string, Context>> = {
  'DynamoDB, REST, IAM': {},
  'DynamoDB, REST, JWT': { ...JWT, ...OWN_DOMAIN },
  'DynamoDB, REST, nobody checked': { auth: 'none' },
  'DynamoDB, HTTP, JWT': { api: 'http', ...JWT },
  'DynamoDB, HTTP, IAM': { api: 'http' },
  'DynamoDB, HTTP, IAM, from web pages': { api: 'http', allowedOrigins: 'https://app.example.com' },
  'DynamoDB, URL, IAM': { api: 'url' },
  'DynamoDB, URL, IAM, from web pages': { api: 'url', allowedOrigins: 'https://app.example.com' },
  'DynamoDB, URL, JWT': { api: 'url', ...JWT },
  'DynamoDB, HTTP, nobody checked': { api: 'http', auth: 'none' },
  'DynamoDB, everything optional': {
    ...OWN_DOMAIN,
    ...OWN_NETWORK,
    callerAccounts: '222222222222,333333333333',
    allowedOrigins: 'https://app.example.com,http://localhost:6274',
    rollout: 'canary',
    logLevel: 'warn',
    logRetentionDays: '30',
    logKeyArn: KEY_ARN,
    memoryMiB: '1024',
    leaseMs: '20000',
    serverVersion: '1.2.3',
    workerReservedConcurrency: '8',
    apiGatewayLogRole: 'false',
    webAclArn: 'arn:aws:wafv2:eu-central-1:111111111111:regional/webacl/a/0f8fad5b-d9cb-469f-a165-70867728950e',
    encryptionKeyArn: KEY_ARN,
    alarmTopicArn: 'arn:aws:sns:eu-central-1:111111111111:alarms',
    tracing: 'true',
    reservedConcurrency: '20',
    workerConcurrency: '7',
    throttlingRateLimit: '3',
    throttlingBurstLimit: '5',
    maxActiveTasksPerOwner: '11',
    maxStreamSeconds: '120',
    headers: 'lenient',
    taskTools: 'true',
    serverName: 'acme tasks',
  },
  'Redis, REST, IAM': { backend: 'redis' },
  'Redis, HTTP, JWT, gradual': { backend: 'redis', api: 'http', rollout: 'linear', ...JWT },
  'Redis, REST, in a network of the team’s': { backend: 'redis', ...OWN_NETWORK },
  'Redis, URL, own key, tracing, no protection': {
    backend: 'redis',
    api: 'url',
    encryptionKeyArn: KEY_ARN,
    tracing: 'true',
    protection: 'false',
    rollout: 'canary',
    callerAccounts: '222222222222',
    availabilityZones: 'eu-central-1b,eu-central-1c',
  },
};
