/** Two stacks: what must never be lost, and what can be deployed anew at any time. */
import { type Environment, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { present } from '../src/present.ts';
import type { FunctionNetwork } from './bundled-function.ts';
import { DurableTaskServer } from './durable-task-server.ts';
import { existingVpc, functionsIn } from './existing-network.ts';
import type { LogSettings } from './log-settings.ts';
import type { Settings } from './settings.ts';
import type { TaskStorage } from './storage.ts';
import { TaskCache } from './task-cache.ts';
import { TaskTable } from './task-table.ts';

export class StatefulStack extends Stack {
  readonly storage: TaskStorage;

  constructor(scope: Construct, id: string, settings: Settings, props: StackProps = {}) {
    const { backend, protection, tableName } = settings;
    const description = 'Durable MCP tasks: where they are stored';
    super(scope, id, { description, terminationProtection: protection, ...props });
    const common = {
      ...encryptionOf(this, settings),
      removalPolicy: protection ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };
    this.storage =
      backend === 'dynamodb'
        ? new TaskTable(this, 'Tasks', { ...common, deletionProtection: protection, existingTableName: tableName })
        : new TaskCache(this, 'Tasks', {
            ...common,
            ...networkOfTheCache(this, settings),
            logs: logsOf(this, settings),
          });
  }
}

function networkOfTheCache(stack: Stack, { existingNetwork, internetAccess, availabilityZones }: Settings) {
  if (existingNetwork !== undefined) return { vpc: existingVpc(stack, existingNetwork) };
  return { internetAccess, availabilityZones };
}

export class StatelessStack extends Stack {
  readonly server: DurableTaskServer;

  constructor(scope: Construct, id: string, settings: Settings, storage: TaskStorage, props: StackProps = {}) {
    super(scope, id, { description: 'Durable MCP tasks: endpoint and workers', ...props });
    const { domainName, certificateArn, alarmTopicArn } = settings;
    this.server = new DurableTaskServer(this, 'Server', {
      ...settings,
      deployment: settings.stage,
      storage,
      toolsEntry: settings.tools,
      logs: logsOf(this, settings),
      ...networkOfTheFunctions(this, settings),
      ...encryptionOf(this, settings),
      customDomain:
        domainName === undefined || certificateArn === undefined
          ? undefined
          : { domainName, certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn) },
      alarmActions:
        alarmTopicArn === undefined
          ? undefined
          : [new SnsAction(Topic.fromTopicArn(this, 'AlarmTopic', alarmTopicArn))],
    });
  }
}

/** With Redis the functions are where the cache is. */
function networkOfTheFunctions(stack: Stack, settings: Settings): { readonly network?: FunctionNetwork } {
  const { backend, existingNetwork } = settings;
  if (backend === 'redis' || existingNetwork === undefined) return {};
  return { network: functionsIn(stack, existingNetwork) };
}

function logsOf(stack: Stack, { logLevel, logRetentionDays, logKeyArn }: Settings): LogSettings {
  return {
    level: logLevel,
    retention: logRetentionDays,
    encryptionKey: logKeyArn === undefined ? undefined : Key.fromKeyArn(stack, 'LogKey', logKeyArn),
  };
}

function encryptionOf(stack: Stack, { encryptionKeyArn }: Settings): { readonly encryptionKey?: IKey } {
  if (encryptionKeyArn === undefined) return {};
  return { encryptionKey: Key.fromKeyArn(stack, 'EncryptionKey', encryptionKeyArn) };
}

/**
 * Where the stacks go; without a command line that says so (synthesis alone), anywhere. A table with a key of the
 * team's own needs its region, which is the key's.
 */
export function environmentOf({ region }: Settings, account: string | undefined): Environment {
  return present({ account, region });
}
