/** Two stacks: what must never be lost, and what can be deployed anew at any time. */
import { Arn, ArnFormat, type Environment, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import { DurableTaskServer } from './durable-task-server.ts';
import type { Settings } from './settings.ts';
import type { TaskStorage } from './storage.ts';
import { TaskCache } from './task-cache.ts';
import { TaskTable } from './task-table.ts';

export class StatefulStack extends Stack {
  readonly storage: TaskStorage;

  constructor(scope: Construct, id: string, settings: Settings, props: StackProps = {}) {
    const { backend, protection, internetAccess } = settings;
    const description = 'Durable MCP tasks: where they are stored';
    super(scope, id, { description, terminationProtection: protection, ...props });
    const common = {
      ...encryptionOf(this, settings),
      removalPolicy: protection ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    };
    this.storage =
      backend === 'dynamodb'
        ? new TaskTable(this, 'Tasks', { ...common, deletionProtection: protection })
        : new TaskCache(this, 'Tasks', { ...common, internetAccess });
  }
}

export class StatelessStack extends Stack {
  readonly server: DurableTaskServer;

  constructor(scope: Construct, id: string, settings: Settings, storage: TaskStorage, props: StackProps = {}) {
    super(scope, id, { description: 'Durable MCP tasks: endpoint and workers', ...props });
    const { domainName, certificateArn, alarmTopicArn } = settings;
    this.server = new DurableTaskServer(this, 'Server', {
      ...settings,
      storage,
      toolsEntry: settings.tools,
      ...encryptionOf(this, settings),
      ...(domainName === undefined || certificateArn === undefined
        ? {}
        : {
            customDomain: {
              domainName,
              certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn),
            },
          }),
      ...(alarmTopicArn === undefined
        ? {}
        : { alarmActions: [new SnsAction(Topic.fromTopicArn(this, 'AlarmTopic', alarmTopicArn))] }),
    });
  }
}

function encryptionOf(stack: Stack, { encryptionKeyArn }: Settings): { readonly encryptionKey?: IKey } {
  if (encryptionKeyArn === undefined) return {};
  return { encryptionKey: Key.fromKeyArn(stack, 'EncryptionKey', encryptionKeyArn) };
}

/**
 * Where the CDK command line says that the stacks go; without it (synthesis alone), anywhere. A table with a key of the
 * team's own needs its region, which is the key's.
 */
export function environmentOf({ encryptionKeyArn }: Settings, variables: NodeJS.ProcessEnv): Environment {
  const keyRegion =
    encryptionKeyArn === undefined ? undefined : Arn.split(encryptionKeyArn, ArnFormat.SLASH_RESOURCE_NAME).region;
  const account = variables['CDK_DEFAULT_ACCOUNT'];
  const region = variables['CDK_DEFAULT_REGION'] ?? keyRegion;
  return { ...(account === undefined ? {} : { account }), ...(region === undefined ? {} : { region }) };
}
