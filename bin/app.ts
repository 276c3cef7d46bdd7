/** The CDK app: reads its settings from the context, and names its stacks after the stage. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { App, Tags } from 'aws-cdk-lib';
import { readSettings, SettingsError } from '../lib/settings.ts';
import { environmentOf, StatefulStack, StatelessStack } from '../lib/stacks.ts';
import { present } from '../src/present.ts';

const app = new App();
try {
  const { CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region } = process.env;
  const settings = readSettings(
    app.node.getAllContext() as Readonly<Record<string, unknown>>,
    present({ account, region }),
  );
  const env = environmentOf(settings, account);
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
