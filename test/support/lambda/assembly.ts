/**
 * The cloud assembly of `bin/app.ts`, and out of it what a local deployment needs: the very bundles that deploy,
 * their variables, timeouts and event sources, and the queues' settings.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { FunctionSettings } from './function-instance.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const STAGE = 'test';
const STACK = `mcp-tasks-${STAGE}`;

/**
 * What a function with its tools may weigh, minified, and how much longer it may load than a bundle of the bare MCP SDK
 * and DynamoDB client. On DynamoDB: the Redis client comes on top where it is used. Workflow prompts have added 46 kB to the
 * MCP function (894 kB without them): 38 of them our own code, the rest what the SDK has for prompts and resources.
 */
export const BUNDLE_BUDGETS = {
  mcp: { ratio: 1.25, kilobytes: 960 },
  worker: { ratio: 1.5, kilobytes: 1_200 },
} as const;

export interface EventSource {
  readonly batchSize: number;
  readonly maxConcurrency: number;
  readonly reportsFailures: boolean;
}

export interface QueueSettings {
  readonly visibilityTimeoutSeconds: number;
  readonly maxReceiveCount: number;
  readonly deadLetterVisibilityTimeoutSeconds: number;
}

export interface Assembly {
  readonly mcp: FunctionSettings;
  readonly worker: FunctionSettings & { readonly eventSource: EventSource };
  readonly looker: FunctionSettings;
  readonly deadLetter: FunctionSettings & { readonly eventSource: EventSource };
  readonly queue: QueueSettings;
}

interface Resource {
  readonly Type: string;
  readonly Properties: Record<string, unknown>;
}

/** Synthesizes offline, into `.cache/assemblies/NAME`. `context` is what `cdk deploy -c` would be given. */
export async function synthesize(name: string, context: Readonly<Record<string, string>>): Promise<Assembly> {
  const folder = join(ROOT, '.cache', 'assemblies', name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { context: ofFile } = JSON.parse(await readFile(join(ROOT, 'cdk.json'), 'utf8')) as { context: object };
  const { NODE_OPTIONS: _ofJest, ...inherited } = process.env;
  await promisify(execFile)(process.execPath, ['bin/app.ts'], {
    cwd: ROOT,
    env: {
      ...inherited,
      CDK_OUTDIR: folder,
      CDK_CONTEXT_JSON: JSON.stringify({ ...ofFile, stage: STAGE, ...context }),
    },
    maxBuffer: 16 * 1024 * 1024,
  });
  const resources = await readResources(folder);
  return {
    mcp: functionOf('Server/Endpoint/Function/', resources, folder),
    worker: withEventSource('Server/Worker/Worker/', resources, folder),
    looker: functionOf('Server/Worker/Looker/', resources, folder),
    deadLetter: withEventSource('Server/Worker/DeadLetterConsumer/', resources, folder),
    queue: queueOf(resources),
  };
}

interface Resources {
  readonly byId: Readonly<Record<string, Resource>>;
  /** Folder of the asset with that display name's beginning. */
  readonly assets: readonly { readonly name: string; readonly hash: string; readonly path: string }[];
}

async function readResources(folder: string): Promise<Resources> {
  const read = async (file: string) => JSON.parse(await readFile(join(folder, file), 'utf8')) as unknown;
  const { Resources: byId } = (await read(`${STACK}.template.json`)) as { Resources: Record<string, Resource> };
  const { files } = (await read(`${STACK}.assets.json`)) as {
    files: Record<string, { displayName: string; source: { path: string } }>;
  };
  const assets = Object.entries(files).map(([hash, { displayName, source }]) => ({
    name: displayName,
    hash,
    path: source.path,
  }));
  return { byId, assets };
}

function functionOf(
  constructPath: string,
  resources: Resources,
  folder: string,
): FunctionSettings & { readonly id: string } {
  const { byId, assets } = resources;
  const asset = assets.find(({ name }) => name.startsWith(constructPath));
  const [id, resource] = named(byId, ({ Type, Properties }) => {
    const code = Properties['Code'] as { S3Key?: unknown } | undefined;
    return Type === 'AWS::Lambda::Function' && asset !== undefined && code?.S3Key === `${asset.hash}.zip`;
  });
  const { Environment, Timeout, MemorySize, Handler } = resource.Properties as {
    Environment: { Variables: Record<string, unknown> };
    Timeout: number;
    MemorySize: number;
    Handler: string;
  };
  // What refers to other resources is known only once they exist.
  const texts = Object.entries(Environment.Variables).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return {
    id,
    name: constructPath.split('/').at(-2) ?? constructPath,
    file: join(folder, asset?.path ?? '', `${Handler.split('.')[0]}.mjs`),
    variables: Object.fromEntries(texts),
    timeoutMs: Timeout * 1000,
    memoryMiB: MemorySize,
  };
}

function withEventSource(constructPath: string, resources: Resources, folder: string) {
  const settings = functionOf(constructPath, resources, folder);
  const [, { Properties }] = named(resources.byId, (resource) => {
    const of = resource.Properties['FunctionName'] as { Ref?: unknown } | undefined;
    return resource.Type === 'AWS::Lambda::EventSourceMapping' && of?.Ref === settings.id;
  });
  const {
    BatchSize,
    ScalingConfig,
    FunctionResponseTypes = [],
  } = Properties as {
    BatchSize: number;
    ScalingConfig?: { MaximumConcurrency: number };
    FunctionResponseTypes?: string[];
  };
  const eventSource: EventSource = {
    batchSize: BatchSize,
    maxConcurrency: ScalingConfig?.MaximumConcurrency ?? 5,
    reportsFailures: FunctionResponseTypes.includes('ReportBatchItemFailures'),
  };
  return { ...settings, eventSource };
}

function queueOf({ byId }: Resources): QueueSettings {
  const [, { Properties: queue }] = named(
    byId,
    ({ Type, Properties }) => Type === 'AWS::SQS::Queue' && 'RedrivePolicy' in Properties,
  );
  const { VisibilityTimeout, RedrivePolicy } = queue as {
    VisibilityTimeout: number;
    RedrivePolicy: { maxReceiveCount: number; deadLetterTargetArn: { 'Fn::GetAtt': [string, string] } };
  };
  const deadLetters = byId[RedrivePolicy.deadLetterTargetArn['Fn::GetAtt'][0]];
  return {
    visibilityTimeoutSeconds: VisibilityTimeout,
    maxReceiveCount: RedrivePolicy.maxReceiveCount,
    deadLetterVisibilityTimeoutSeconds: Number(deadLetters?.Properties['VisibilityTimeout']),
  };
}

function named(byId: Readonly<Record<string, Resource>>, isIt: (resource: Resource) => boolean): [string, Resource] {
  const found = Object.entries(byId).find(([, resource]) => isIt(resource));
  if (found === undefined) throw new Error('The synthesized template has no such resource.');
  return found;
}
