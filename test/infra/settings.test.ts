/** What the context may say, and the sentence for what it may not. */
import { describe, expect, test } from '@jest/globals';
import type { Target } from '../../lib/arn-settings.ts';
import { readSettings, SETTING_NAMES, SettingsError } from '../../lib/settings.ts';

const ISSUER = 'https://issuer.example.com';
const JWT = { auth: 'jwt', jwtIssuer: ISSUER, api: 'http' };
const ID = '0f8fad5b-d9cb-469f-a165-70867728950e';
const arn = (service: string, rest: string, region = 'eu-central-1') =>
  `arn:aws:${service}:${region}:111111111111:${rest}`;
const ARNS = {
  certificateArn: arn('acm', `certificate/${ID}`),
  webAclArn: arn('wafv2', `regional/webacl/a/${ID}`),
  encryptionKeyArn: arn('kms', `key/${ID}`),
  logKeyArn: arn('kms', `key/mrk-${ID.replaceAll('-', '')}`),
  alarmTopicArn: arn('sns', 'alarms'),
};
const DOMAIN = { domainName: 'tasks.example.com', certificateArn: ARNS.certificateArn };
const NETWORK = {
  vpcId: 'vpc-0123456789abcdef0',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  availabilityZones: 'eu-central-1a,eu-central-1b',
};

