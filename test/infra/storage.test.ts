/** What the stateful stack keeps, and how well: the table, or the cache with its network, and never both. */
import { describe, expect, test } from '@jest/globals';
import { CACHE_ACCESS, CACHE_USER_NAME } from '../../lib/task-cache.ts';
import { TABLE_DEFINITION, TTL_ATTRIBUTE } from '../../src/backends/dynamodb-table.ts';
import { KEY_ARN, ofType, only, type Resource, synthesize } from './synthesized.ts';

const GLOBAL_TABLE = 'AWS::DynamoDB::GlobalTable';

describe('the table', () => {
  const table = only(synthesize().state, GLOBAL_TABLE);

  test('has the keys, the billing and the TTL attribute that the backend defines [AWS-1]', () => {
    expect(table.properties).toMatchObject({
      ...TABLE_DEFINITION,
      TimeToLiveSpecification: { AttributeName: TTL_ATTRIBUTE, Enabled: true },
    });
    expect(table.properties).not.toHaveProperty('GlobalSecondaryIndexes');
  });

  test('can be recovered to any second and deleted by nobody by accident [AWS-1 SEC-5]', () => {
    expect(replicaOf(table)).toMatchObject({
      DeletionProtectionEnabled: true,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
    expect(table.raw).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  });

  test('is encrypted with DynamoDB’s key, or with the team’s own [SEC-5]', () => {
    const own = only(synthesize({ encryptionKeyArn: KEY_ARN }).state, GLOBAL_TABLE);

    // `false` stands for the key that DynamoDB owns; there is no table without encryption.
    expect(table.properties['SSESpecification']).toEqual({ SSEEnabled: false });
    expect(own.properties['SSESpecification']).toEqual({ SSEEnabled: true, SSEType: 'KMS' });
    expect(replicaOf(own)).toMatchObject({ SSESpecification: { KMSMasterKeyId: KEY_ARN } });
  });

  test('goes away with its stack once protection is switched off [AWS-1]', () => {
    const { state, app } = synthesize({ protection: 'false' });

    expect(replicaOf(only(state, GLOBAL_TABLE))).toMatchObject({ DeletionProtectionEnabled: false });
    expect(only(state, GLOBAL_TABLE).raw).toMatchObject({ DeletionPolicy: 'Delete' });
    expect(app.node.findChild('state')).toMatchObject({ terminationProtection: false });
    expect(synthesize().app.node.findChild('state')).toMatchObject({ terminationProtection: true });
  });

  test('is alone: with DynamoDB there is no cache and no network [AWS-1]', () => {
    const { state, server } = synthesize();

    expect([...state, ...server].filter(({ type }) => /ElastiCache|EC2|SecretsManager/.test(type))).toEqual([]);
  });
});

describe('the cache', () => {
  const { state, server } = synthesize({ backend: 'redis' });
  const cache = only(state, 'AWS::ElastiCache::ServerlessCache');
  const user = only(state, 'AWS::ElastiCache::User');
  const group = only(state, 'AWS::ElastiCache::UserGroup');

  test('is a full alternative: there is no table [AWS-1]', () => {
    expect([...state, ...server].filter(({ type }) => type.includes('DynamoDB'))).toEqual([]);
  });

  test('lets in one user only, by a password that is in no template [SEC-5]', () => {
    expect(cache.properties['UserGroupId']).toEqual({ Ref: group.id });
    expect(group.properties).toMatchObject({ Engine: 'valkey', UserIds: [{ Ref: user.id }] });
    expect(user.properties).toMatchObject({ UserName: CACHE_USER_NAME, AccessString: CACHE_ACCESS });
    expect(user.properties['AuthenticationMode']).toEqual({
      Type: 'password',
      Passwords: [
        {
          'Fn::Join': ['', ['{{resolve:secretsmanager:', { Ref: expect.anything() }, ':SecretString:password::}}']],
        },
      ],
    });
  });

  test('keeps snapshots, has a bound, and stays when its stack goes [AWS-1 SEC-5]', () => {
    expect(cache.properties).toMatchObject({
      Engine: 'valkey',
      SnapshotRetentionLimit: 7,
      CacheUsageLimits: { DataStorage: { Maximum: 10, Unit: 'GB' } },
    });
    for (const kept of [cache, user, group, only(state, 'AWS::SecretsManager::Secret')]) {
      expect(kept.raw).toMatchObject({ DeletionPolicy: 'Retain' });
    }
  });

  test('is encrypted with the team’s own key where there is one, and so is its password [SEC-5]', () => {
    const own = synthesize({ backend: 'redis', encryptionKeyArn: KEY_ARN }).state;

    expect(only(own, 'AWS::ElastiCache::ServerlessCache').properties['KmsKeyId']).toBe(KEY_ARN);
    expect(only(own, 'AWS::SecretsManager::Secret').properties['KmsKeyId']).toBe(KEY_ARN);
  });

  test('is reached by the functions only, on its two ports [SEC-5]', () => {
    const clients = only(state, 'AWS::EC2::SecurityGroup', /Clients/);
    const nodes = only(state, 'AWS::EC2::SecurityGroup', /CacheNodes/);
    const rules = ofType(state, 'AWS::EC2::SecurityGroupIngress').filter(
      ({ properties }) => JSON.stringify(properties['GroupId']) === JSON.stringify(attribute(nodes, 'GroupId')),
    );

    expect(nodes.properties).not.toHaveProperty('SecurityGroupIngress');
    expect(cache.properties['SecurityGroupIds']).toEqual([attribute(nodes, 'GroupId')]);
    expect(rules.map(({ properties }) => properties)).toEqual([
      expect.objectContaining({ FromPort: 6379, ToPort: 6380, SourceSecurityGroupId: attribute(clients, 'GroupId') }),
    ]);
  });

  test('has the functions in its network, from where they reach the queue and the password [AWS-1]', () => {
    const endpoints = ofType(state, 'AWS::EC2::VPCEndpoint').map(({ properties }) => JSON.stringify(properties));
    const functions = ofType(server, 'AWS::Lambda::Function');

    expect(functions).toHaveLength(3);
    for (const { properties } of functions) {
      expect(properties['VpcConfig']).toEqual({
        SecurityGroupIds: [{ 'Fn::ImportValue': expect.stringContaining('Clients') }],
        SubnetIds: [expect.anything(), expect.anything()],
      });
    }
    expect(endpoints).toEqual([expect.stringContaining('.sqs'), expect.stringContaining('.secretsmanager')]);
    expect(endpoints.every((endpoint) => endpoint.includes('"PrivateDnsEnabled":true'))).toBe(true);
  });

  test('has no way to the internet unless tokens have to be checked or it is asked for [SEC-5]', () => {
    const gateways = (context: Record<string, string>) =>
      ofType(synthesize({ backend: 'redis', ...context }).state, 'AWS::EC2::NatGateway').length;

    expect(gateways({})).toBe(0);
    expect(gateways({ internetAccess: 'true' })).toBe(1);
    expect(gateways({ auth: 'jwt', jwtIssuer: 'https://issuer.example.com' })).toBe(1);
  });
});

function replicaOf(table: Resource): unknown {
  const replicas = table.properties['Replicas'] as readonly unknown[];
  expect(replicas).toHaveLength(1);
  return replicas[0];
}

function attribute({ id }: Resource, name: string): unknown {
  return { 'Fn::GetAtt': [id, name] };
}
