/**
 * `npm run synth`: what `cdk deploy` would hand to CloudFormation, offline, for both stores and all kinds of API,
 * into a folder that is removed again. The bundles are made once for each store, since the API does not change
 * them; every template is held against CloudFormation's schemas. Prints a line each.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { type Context, FLAGS, JWT, stacksOf, VARIANTS } from './synthesized.ts';

const BUNDLED: readonly Context[] = [{ backend: 'dynamodb' }, { backend: 'redis' }];
const TEMPLATES_ONLY: readonly Context[] = [
  ...['dynamodb', 'redis'].flatMap((backend) => ['http', 'url'].map((api) => ({ backend, api, ...JWT }))),
  VARIANTS['DynamoDB, everything optional'] ?? {},
  VARIANTS['Redis, URL, own key, tracing, no protection'] ?? {},
];

const folder = mkdtempSync(join(tmpdir(), 'cdk-synth-'));
try {
  for (const context of BUNDLED) synthesize(context, {});
  for (const context of TEMPLATES_ONLY) synthesize(context, { 'aws:cdk:bundling-stacks': [] });
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Throws if a template is not what CloudFormation accepts. */
function synthesize(context: Context, flags: Readonly<Record<string, unknown>>): void {
  const startedAt = performance.now();
  const outdir = mkdtempSync(join(folder, 'out-'));
  const app = new App({ outdir, context: { ...FLAGS, ...flags } });
  stacksOf(app, context);
  const { stacks } = app.synth();
  const bundles = 'aws:cdk:bundling-stacks' in flags ? 'no bundles' : `bundles of ${bundleSizes(outdir).join(', ')} KB`;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`synth: ${nameOf(context)}: ${stacks.length} stacks, ${bundles} (${seconds} s)\n`);
}

function nameOf(context: Context): string {
  const { backend = 'dynamodb', api = 'rest', auth = 'iam', ...others } = context;
  const more = Object.keys(others).filter((name) => !name.startsWith('jwt')).length;
  return `${backend}, ${api}, ${auth}${more === 0 ? '' : `, ${more} more settings`}`;
}

function bundleSizes(outdir: string): number[] {
  const assets = readdirSync(outdir).filter((name) => name.startsWith('asset.'));
  return assets
    .map((asset) => Math.round(statSync(join(outdir, asset, 'index.mjs')).size / 1024))
    .sort((a, b) => b - a);
}
