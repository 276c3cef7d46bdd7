/** The constructs in somebody else's CDK app, and what `lib/` is made of. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { type IVpc, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { DurableTaskServer, McpEndpoint, TaskCache, TaskQueue, TaskTable, TaskWorker } from '../../lib/index.ts';
import { SETTING_NAMES } from '../../lib/settings.ts';
import { REPOSITORY_ROOT, readSources } from '../../scripts/syntax.ts';
import { importsOf } from '../architecture/source-checks.ts';
import { appWithoutBundling, ofType, only, resourcesOf, synthesize, VARIANTS } from './synthesized.ts';
import { TeamStack } from './team-app.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const ENV = { account: '111111111111', region: 'eu-central-1' };
const SERVER = { authorization: { mode: 'iam' }, toolsEntry: 'lambda/tools.ts' } as const;

describe('in another app', () => {
  test('the server of docs/deploying.md takes grants and variables of the team’s own [AWS-5]', () => {
    const resources = resourcesOf(Template.fromStack(new TeamStack(appWithoutBundling(), 'Team')));
    const worker = only(resources, 'AWS::Lambda::Function', /^ServerWorker(?!DeadLetter|Looker)/);
    const policy = (id: RegExp) => JSON.stringify(only(resources, 'AWS::IAM::Policy', id).properties);

    expect(worker.properties['Environment']).toMatchObject({ Variables: { REPORTS: { Ref: expect.anything() } } });
    expect(policy(/^ServerWorkerWorkerRole/)).toContain('s3:GetObject*');
    expect(policy(/^Agent/)).toContain('execute-api:Invoke');
  });

  test('two servers live in one stack beside other things, each with its own table [AWS-5]', () => {
    const stack = new Stack(appWithoutBundling(), 'Team', { env: ENV });
    for (const name of ['First', 'Second']) {
      new DurableTaskServer(stack, name, { ...SERVER, storage: new TaskTable(stack, `${name}Tasks`) });
    }
    const resources = resourcesOf(Template.fromStack(stack));

    expect(ofType(resources, 'AWS::DynamoDB::GlobalTable')).toHaveLength(2);
    expect(ofType(resources, 'AWS::Lambda::Function')).toHaveLength(8);
  });

  test('a cache goes into the team’s own network, and two caches get different names [AWS-5]', () => {
    const stack = new Stack(appWithoutBundling(), 'Team', { env: ENV });
    const vpc = new Vpc(stack, 'Vpc', { maxAzs: 2 }) as IVpc;
    new TaskCache(stack, 'A', { vpc });
    new TaskCache(stack, 'B', { vpc });
    const resources = resourcesOf(Template.fromStack(stack));
    const caches = ofType(resources, 'AWS::ElastiCache::ServerlessCache').map(({ properties }) => properties);
    const ids = ofType(resources, 'AWS::ElastiCache::User').map(({ properties }) => properties['UserId']);

    expect(ofType(resources, 'AWS::EC2::VPC')).toHaveLength(1);
    expect(ofType(resources, 'AWS::EC2::VPCEndpoint')).toEqual([]);
    expect(new Set(caches.map((cache) => cache['ServerlessCacheName'])).size).toBe(2);
    // What ElastiCache allows: 40 characters, no two hyphens in a row, none at the end.
    for (const id of ids) expect(id).toMatch(/^(?=.{1,40}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
  });

  test.each([
    ['audience', { audience: '' }],
    ['tenantClaim', { tenantClaim: ' ' }],
    ['scopes', { scopes: ['tasks', ''] }],
    ['issuer', { issuer: '' }],
  ])('an authorization whose %s is empty is refused, not left out in silence [AWS-5 SEC-7]', (name, part) => {
    const stack = new Stack(appWithoutBundling(), 'Team', { env: ENV });
    const authorization = { mode: 'jwt', issuer: 'https://issuer.example.com', ...part } as const;
    const storage = new TaskTable(stack, 'Tasks');

    expect(() => new DurableTaskServer(stack, 'Server', { ...SERVER, api: 'http', storage, authorization })).toThrow(
      `authorization.${name} must not be empty`,
    );
  });

  test('parts are used alone, with a key of the stack’s own [AWS-5 SEC-5]', () => {
    const stack = new Stack(appWithoutBundling(), 'Team', { env: ENV });
    const encryptionKey = new Key(stack, 'Key');
    const storage = new TaskTable(stack, 'Tasks', { encryptionKey, deletionProtection: false });
    const queue = new TaskQueue(stack, 'Queue', { encryptionKey });
    new TaskWorker(stack, 'Worker', { storage, queue, toolsEntry: 'lambda/tools.ts', reservedConcurrency: 60 });
    const resources = resourcesOf(Template.fromStack(stack));

    expect(only(resources, 'AWS::Lambda::Function', /^Worker(?!Dead|Looker)/).properties).toMatchObject({
      ReservedConcurrentExecutions: 60,
    });
    for (const { properties } of ofType(resources, 'AWS::SQS::Queue')) {
      expect(properties['KmsMasterKeyId']).toMatchObject({ 'Fn::GetAtt': [expect.stringMatching(/^Key/), 'Arn'] });
    }
  });

  test.each([
    [{ api: 'http', webAclArn: 'arn:aws:wafv2:eu-central-1:1:regional/webacl/a/b' }, /need api 'rest'; it is 'http'/],
    [{ api: 'url', throttlingRateLimit: 1 }, /Function URLs cannot throttle/],
    [{ maxStreamSeconds: 9 }, /maxStreamSeconds must be a whole number from 10 to 870; it is 9\./],
    [{ maxStreamSeconds: 871 }, /maxStreamSeconds must be a whole number from 10 to 870; it is 871\./],
    [{ maxStreamSeconds: 60.5 }, /maxStreamSeconds must be a whole number from 10 to 870/],
    [{ api: 'http', maxStreamSeconds: 60 }, /maxStreamSeconds needs api 'rest' or 'url'/],
  ] as const)('what an API cannot do is refused, not left out: %j [AWS-5]', (props, message) => {
    const stack = new Stack(appWithoutBundling(), 'Team');
    const storage = new TaskTable(stack, 'Tasks');
    const queue = new TaskQueue(stack, 'Queue');

    expect(() => new McpEndpoint(stack, 'Mcp', { ...SERVER, ...props, storage, queue })).toThrow(message);
  });

  test('a reservation below the wanted concurrency is refused, since SQS would count throttles as failures [AWS-5]', () => {
    const stack = new Stack(appWithoutBundling(), 'Team');
    const parts = { storage: new TaskTable(stack, 'Tasks'), queue: new TaskQueue(stack, 'Queue') };
    const worker = () => new TaskWorker(stack, 'Worker', { ...SERVER, ...parts, reservedConcurrency: 4 });

    expect(worker).toThrow(/reservedConcurrency \(4\) is below maxConcurrency \(5\)/);
  });
});

describe('names', () => {
  /** These are required: ElastiCache makes none itself, and an API's name is only for display. */
  const REQUIRED = ['ServerlessCacheName', 'UserId', 'UserGroupId', 'UserName'];
  const PHYSICAL =
    /^(FunctionName|TableName|QueueName|RoleName|LogGroupName|AlarmName|DashboardName|SecretName|GroupName|PolicyName|ServerlessCacheName|UserId|UserGroupId|UserName)$/;

  test.each(Object.entries(VARIANTS))('are CloudFormation’s to choose: %s [AWS-5]', (_name, context) => {
    const { state, server } = synthesize(context);
    const chosen = [...state, ...server]
      // The name of an inline policy is local to its role; a mapping and a permission name a function by reference.
      .filter(({ type }) => type !== 'AWS::IAM::Policy')
      .flatMap(({ id, properties }) =>
        Object.entries(properties)
          .filter(([name, value]) => PHYSICAL.test(name) && typeof value === 'string' && !REQUIRED.includes(name))
          .map(([name]) => `${id}.${name}`),
      );

    expect(chosen).toEqual([]);
  });
});

