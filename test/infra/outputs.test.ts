/** What the stacks say of themselves: all that docs/operations.md needs a name for. */
import { describe, expect, test } from '@jest/globals';
import { Template } from 'aws-cdk-lib/assertions';
import { appWithoutBundling, type Context, stacksOf } from './synthesized.ts';

const COMMON = {
  EndpointUrl: expect.anything(),
  EndpointFunctionName: { Ref: expect.stringMatching(/^ServerEndpointFunction/) },
  QueueUrl: { Ref: expect.stringMatching(/^ServerQueue/) },
  DeadLettersUrl: { Ref: expect.stringMatching(/^ServerQueueDeadLetters/) },
  DeadLettersArn: { 'Fn::GetAtt': [expect.stringMatching(/^ServerQueueDeadLetters/), 'Arn'] },
  WorkerDeadLettersMapping: { Ref: expect.stringMatching(/DeadLetter/) },
  EndpointLog: { Ref: expect.stringMatching(/^ServerEndpointFunctionLogs/) },
  WorkerLog: { Ref: expect.stringMatching(/^ServerWorkerWorkerLogs/) },
  DeadLettersLog: { Ref: expect.stringMatching(/DeadLetterConsumerLogs/) },
  DashboardName: { Ref: expect.stringMatching(/Dashboard/) },
};

function outputsOf(context: Context): Record<string, unknown> {
  const { state, server } = stacksOf(appWithoutBundling(), context);
  const all = [state, server].flatMap((stack) => Object.entries(Template.fromStack(stack).findOutputs('*')));
  return Object.fromEntries(
    all.map(([id, output]) => [
      id.replace(/^(Server(Queue|Monitoring)?|Tasks)/, '').replace(/[0-9A-F]{8}$/, ''),
      output['Value'],
    ]),
  );
}

describe('the outputs', () => {
  test.each([
    ['table', {}, { TableName: { Ref: expect.stringMatching(/^TasksTable/) } }],
    ['cache', { backend: 'redis' }, { CacheName: expect.stringMatching(/^statetasks/) }],
  ] as const)('name queue, dead letters, %s, log groups and dashboard [AWS-11]', (_name, context, own) => {
    expect(outputsOf(context)).toMatchObject({ ...COMMON, ...own });
  });

  test('name what direct invocations go to: the code that is live, where traffic shifts [AWS-11 AWS-3]', () => {
    const { EndpointFunctionName } = outputsOf({ rollout: 'canary' });

    expect(JSON.stringify(EndpointFunctionName)).toMatch(/ServerEndpointLive/);
  });
});
