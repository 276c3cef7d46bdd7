/** Two stacks: what must never be lost, and what can be deployed anew at any time. */
import { Stack, type StackProps } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { Construct } from 'constructs';
import { DurableTaskServer } from './durable-task-server.ts';
import type { Settings } from './settings.ts';
import type { TaskStorage } from './storage.ts';
import { TaskCache } from './task-cache.ts';
import { TaskTable } from './task-table.ts';

export class StatefulStack extends Stack {
  readonly storage: TaskStorage;

  constructor(scope: Construct, id: string, settings: Settings, props: StackProps = {}) {
    super(scope, id, { description: 'Durable MCP tasks: where they are stored', terminationProtection: true, ...props });
    this.storage =
      settings.backend === 'dynamodb'
        ? new TaskTable(this, 'Tasks')
        : // Keys of a token issuer are fetched over the internet.
          new TaskCache(this, 'Tasks', { internetAccess: settings.authorization.mode === 'jwt' });
  }
}

export class StatelessStack extends Stack {
  readonly server: DurableTaskServer;

  constructor(scope: Construct, id: string, settings: Settings, storage: TaskStorage, props: StackProps = {}) {
    super(scope, id, { description: 'Durable MCP tasks: endpoint and workers', ...props });
    const { api, authorization, tools, domainName, certificateArn, webAclArn } = settings;
    this.server = new DurableTaskServer(this, 'Server', {
      storage,
      api,
      authorization,
      toolsEntry: tools,
      ...(domainName === undefined || certificateArn === undefined
        ? {}
        : { customDomain: { domainName, certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn) } }),
      ...(webAclArn === undefined ? {} : { webAclArn }),
    });
  }
}