function problemsOf(context: Readonly<Record<string, unknown>>, target?: Target): readonly string[] {
  try {
    readSettings(context, target);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

describe('what is named by ARN', () => {
  const FRANKFURT = { region: 'eu-central-1', account: '111111111111' };

  test.each(Object.entries(ARNS))('%s has to be in the region of the stacks [AWS-11]', (name, value) => {
    const domain = name === 'certificateArn' ? DOMAIN : {};
    const elsewhere = value.replace('eu-central-1', 'us-east-1');

    expect(problemsOf({ ...domain, [name]: value }, FRANKFURT)).toEqual([]);
    expect(problemsOf({ ...domain, [name]: elsewhere }, FRANKFURT)).toEqual([
      `Context "${name}" is in us-east-1, but the stacks go to eu-central-1: all have to be in the stacks' region.`,
    ]);
  });

  test('has to be in one region, where the command line names none [AWS-11]', () => {
    expect(problemsOf({ ...ARNS, ...DOMAIN, alarmTopicArn: arn('sns', 'alarms', 'eu-west-1') })).toEqual([
      'Context "alarmTopicArn" is in eu-west-1, but "certificateArn" is in eu-central-1: all have to be in the stacks\' region.',
    ]);
    expect(readSettings({ ...ARNS, ...DOMAIN }).region).toBe('eu-central-1');
  });

  test.each(['certificateArn', 'webAclArn'] as const)('%s has to be of the account itself [AWS-11]', (name) => {
    const elsewhere = ARNS[name].replace('111111111111', '222222222222');

    expect(problemsOf({ ...DOMAIN, [name]: elsewhere }, FRANKFURT)).toEqual([
      expect.stringContaining(`"${name}" is of the account 222222222222, but the stacks go to 111111111111`),
    ]);
  });

  test.each(['encryptionKeyArn', 'logKeyArn', 'alarmTopicArn'] as const)(
    '%s may be another account’s [AWS-11]',
    (name) => {
      expect(problemsOf({ [name]: ARNS[name].replace('111111111111', '222222222222') }, FRANKFURT)).toEqual([]);
    },
  );

  test('zones have to be in that region too [AWS-11]', () => {
    const zones = { backend: 'redis', availabilityZones: 'us-east-1a,us-east-1b' };

    expect(problemsOf(zones, FRANKFURT)).toEqual([
      'Context "availabilityZones" has us-east-1a, which is not a zone of eu-central-1.',
    ]);
    expect(problemsOf(zones, { region: 'us-east-1' })).toEqual([]);
  });
});

describe('a setting that is wrong is one sentence [AWS-1]', () => {
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ backend: 'redsi' }, /^Context "backend" must be one of dynamodb, redis; it is "redsi"\.$/],
    [{ api: 'websocket' }, /^Context "api" must be one of rest, http, url/],
    [{ auth: 'basic' }, /^Context "auth" must be one of jwt, iam, none/],
    [{ auth: 'jwt', api: 'url' }, /issuer of the tokens is needed: -c jwtIssuer=https:\/\/…$/],
    [{ ...JWT, jwtIssuer: 'http://issuer.example.com' }, /"jwtIssuer" must be an https URL/],
    [{ ...JWT, jwtJwksUri: 'keys.json' }, /"jwtJwksUri" must be an https URL/],
    [
      { auth: 'jwt', jwtIssuer: ISSUER },
      /^Nobody could log in .* renames WWW-Authenticate.* Choose -c domainName=… with -c certificateArn=…, -c api=http, or -c api=url\.$/,
    ],
    [{ ...JWT, jwtScopes: 'tasks,"all"' }, /"jwtScopes" is wrong\. A scope is made of .* one is "\\"all\\""\.$/],
    [{ ...JWT, jwtScopes: 'a\\b' }, /"jwtScopes" is wrong/],
    [{ ...JWT, jwtScopes: 'tâches' }, /"jwtScopes" is wrong/],
    [{ ...JWT, jwtScopes: 'a\r\nx-header:1' }, /"jwtScopes" is wrong/],
    [{ jwtIssuer: ISSUER }, /^Context "jwtIssuer" needs -c auth=jwt\.$/],
    [{ jwtScopes: 'tasks' }, /^Context "jwtScopes" needs -c auth=jwt\.$/],
    [{ auth: '' }, /^Context "auth" is set to nothing: give it a value, or leave it out\.$/],
    [{ ...JWT, jwtTenantClaim: '' }, /^Context "jwtTenantClaim" is set to nothing/],
    [{ ...JWT, jwtScopes: ' ' }, /^Context "jwtScopes" is set to nothing/],
    [{ ...JWT, jwtAudience: '' }, /^Context "jwtAudience" is set to nothing/],
    [{ stage: 'Prod' }, /"stage" must be up to 16 lower-case letters/],
    [{ stage: 'a-very-long-stage-name' }, /"stage" must be up to 16/],
    [{ tools: 'lambda/no-such-file.ts' }, /"tools" must name a file .* no file "lambda\/no-such-file\.ts"/],
    [{ tools: 'lambda' }, /"tools" must name a file/],
    [{ domainName: 'tasks.example.com' }, /"domainName" and "certificateArn" go together/],
    [{ certificateArn: ARNS.certificateArn }, /go together/],
    [{ ...DOMAIN, certificateArn: 'a' }, /"certificateArn" must be the ARN of an ACM certificate/],
    [
      { ...DOMAIN, certificateArn: 'arn:aws:acm:eu-central-1:1:certificate/a' },
      /must be the ARN of an ACM certificate/,
    ],
    [{ ...DOMAIN, domainName: 'https://x' }, /must be a host name/],
    [{ ...DOMAIN, api: 'http' }, /^Context "domainName" needs -c api=rest\.$/],
    [{ api: 'url', webAclArn: ARNS.webAclArn }, /"webAclArn" needs -c api=rest/],
    [{ webAclArn: arn('wafv2', `global/webacl/a/${ID}`) }, /must be the ARN of a regional web ACL/],
    [{ api: 'http', apiGatewayLogRole: 'false' }, /"apiGatewayLogRole" needs -c api=rest/],
    [{ api: 'url', throttlingRateLimit: 5 }, /A function URL cannot throttle/],
    [{ encryptionKeyArn: 'alias/tasks' }, /must be the ARN of a KMS key/],
    [{ encryptionKeyArn: arn('kms', 'alias/tasks') }, /must be the ARN of a KMS key/],
    [{ alarmTopicArn: 'alarms' }, /must be the ARN of an SNS topic/],
    [{ alarmTopicArn: arn('sns', 'alarms.fifo') }, /an SNS topic that is no FIFO topic/],
    [
      { callerAccounts: '1234' },
      /"callerAccounts" must be account ids of 12 digits, separated by commas; one is "1234"/,
    ],
    [
      { callerAccounts: '222222222222', api: 'http' },
      /"callerAccounts" needs -c auth=iam, and -c api=rest or -c api=url/,
    ],
    [{ callerAccounts: '222222222222', auth: 'none' }, /"callerAccounts" needs -c auth=iam/],
    [
      { vpcId: 'vpc-0123456789abcdef0', availabilityZones: 'eu-central-1a,eu-central-1b' },
      /"vpcId" and "subnetIds" go/,
    ],
    [{ ...NETWORK, vpcId: 'mine' }, /"vpcId" must be the id of a VPC/],
    [{ ...NETWORK, subnetIds: 'subnet-0123456789abcdef0' }, /must name the zone of each of "subnetIds"/],
    [{ ...NETWORK, availabilityZones: 'a,b' }, /"availabilityZones" must be the names of zones, .* one is "a"/],
    [{ backend: 'redis', availabilityZones: 'eu-central-1a' }, /must name two or three zones/],
    [{ availabilityZones: 'eu-central-1a,eu-central-1b' }, /needs -c backend=redis or -c vpcId=…/],
    [{ ...NETWORK, backend: 'redis', internetAccess: 'true' }, /with "vpcId" the way out is that network’s/],
    [{ internetAccess: 'true' }, /"internetAccess" needs -c backend=redis/],
    [{ workerConcurrency: 10, workerReservedConcurrency: 5 }, /must be at least "workerConcurrency" \(10\)/],
    [{ workerReservedConcurrency: 4 }, /must be at least "workerConcurrency" \(5\)/],
    [
      { reservedConcurrency: 600, workerReservedConcurrency: 301 },
      /Reservations of 901 do not leave 100 of the account’s 1000/,
    ],
    [{ reservedConcurrency: 1, accountConcurrency: 10 }, /Reservations of 1 do not leave 100 of the account’s 10/],
    [{ workerConcurrency: 20, accountConcurrency: 10 }, /above the account’s quota of 10/],
    [{ memoryMiB: 128 }, /"memoryMiB" must be a whole number from 256 to 10240/],
    [{ leaseMs: 100 }, /"leaseMs" must be a whole number from 5000 to 300000/],
    [{ logLevel: 'verbose' }, /"logLevel" must be one of debug, info, warn, error/],
    [{ logRetentionDays: 31 }, /"logRetentionDays" must be one of 1, 3, 5, 7, 14, 30, 60, 90, /],
    [{ rollout: 'blue' }, /"rollout" must be one of all-at-once, canary, linear/],
    [{ serverVersion: 'a\nb' }, /"serverVersion" must be up to 64 printable/],
    [{ workerConcurrency: 1 }, /"workerConcurrency" must be a whole number from 2 to 1000; it is "1"/],
    [{ reservedConcurrency: 'many' }, /"reservedConcurrency" must be a whole number from 1/],
    [{ taskTools: 'yes' }, /"taskTools" must be one of true, false; it is "yes"/],
    [{ headers: 'loose' }, /"headers" must be one of strict, lenient; it is "loose"/],
    [{ maxStreamSeconds: 9 }, /"maxStreamSeconds" must be a whole number from 10 to 870; it is "9"/],
    [{ maxStreamSeconds: 871 }, /"maxStreamSeconds" must be a whole number from 10 to 870/],
    [{ maxStreamSeconds: 60, api: 'http' }, /"maxStreamSeconds" needs -c api=rest or -c api=url/],
    [{ maxActiveTasksPerOwner: 0 }, /"maxActiveTasksPerOwner" must be a whole number from 1/],
    [{ tableName: 'a b' }, /"tableName" must be the name of a table/],
    [{ tableName: 'restored', backend: 'redis' }, /"tableName" needs -c backend=dynamodb/],
    [{ tableName: 'restored', protection: false }, /would be deleted/],
    [{ protection: 'no' }, /"protection" must be one of true, false/],
    [{ serverName: 'tasks\u0007' }, /"serverName" must be up to 64 printable/],
    [{ backend: ['redis'] }, /"backend" must be one value/],
    [{ bakend: 'redis' }, /^Context "bakend" is no setting; "backend" is one\.$/],
    [{ Auth: 'none' }, /^Context "Auth" is no setting; "auth" is one\.$/],
    [{ jwtissuer: ISSUER }, /^Context "jwtissuer" is no setting; "jwtIssuer" is one\.$/],
  ];

  test.each(cases)('%j', (context, sentence) => {
    const problems = problemsOf(context);

    expect(problems).toEqual([expect.stringMatching(sentence)]);
    expect(problems[0]).not.toContain('\n');
  });
});

