/**
 * A function out of `lambda/`, bundled by esbuild with the team's tools in the place of ours, and only with
 * the client of its own store. Sees `lambda/` as entry paths and environment names.
 */
import { fileURLToPath } from 'node:url';
import type { Duration } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc, SelectedSubnets } from 'aws-cdk-lib/aws-ec2';
import { Architecture, LoggingFormat, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import { type BackendKind, type Environment, toVariables, VARIABLES } from '../lambda/shared/environment.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface BundledFunctionProps {
  /** The file in `lambda/`. */
  readonly entry: 'mcp.ts' | 'worker.ts' | 'dead-letter.ts';
  readonly description: string;
  readonly timeout: Duration;
  readonly memoryMiB: number;
  readonly backend: BackendKind;
  readonly environment: Environment;
  /** A module whose default export is the list of tools. */
  readonly toolsEntry: string;
  /** Where the function runs; empty: in no network of ours. */
  readonly network: { readonly vpc?: IVpc; readonly vpcSubnets?: SelectedSubnets; readonly securityGroups?: ISecurityGroup[] };
  /** @default - not reserved */
  readonly reservedConcurrentExecutions?: number;
}

/** An ESM bundle has no `require`, which some CommonJS dependencies call. */
const REQUIRE_BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

export function bundledFunction(scope: Construct, id: string, props: BundledFunctionProps): NodejsFunction {
  const logGroup = new LogGroup(scope, `${id}Logs`, { retention: RetentionDays.THREE_MONTHS });
  return new NodejsFunction(scope, id, {
    entry: `${ROOT}lambda/${props.entry}`,
    handler: 'handler',
    description: props.description,
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    memorySize: props.memoryMiB,
    timeout: props.timeout,
    logGroup,
    loggingFormat: LoggingFormat.JSON,
    tracing: Tracing.DISABLED,
    ...props.network,
    environment: { ...toVariables(props.environment), NODE_OPTIONS: '--enable-source-maps' },
    ...(props.reservedConcurrentExecutions === undefined
      ? {}
      : { reservedConcurrentExecutions: props.reservedConcurrentExecutions }),
    projectRoot: ROOT,
    depsLockFilePath: `${ROOT}package-lock.json`,
    bundling: {
      format: OutputFormat.ESM,
      target: 'node24',
      mainFields: ['module', 'main'],
      minify: true,
      sourceMap: true,
      sourcesContent: false,
      banner: REQUIRE_BANNER,
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
