/** cdk-nag's AwsSolutions rules over every variant: no finding without a written reason, no reason without a finding. */
import { describe, expect, test } from '@jest/globals';
import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { appWithoutBundling, stacksOf, VARIANTS } from './synthesized.ts';

interface Acknowledged {
  readonly path: string;
  readonly id: string;
  readonly reason: string;
}

function findingsOf(app: App): { readonly path: string; readonly id: string }[] {
  const { violations } = new AwsSolutionsChecks(app).validateScope(app);
  return violations.flatMap(({ ruleName, violatingResources }) =>
    violatingResources.map(({ constructPath }) => ({ path: constructPath ?? '', id: ruleName })),
  );
}

/** All acknowledgements in the app, which are taken out of it, so that the rules are heard again. */
function takeAcknowledgements(app: App): Acknowledged[] {
  return app.node.findAll().flatMap(({ node }) =>
    node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) => {
        const reasons = data as Record<string, string>;
        return Object.entries(reasons).map(([qualified, reason]) => {
          delete reasons[qualified];
          return { path: node.path, id: qualified.replace(/^annotation::/i, ''), reason };
        });
      })
      // CDK has some of its own, for other rules.
      .filter(({ id }) => id.startsWith('AwsSolutions-')),
  );
}

describe.each(Object.entries(VARIANTS))('%s', (_name, context) => {
  test('has no finding of cdk-nag’s AwsSolutions but those with a reason [SEC-5 AWS-1]', () => {
    const app = appWithoutBundling();
    stacksOf(app, context);
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));

    // Throws with the findings.
    app.synth();
    expect(findingsOf(app)).toEqual([]);
  });

  test('gives a reason where the resource is made, and only for what cdk-nag finds there [SEC-5]', () => {
    const app = appWithoutBundling();
    stacksOf(app, context);
    app.synth();
    const acknowledged = takeAcknowledgements(app);
    const findings = findingsOf(app);
    const idle = acknowledged.filter(
      ({ path, id }) => !findings.some((found) => found.id === id && `${found.path}/`.startsWith(`${path}/`)),
    );
    const sweeping = acknowledged.filter(({ path }) => path.split('/').length < 3);

    expect(idle).toEqual([]);
    expect(sweeping).toEqual([]);
    expect(acknowledged.filter(({ reason }) => !/^\S.{30,}\.$/.test(reason))).toEqual([]);
  });
});
