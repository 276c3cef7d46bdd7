/** A stack in somebody else's CDK app, as docs/deploying.md shows it. */
import { fileURLToPath } from 'node:url';
import { Stack } from 'aws-cdk-lib';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { DurableTaskServer, TaskTable } from '../../lib/index.ts';

export class TeamStack extends Stack {
  constructor(scope: Construct, id: string) {
    super(scope, id);
    const agentRole = new Role(this, 'Agent', { assumedBy: new ServicePrincipal('bedrock-agentcore.amazonaws.com') });
    const reports = new Bucket(this, 'Reports');
    // #region own-app
    const storage = new TaskTable(this, 'Tasks');
    const server = new DurableTaskServer(this, 'Server', {
      storage,
      authorization: { mode: 'iam' },
      toolsEntry: fileURLToPath(new URL('../../lambda/tools.ts', import.meta.url)),
    });
    server.endpoint.grantConnect(agentRole);
    reports.grantReadWrite(server.worker.worker);
    server.worker.worker.addEnvironment('REPORTS', reports.bucketName);
    // #endregion
  }
}