describe('docs/deploying.md', () => {
  const guide = read('docs/deploying.md');

  test('shows the code that the test above runs [AWS-5]', () => {
    const [, region = 'no region'] =
      /#region own-app\n(.*?) *\/\/ #endregion/s.exec(read('test/infra/team-app.ts')) ?? [];

    expect(guide).toContain(`\`\`\`ts\n${region.replaceAll(/^ {4}/gm, '')}\`\`\``);
  });

  test('says of every setting what it is [AWS-1]', () => {
    const explained = guide.split('\n').filter((line) => line.startsWith('| `'));

    expect(SETTING_NAMES.filter((name) => !explained.some((line) => line.includes(`\`${name}\``)))).toEqual([]);
  });
});

describe('lib/', () => {
  const sources = readSources(REPOSITORY_ROOT, 'lib');

  test('shares words with lambda/, the table’s attributes with src/, and nothing else of the program [AWS-5]', () => {
    const outside = sources.flatMap((file) => importsOf(file).filter((specifier) => specifier.startsWith('../')));

    expect([...new Set(outside)].toSorted()).toEqual([
      '../lambda/shared/environment.ts',
      '../lambda/shared/words.ts',
      '../src/backends/dynamodb-attributes.ts',
      '../src/present.ts',
    ]);
  });

  test('says the default of every optional property [AWS-5]', () => {
    const silent = sources.flatMap(({ path, text }) =>
      [...text.matchAll(/interface (\w+Props)\b[^{]*\{(.*?)^\}/gms)].flatMap(([, name, body = '']) =>
        [...body.matchAll(/((?:\/\*\*(?:(?!\*\/).)*\*\/)?)\s*(readonly )?(\w+)\?:/gs)]
          .filter(([, comment = '', readonly]) => !comment.includes('@default') || readonly === undefined)
          .map(([, , , property]) => `${path}: ${name}.${property}`),
      ),
    );

    expect(silent).toEqual([]);
  });
});
