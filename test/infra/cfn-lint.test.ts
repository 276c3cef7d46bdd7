/** Every combination of settings that gives other templates, held against CloudFormation's own rules. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { type App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AUTH_MODES, BACKENDS } from '../../lambda/shared/words.ts';
import { API_KINDS } from '../../lib/front.ts';
import { ROLLOUTS } from '../../lib/rollout.ts';
import { openCfnLint } from '../support/cfn-lint.ts';
import { appWithoutBundling, type Context, JWT, OWN_DOMAIN, stacksOf, VARIANTS } from './synthesized.ts';

const REGION = 'eu-central-1';
const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function combinations(): readonly Context[] {
  const all = BACKENDS.flatMap((backend) =>
    API_KINDS.flatMap((api) =>
      AUTH_MODES.flatMap((auth) =>
        ROLLOUTS.filter((name) => name !== 'linear').map((rollout) => ({ backend, api, auth, rollout })),
      ),
    ),
  );
  return all.map((context) => ({
    ...context,
    ...(context.auth === 'jwt' ? JWT : {}),
    ...(context.auth === 'jwt' && context.api === 'rest' ? OWN_DOMAIN : {}),
  }));
}

/** Each template once, however many combinations come to it. */
function writeTemplates(contexts: readonly Context[]): string[] {
  const texts = new Map<string, string>();
  for (const context of contexts) {
    const app: App = appWithoutBundling();
    stacksOf(app, context);
    for (const stack of app.node.children.filter((child) => child instanceof Stack)) {
      const text = JSON.stringify(Template.fromStack(stack).toJSON());
      const name = `${Object.values(context).join('-').replaceAll(/\W+/g, '-').slice(0, 60)}-${texts.size}-${stack.node.id}.json`;
      if (!texts.has(text)) texts.set(text, join(folder, name));
    }
  }
  for (const [text, file] of texts) writeFileSync(file, text);
  return [...texts.values()];
}

test(
  'cfn-lint finds no fault with any combination of settings [AWS-11]',
  async () => {
    const cfnLint = await openCfnLint();
    if (cfnLint === undefined) return;
    const templates = writeTemplates([...combinations(), ...Object.values(VARIANTS)]);

    expect(templates.length).toBeGreaterThan(30);
    expect(await cfnLint.lint(templates, REGION)).toEqual([]);
  },
  15 * 60_000,
);
