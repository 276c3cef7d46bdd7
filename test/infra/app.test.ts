/** `bin/app.ts` as the CDK command line starts it: a program with context in its environment. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../scripts/syntax.ts';

const folder = mkdtempSync(join(tmpdir(), 'cdk-app-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function runApp(context: Readonly<Record<string, unknown>>) {
  const { status, stderr } = spawnSync(process.execPath, ['bin/app.ts'], {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      CDK_OUTDIR: folder,
      CDK_VALIDATION: 'false',
      CDK_CONTEXT_JSON: JSON.stringify({ 'aws:cdk:bundling-stacks': [], ...context }),
    },
  });
  return { status, stderr };
}

describe('the app', () => {
  test('ends with status 2 and a sentence for each mistake, without a stack trace [AWS-1]', () => {
    const { status, stderr } = runApp({ backend: 'dynamo', bakend: 'redis' });

    expect(status).toBe(2);
    expect(stderr.trim().split('\n')).toEqual([
      'Context "bakend" is no setting; "backend" is one.',
      'Context "backend" must be one of dynamodb, redis; it is "dynamo".',
    ]);
  });

  test('makes two stacks named after the stage, the server’s after the state’s [AWS-1]', () => {
    const { status, stderr } = runApp({ stage: 'prod' });
    const { artifacts } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as {
      readonly artifacts: Readonly<Record<string, { readonly dependencies?: readonly string[] }>>;
    };

    expect([status, stderr]).toEqual([0, '']);
    expect(Object.keys(artifacts)).toEqual(expect.arrayContaining(['mcp-tasks-prod-state', 'mcp-tasks-prod']));
    expect(artifacts['mcp-tasks-prod']?.dependencies).toContain('mcp-tasks-prod-state');
  });
});
