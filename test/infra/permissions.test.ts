/** What each function's role may do, to the last action: the least-privilege table as a test. */
import { describe, expect, test } from '@jest/globals';
import { JWT, KEY_ARN, OWN_DOMAIN, ofType, only, type Resource, synthesize } from './synthesized.ts';

interface Statement {
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
  readonly Effect: string;
  readonly Condition?: unknown;
}

const TABLE_ACTIONS = ['DeleteItem', 'GetItem', 'PutItem', 'Query', 'UpdateItem'].map(
  (name) => `dynamodb:${name} table`,
);
const CACHE_ACTIONS = ['cache', 'cache user'].map((name) => `elasticache:Connect ${name}`);
const LOG_ACTIONS = ['logs:CreateLogStream own log', 'logs:PutLogEvents own log'];
const SEND = 'sqs:SendMessage queue';

/** What Lambda's poller does in the function's name. */
function consume(queue: string): string[] {
  const names = ['ChangeMessageVisibility', 'DeleteMessage', 'GetQueueAttributes', 'GetQueueUrl', 'ReceiveMessage'];
  return names.map((name) => `sqs:${name} ${queue}`);
}

const FUNCTIONS = [
  ['the MCP function', /EndpointFunction/, [SEND]],
  ['the worker', /WorkerWorker|Worker[0-9A-F]{8}$/, [...consume('queue'), SEND]],
  ['the looker', /Looker/, [SEND]],
  ['the dead-letter consumer', /DeadLetterConsumer/, consume('dead letters')],
] as const;

describe('with DynamoDB', () => {
  test.each(FUNCTIONS)('%s may do this and nothing more [SEC-5 AWS-1]', (_name, id, own) => {
    const { server } = synthesize();

    expect(permissionsOf(server, id)).toEqual([...TABLE_ACTIONS, ...LOG_ACTIONS, ...own].sort());
    expect(managedPoliciesOf(server, id)).toEqual([]);
  });
});

describe('with Redis', () => {
  test.each(FUNCTIONS)('%s may do this and nothing more [SEC-5 AWS-1]', (_name, id, own) => {
    const { server } = synthesize({ backend: 'redis' });

    expect(permissionsOf(server, id)).toEqual([...LOG_ACTIONS, ...CACHE_ACTIONS, ...own].sort());
    expect(managedPoliciesOf(server, id)).toEqual([expect.stringContaining('AWSLambdaENIManagementAccess')]);
  });
});

describe('with a key of the team’s own', () => {
  test('each function may use that key, and no other [SEC-5]', () => {
    const { server } = synthesize({ encryptionKeyArn: KEY_ARN });
    for (const [, id] of FUNCTIONS) {
      const uses = permissionsOf(server, id).filter((permission) => permission.startsWith('kms:'));

      expect(uses.length).toBeGreaterThan(0);
      expect(uses.filter((permission) => !permission.endsWith(` ${KEY_ARN}`))).toEqual([]);
    }
  });
});

describe('tracing', () => {
  test('adds X-Ray’s two actions, which know no resources, and only when asked for [AWS-4 SEC-5]', () => {
    const { server } = synthesize({ tracing: 'true' });
    for (const [, id] of FUNCTIONS) {
      const everywhere = permissionsOf(server, id).filter((permission) => permission.endsWith(' *'));

      expect(everywhere).toEqual(['xray:PutTelemetryRecords *', 'xray:PutTraceSegments *']);
    }
  });
});

