/** What the context may say, and the sentence for what it may not. */
import { describe, expect, test } from '@jest/globals';
import { readSettings, SETTING_NAMES, SettingsError } from '../../lib/settings.ts';

const ISSUER = 'https://issuer.example.com';

function problemsOf(context: Readonly<Record<string, unknown>>): readonly string[] {
  try {
    readSettings(context);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

describe('a setting that is wrong is one sentence [AWS-1]', () => {
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ backend: 'redsi' }, /^Context "backend" must be one of dynamodb, redis; it is "redsi"\.$/],
    [{ api: 'websocket' }, /^Context "api" must be one of rest, http, url/],
    [{ auth: 'basic' }, /^Context "auth" must be one of jwt, iam, none/],
    [{ auth: 'jwt' }, /issuer of the tokens is needed: -c jwtIssuer=https:\/\/…$/],
    [{ auth: 'jwt', jwtIssuer: 'http://issuer.example.com' }, /"jwtIssuer" must be an https URL/],
    [{ auth: 'jwt', jwtIssuer: ISSUER, jwtJwksUri: 'keys.json' }, /"jwtJwksUri" must be an https URL/],
    [{ jwtIssuer: ISSUER }, /^Context "jwtIssuer" needs -c auth=jwt\.$/],
    [{ jwtScopes: 'tasks' }, /^Context "jwtScopes" needs -c auth=jwt\.$/],
    [{ auth: '' }, /^Context "auth" is set to nothing: give it a value, or leave it out\.$/],
    [{ auth: 'jwt', jwtIssuer: ISSUER, jwtTenantClaim: '' }, /^Context "jwtTenantClaim" is set to nothing/],
    [{ auth: 'jwt', jwtIssuer: ISSUER, jwtScopes: ' ' }, /^Context "jwtScopes" is set to nothing/],
    [{ auth: 'jwt', jwtIssuer: ISSUER, jwtAudience: '' }, /^Context "jwtAudience" is set to nothing/],
    [{ stage: 'Prod' }, /"stage" must be up to 16 lower-case letters/],
    [{ stage: 'a-very-long-stage-name' }, /"stage" must be up to 16/],
    [{ tools: 'lambda/no-such-file.ts' }, /"tools" must name a file .* no file "lambda\/no-such-file\.ts"/],
    [{ tools: 'lambda' }, /"tools" must name a file/],
    [{ domainName: 'tasks.example.com' }, /"domainName" and "certificateArn" go together/],
    [{ certificateArn: 'arn:aws:acm:eu-central-1:1:certificate/a' }, /go together/],
    [
      { certificateArn: 'a', domainName: 'tasks.example.com' },
      /"certificateArn" must be the ARN of an ACM certificate/,
    ],
    [{ domainName: 'https://x', certificateArn: 'arn:aws:acm:eu-central-1:1:certificate/a' }, /must be a host name/],
    [
      { api: 'http', domainName: 'tasks.example.com', certificateArn: 'arn:aws:acm:eu-central-1:1:certificate/a' },
      /^Context "domainName" needs -c api=rest\.$/,
    ],
    [{ api: 'url', webAclArn: 'arn:aws:wafv2:eu-central-1:1:regional/webacl/a/b' }, /"webAclArn" needs -c api=rest/],
    [{ webAclArn: 'arn:aws:wafv2:us-east-1:1:global/webacl/a/b' }, /must be the ARN of a regional web ACL/],
    [{ api: 'url', throttlingRateLimit: 5 }, /A function URL cannot throttle/],
    [{ encryptionKeyArn: 'alias/tasks' }, /must be the ARN of a KMS key/],
    [{ alarmTopicArn: 'alarms' }, /must be the ARN of an SNS topic/],
    [{ workerConcurrency: 1 }, /"workerConcurrency" must be a whole number from 2 to 1000; it is "1"/],
    [{ reservedConcurrency: 'many' }, /"reservedConcurrency" must be a whole number from 1/],
    [{ maxActiveTasksPerOwner: 0 }, /"maxActiveTasksPerOwner" must be a whole number from 1/],
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
    domainName: 'tasks.example.com',
    certificateArn: 'arn:aws:acm:eu-central-1:1:certificate/a',
    webAclArn: 'arn:aws:wafv2:eu-central-1:1:regional/webacl/a/b',
    encryptionKeyArn: 'arn:aws:kms:eu-central-1:1:key/a',
    alarmTopicArn: 'arn:aws:sns:eu-central-1:1:alarms',
    reservedConcurrency: 20,
    workerConcurrency: '30',
    maxActiveTasksPerOwner: '10',
    throttlingRateLimit: 5,
    throttlingBurstLimit: 6,
    serverName: 'acme',
    tracing: true,
    protection: 'false',
    internetAccess: 'false',
  };
  const settings = readSettings(context);

  expect(Object.keys(context).sort()).toEqual([...SETTING_NAMES].sort());
  expect(settings).toMatchObject({
    stage: 'prod',
    backend: 'redis',
    tools: expect.stringMatching(/^\/.*lambda\/tools\.ts$/),
    reservedConcurrency: 20,
    workerConcurrency: 30,
    tracing: true,
    protection: false,
    internetAccess: false,
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
