/** New code that comes bit by bit: what callers are connected to, and which alarms turn it back. */
import { describe, expect, test } from '@jest/globals';
import { type Context, ofType, only, type Properties, synthesize } from './synthesized.ts';

const GRADUAL: readonly Context[] = [
  { rollout: 'canary' },
  { rollout: 'linear', api: 'http' },
  { rollout: 'canary', api: 'url' },
];

function deploymentsOf(context: Context) {
  const { server } = synthesize(context);
  return Object.fromEntries(
    ['Endpoint', 'Worker'].map((name) => {
      const group = only(server, 'AWS::CodeDeploy::DeploymentGroup', new RegExp(`Rollout${name}`)).properties;
      const { Alarms } = group['AlarmConfiguration'] as {
        readonly Alarms: readonly { readonly Name: { Ref: string } }[];
      };
      return [name, { group, alarms: Alarms.map(({ Name }) => /Monitoring(\w+?)[0-9A-F]{8}$/.exec(Name.Ref)?.[1]) }];
    }),
  ) as unknown as Record<'Endpoint' | 'Worker', { readonly group: Properties; readonly alarms: readonly string[] }>;
}

describe('a gradual rollout', () => {
  test.each(GRADUAL)('connects API and queue to what shifts, and to nothing else: %j [AWS-11]', (context) => {
    const { server } = synthesize(context);
    const shifting = ofType(server, 'AWS::Lambda::Alias').filter(({ raw }) => raw['UpdatePolicy'] !== undefined);
    // A function URL names its alias by name, and waits for it.
    const callers = server.filter(({ type }) =>
      /EventSourceMapping|ApiGateway::Method|ApiGatewayV2::Integration|Lambda::Url/.test(type),
    );
    const reached = callers.map(({ properties, raw }) => JSON.stringify([properties, raw['DependsOn']])).join();
    const straight = callers.filter(({ properties }) => properties['Qualifier'] === undefined);
    const functions = ofType(server, 'AWS::Lambda::Function').filter(({ id }) =>
      straight.some(({ properties }) => JSON.stringify(properties).includes(`"${id}"`)),
    );

    expect(shifting).toHaveLength(2);
    expect(shifting.filter(({ id }) => !reached.includes(`"${id}"`))).toEqual([]);
    // Only the dead letters, whose consumer does not shift.
    expect(functions.map(({ id }) => id)).toEqual([expect.stringMatching(/DeadLetterConsumer/)]);
  });

  test('is turned back by the alarms that tell of faulty code, and by no others [AWS-11 AWS-8]', () => {
    const { Endpoint, Worker } = deploymentsOf({ rollout: 'canary' });

    expect(Endpoint.alarms).toEqual(['EndpointErrors']);
    expect([...Worker.alarms].sort()).toEqual([
      'DeadLetterErrors',
      'LeaseTakeovers',
      'LookerErrors',
      'StrayErrors',
      'TasksGivenUp',
      'TasksParked',
      'TasksUnrecoverable',
      'WorkerErrors',
    ]);
    for (const { group, alarms } of [Endpoint, Worker]) {
      // CodeDeploy's own bound.
      expect(alarms.length).toBeLessThanOrEqual(10);
      expect(group['AutoRollbackConfiguration']).toEqual({
        Enabled: true,
        Events: expect.arrayContaining(['DEPLOYMENT_STOP_ON_ALARM', 'DEPLOYMENT_FAILURE']),
      });
    }
  });

  test.each([
    ['canary', 'CodeDeployDefault.LambdaCanary10Percent5Minutes'],
    ['linear', 'CodeDeployDefault.LambdaLinear10PercentEvery1Minute'],
  ])('is, as %s, what CodeDeploy calls %s [AWS-11]', (rollout, name) => {
    for (const { group } of Object.values(deploymentsOf({ rollout }))) expect(group['DeploymentConfigName']).toBe(name);
  });

  test('has to be asked for: without, new code is there at once, and there is no CodeDeploy [AWS-11]', () => {
    const { server } = synthesize();

    expect(server.filter(({ type }) => /CodeDeploy|Alias|Lambda::Version/.test(type))).toEqual([]);
  });
});