describe('who may call', () => {
  test('only API Gateway may invoke the MCP function, and only for the paths that are served [SEC-5 SEC-2]', () => {
    const { server } = synthesize({ ...JWT, ...OWN_DOMAIN });
    const permissions = ofType(server, 'AWS::Lambda::Permission');

    expect(permissions).toHaveLength(5);
    for (const { properties } of permissions) {
      expect(properties).toMatchObject({
        Principal: 'apigateway.amazonaws.com',
        Action: 'lambda:InvokeFunction',
        SourceArn: expect.anything(),
      });
      expect(JSON.stringify(properties['SourceArn'])).toMatch(
        /\/(\*\/mcp|(GET|OPTIONS)\/\.well-known\/oauth-protected-resource(\/mcp)?)"/,
      );
    }
  });

  test('nothing but the event sources is attached to the other functions [SEC-5]', () => {
    const { server } = synthesize();
    const called = ofType(server, 'AWS::Lambda::Permission').map(({ properties }) => JSON.stringify(properties));

    expect(called.filter((permission) => /Worker|DeadLetter/.test(permission))).toEqual([]);
  });

  test('the schedule may invoke the looker and nothing else, for this account alone [SEC-5 EXEC-20]', () => {
    const { server } = synthesize();
    const { properties } = only(server, 'AWS::Scheduler::Schedule');
    const target = properties['Target'] as { readonly Arn: unknown; readonly RoleArn: unknown };
    const role = only(server, 'AWS::IAM::Role', /SchedulerRole/);

    expect(properties['ScheduleExpression']).toBe('rate(1 minute)');
    expect(target).toMatchObject({
      Arn: { 'Fn::GetAtt': [only(server, 'AWS::Lambda::Function', /Looker/).id, 'Arn'] },
      RoleArn: { 'Fn::GetAtt': [role.id, 'Arn'] },
    });
    expect(statementsOf(server, role)).toEqual([
      { Action: 'lambda:InvokeFunction', Effect: 'Allow', Resource: target.Arn },
    ]);
    expect(JSON.stringify(role.properties['AssumeRolePolicyDocument'])).toContain('"aws:SourceAccount"');
  });

  test('the queues refuse who does not use TLS [SEC-5]', () => {
    const { server } = synthesize();
    const policies = ofType(server, 'AWS::SQS::QueuePolicy').map(({ properties }) => JSON.stringify(properties));

    expect(policies).toHaveLength(2);
    for (const policy of policies) expect(policy).toMatch(/"aws:SecureTransport":"false".*"Effect":"Deny"/);
  });
});

/** `action resource`, sorted. */
function permissionsOf(resources: readonly Resource[], functionId: RegExp): string[] {
  const role = roleOf(resources, functionId);
  const inline = JSON.stringify(role.properties['Policies'] ?? []);
  expect(inline).toBe('[]');
  const all = statementsOf(resources, role).flatMap(({ Action, Resource: target }) =>
    [Action].flat().flatMap((action) => [target].flat().map((one) => `${action} ${nameOf(one, role)}`)),
  );
  return [...new Set(all)].sort();
}

function statementsOf(resources: readonly Resource[], role: Resource): readonly Statement[] {
  return ofType(resources, 'AWS::IAM::Policy')
    .filter(({ properties }) => JSON.stringify(properties['Roles']).includes(`"${role.id}"`))
    .flatMap(
      ({ properties }) => (properties['PolicyDocument'] as { readonly Statement: readonly Statement[] }).Statement,
    );
}

function managedPoliciesOf(resources: readonly Resource[], functionId: RegExp): string[] {
  const { properties } = roleOf(resources, functionId);
  return ((properties['ManagedPolicyArns'] ?? []) as readonly unknown[]).map((policy) => JSON.stringify(policy));
}

function roleOf(resources: readonly Resource[], functionId: RegExp): Resource {
  const { properties } = only(resources, 'AWS::Lambda::Function', functionId);
  const reference = properties['Role'] as { readonly 'Fn::GetAtt': readonly [string, string] };
  return only(resources, 'AWS::IAM::Role', new RegExp(`^${reference['Fn::GetAtt'][0]}$`));
}

/** What stands behind a reference. An unknown one is shown as it is, and makes the test fail. */
function nameOf(target: unknown, role: Resource): string {
  if (typeof target === 'string') return target;
  const text = JSON.stringify(target);
  const ownLog = role.id.replace(/Role[0-9A-F]{8}$/, 'Logs');
  if (text.includes(`"${ownLog}`)) return 'own log';
  if (/"ServerQueueDeadLetters[0-9A-F]{8}","Arn"/.test(text)) return 'dead letters';
  if (/"ServerQueue[0-9A-F]{8}","Arn"/.test(text)) return 'queue';
  if (/ImportValue":"[^"]*TasksTable[^"]*Arn/.test(text)) return 'table';
  if (/:elasticache:.*:serverlesscache:statetasks\w+"/.test(text)) return 'cache';
  if (/:elasticache:.*:user:statetasks\w+-iam"/.test(text)) return 'cache user';
  return text;
}
