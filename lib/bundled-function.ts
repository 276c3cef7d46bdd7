/**
 * A function out of `lambda/`, bundled by esbuild with the team's tools in the place of ours, and only with
 * the client of its own store. Sees `lambda/` as entry paths, words and environment. Its role may write its own
 * log and nothing else; everything more is granted by who needs it.
 */
import { fileURLToPath } from 'node:url';
import { type Duration, Validations } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SelectedSubnets } from 'aws-cdk-lib/aws-ec2';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  ApplicationLogLevel,
  Architecture,
  LoggingFormat,
  type RecursiveLoop,
  Runtime,
  SystemLogLevel,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogLevel, NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import type { Construct } from 'constructs';
import { type Environment, toVariables } from '../lambda/shared/environment.ts';
import { type BackendKind, VARIABLES } from '../lambda/shared/words.ts';
import { present } from '../src/present.ts';
import { type LogSettings, logGroup } from './log-settings.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface FunctionNetwork {
  readonly vpc?: IVpc;
  readonly vpcSubnets?: SelectedSubnets;
  readonly securityGroups?: ISecurityGroup[];
}

export interface BundledFunctionProps {
  /** The file in `lambda/`. */
  readonly entry: 'mcp.ts' | 'worker.ts' | 'agenda.ts' | 'dead-letter.ts';
  readonly description: string;
  readonly timeout: Duration;
  readonly memoryMiB: number;
  readonly backend: BackendKind;
  readonly environment: Environment;
  /** A module whose default export is the list of tools. */
  readonly toolsEntry: string;
  /** Where the function runs; empty: in no network of ours. */
  readonly network: FunctionNetwork;
  /** @default - from `info` on, for three months */
  readonly logs?: LogSettings | undefined;
  /** @default - not reserved */
  readonly reservedConcurrentExecutions?: number | undefined;
  /** @default RecursiveLoop.TERMINATE */
  readonly recursiveLoop?: RecursiveLoop | undefined;
  /** @default false */
  readonly tracing?: boolean | undefined;
}

/** An ESM bundle has no `require`, which some CommonJS dependencies call. */
const REQUIRE_BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

export function bundledFunction(scope: Construct, id: string, props: BundledFunctionProps): NodejsFunction {
  const { reservedConcurrentExecutions, recursiveLoop, tracing = false, logs = {} } = props;
  const log = logGroup(scope, `${id}Logs`, logs);
  const role = createRole(scope, `${id}Role`, props);
  log.grantWrite(role);
  return new NodejsFunction(scope, id, {
    entry: `${ROOT}lambda/${props.entry}`,
    handler: 'handler',
    description: props.description,
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    memorySize: props.memoryMiB,
    timeout: props.timeout,
    role,
    logGroup: log,
    loggingFormat: LoggingFormat.JSON,
    // Of each invocation Lambda would write three lines, which cost more than the invocation. At WARN, of those that fail.
    systemLogLevelV2: SystemLogLevel.WARN,
    // Never above INFO: metrics are lines without a level, which count as INFO. The functions hold back the rest themselves.
    applicationLogLevelV2: logs.level === 'debug' ? ApplicationLogLevel.DEBUG : ApplicationLogLevel.INFO,
    tracing: tracing ? Tracing.ACTIVE : Tracing.DISABLED,
    ...props.network,
    environment: {
      ...toVariables({ ...props.environment, ...present({ logLevel: logs.level }) }),
      NODE_OPTIONS: '--enable-source-maps',
    },
    ...present({ reservedConcurrentExecutions, recursiveLoop }),
    projectRoot: ROOT,
    depsLockFilePath: `${ROOT}package-lock.json`,
    bundling: {
      format: OutputFormat.ESM,
      logLevel: LogLevel.ERROR,
      target: 'node24',
      mainFields: ['module', 'main'],
      minify: true,
      sourceMap: true,
      sourcesContent: false,
      banner: REQUIRE_BANNER,
      // Only this, so the AWS clients are in the bundle: pinned, and smaller than the runtime's own copy is to load.
      // The durable SDK would load it for its managed service only, which is not used here.
      externalModules: ['@aws-sdk/client-lambda'],
      // Lets esbuild leave out the other store's client.
      define: { [`process.env.${VARIABLES.backend}`]: JSON.stringify(props.backend) },
      esbuildArgs: {
        '--alias:#tools': props.toolsEntry,
        '--alias:@aws-sdk/credential-provider-node': `${ROOT}lambda/shared/environment-credentials.ts`,
      },
    },
  });
}

/** Lambda's usual managed policy would let each function write every log of the account. */
function createRole(scope: Construct, id: string, { network, tracing, description }: BundledFunctionProps): Role {
  const role = new Role(scope, id, { assumedBy: new ServicePrincipal('lambda.amazonaws.com'), description });
  if (network.vpc !== undefined) {
    role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaENIManagementAccess'));
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaENIManagementAccess]',
      reason: 'Lambda attaches the function to its network; the network interfaces have no ARN before they exist.',
    });
  }
  if (tracing === true) {
    Validations.of(role).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason: 'xray:PutTraceSegments and xray:PutTelemetryRecords, which know no resources.',
    });
  }
  return role;
}
