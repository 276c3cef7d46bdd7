/** The official suite's task scenarios against the deployed bundles, with its fixture tools bundled through `-c tools=`. */
import { expect, test } from '@jest/globals';
import { remarksOf, totalsOf } from '../conformance/report.ts';
import { runScenarios, TASK_SCENARIOS } from '../conformance/suite.ts';
import { deploy } from '../support/lambda/deployment.ts';

test('all ten task scenarios of the conformance suite pass through the deployed bundles [AWS-2 MOD-1]', async () => {
  await using deployment = await deploy({
    name: 'conformance',
    context: { auth: 'none', tools: 'test/support/lambda/conformance-tools.ts' },
    dynamoDbEndpoint: process.env['TEST_DYNAMODB_ENDPOINT'] ?? '',
  });

  const results = await runScenarios(deployment.url, TASK_SCENARIOS);

  const { passed, failed } = totalsOf(results);
  expect({ failed, remarks: failed === 0 ? '' : remarksOf(results) }).toEqual({ failed: 0, remarks: '' });
  expect(results.map(({ scenario }) => scenario)).toEqual(TASK_SCENARIOS);
  expect(passed).toBeGreaterThanOrEqual(40);
});
