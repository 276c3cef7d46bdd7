/** The CDK app: reads its settings from the context, and names its stacks after the stage. */
import { App, Tags } from 'aws-cdk-lib';
import { readSettings, SettingsError } from '../lib/settings.ts';
import { StatefulStack, StatelessStack } from '../lib/stacks.ts';

const app = new App();
try {
  const settings = readSettings((name) => app.node.tryGetContext(name));
  const env = {
    ...(process.env.CDK_DEFAULT_ACCOUNT === undefined ? {} : { account: process.env.CDK_DEFAULT_ACCOUNT }),
    ...(process.env.CDK_DEFAULT_REGION === undefined ? {} : { region: process.env.CDK_DEFAULT_REGION }),
  };
  const { storage } = new StatefulStack(app, `mcp-tasks-${settings.stage}-state`, settings, { env });
  new StatelessStack(app, `mcp-tasks-${settings.stage}`, settings, storage, { env });
  Tags.of(app).add('application', 'mcp-durable-tasks');
  Tags.of(app).add('stage', settings.stage);
  app.synth();
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