test('all mistakes are told at once [AWS-1]', () => {
  expect(problemsOf({ backend: 'x', api: 'y', stgae: 'z' })).toHaveLength(3);
});

test('names that are nobody’s typo are left alone, for they may be the team’s own [AWS-5]', () => {
  const others = { 'aws:cdk:bundling-stacks': [], '@aws-cdk/core:x': true, 'acme-cost-center': 'a', owner: 'b' };

  expect(problemsOf(others)).toEqual([]);
});

test('every setting may be given, and is then there [AWS-1]', () => {
  const context = {
    stage: 'prod',
    backend: 'redis',
    api: 'rest',
    auth: 'jwt',
    jwtIssuer: ISSUER,
    jwtAudience: 'tasks',
    jwtJwksUri: `${ISSUER}/keys`,
    jwtScopes: 'tasks:read,tasks:write',
    jwtTenantClaim: 'org',
    tools: 'lambda/tools.ts',
    ...DOMAIN,
    ...ARNS,
    ...NETWORK,
    allowedOrigins: 'https://app.example.com http://localhost:6274',
    apiGatewayLogRole: 'false',
    rollout: 'canary',
    serverVersion: '1.2.3',
    memoryMiB: 1024,
    leaseMs: '20000',
    logLevel: 'debug',
    logRetentionDays: '365',
    accountConcurrency: 3000,
    workerReservedConcurrency: 40,
    reservedConcurrency: 20,
    workerConcurrency: '30',
    maxActiveTasksPerOwner: '10',
    maxStreamSeconds: '120',
    headers: 'lenient',
    taskTools: 'true',
    throttlingRateLimit: 5,
    throttlingBurstLimit: 6,
    serverName: 'acme',
    tracing: true,
    protection: 'false',
    internetAccess: 'false',
  };
  const settings = readSettings(context);

  // Callers of other accounts go by IAM, which is the other way to say who may call.
  expect([...Object.keys(context), 'callerAccounts', 'tableName'].sort()).toEqual([...SETTING_NAMES].sort());
  expect(readSettings({ callerAccounts: '222222222222 333333333333' }).callerAccounts).toEqual([
    '222222222222',
    '333333333333',
  ]);
  expect(readSettings({ tableName: 'restored', maxActiveTasksPerOwner: 'none' })).toMatchObject({
    tableName: 'restored',
    maxActiveTasksPerOwner: null,
    taskTools: false,
  });
  expect(settings).toMatchObject({
    stage: 'prod',
    backend: 'redis',
    tools: expect.stringMatching(/^\/.*lambda\/tools\.ts$/),
    allowedOrigins: ['https://app.example.com', 'http://localhost:6274'],
    reservedConcurrency: 20,
    workerConcurrency: 30,
    headers: 'lenient',
    taskTools: true,
    tracing: true,
    protection: false,
    internetAccess: false,
    apiGatewayLogRole: false,
    rollout: 'canary',
    memoryMiB: 1024,
    leaseMs: 20_000,
    logLevel: 'debug',
    logRetentionDays: 365,
    existingNetwork: {
      vpcId: 'vpc-0123456789abcdef0',
      subnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
      availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    },
    authorization: {
      mode: 'jwt',
      issuer: ISSUER,
      audience: 'tasks',
      jwksUri: `${ISSUER}/keys`,
      scopes: ['tasks:read', 'tasks:write'],
      tenantClaim: 'org',
    },
  });
});

test('without settings it is DynamoDB behind a REST API with IAM, protected [AWS-1 SEC-2]', () => {
  expect(readSettings({})).toMatchObject({
    stage: 'dev',
    backend: 'dynamodb',
    api: 'rest',
    authorization: { mode: 'iam' },
    protection: true,
    tracing: false,
  });
});

test('an empty value is none, as when a script passes a variable that is not set [AWS-1]', () => {
  expect(readSettings({ backend: '', workerConcurrency: '' })).toEqual(readSettings({}));
});
