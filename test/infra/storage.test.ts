/** What the stateful stack keeps, and how well: the table, or the cache with its network, and never both. */
import { describe, expect, test } from '@jest/globals';
import { CACHE_ACCESS } from '../../lib/task-cache.ts';
import { TTL_ATTRIBUTE } from '../../src/backends/dynamodb-attributes.ts';
import { TABLE_DEFINITION } from '../../src/backends/dynamodb-table.ts';
import { JWT, KEY_ARN, OWN_NETWORK, ofType, only, type Resource, synthesize } from './synthesized.ts';

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

  test('may be one that is there already, a restored one for instance, which the stack neither makes nor imports from another [AWS-10]', () => {
    const { state, server } = synthesize({ tableName: 'restored', encryptionKeyArn: KEY_ARN });
    const functions = ofType(server, 'AWS::Lambda::Function');
    const policies = JSON.stringify(ofType(server, 'AWS::IAM::Policy'));

    expect(ofType(state, GLOBAL_TABLE)).toEqual([]);
    for (const { properties } of functions) {
      const { Variables } = properties['Environment'] as { readonly Variables: unknown };
      expect(Variables).toMatchObject({ TASKS_TABLE_NAME: 'restored' });
    }
    expect(policies).toContain(':table/restored"');
    expect(policies).toContain(KEY_ARN);
    expect(JSON.stringify(server)).not.toContain('Fn::ImportValue');
  });

  test('is alone: with DynamoDB there is no cache and no network [AWS-1]', () => {
    const { state, server } = synthesize();

    expect([...state, ...server].filter(({ type }) => /ElastiCache|EC2/.test(type))).toEqual([]);
  });

  test('is reached from the team’s own network, where tools need to be in one [AWS-11]', () => {
    const { server } = synthesize(OWN_NETWORK);
    const group = only(server, 'AWS::EC2::SecurityGroup');

    expect(group.properties).toMatchObject({ VpcId: 'vpc-0123456789abcdef0' });
    for (const { properties } of ofType(server, 'AWS::Lambda::Function')) {
      expect(properties['VpcConfig']).toEqual({
        SecurityGroupIds: [attribute(group, 'GroupId')],
        SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
      });
    }
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

  test('lets in one user only, known by IAM: there is no password to lose or to replace [SEC-5]', () => {
    expect(cache.properties['UserGroupId']).toEqual({ Ref: group.id });
    expect(group.properties).toMatchObject({ Engine: 'valkey', UserIds: [{ Ref: user.id }] });
    expect(user.properties).toMatchObject({ AuthenticationMode: { Type: 'iam' }, AccessString: CACHE_ACCESS });
    // ElastiCache's rules for users of IAM.
    expect(user.properties['UserName']).toBe(user.properties['UserId']);
    expect(user.properties['UserName']).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
    expect(JSON.stringify([state, server])).not.toMatch(/secretsmanager/i);
  });

  test('keeps snapshots, has a bound, and stays when its stack goes [AWS-1 SEC-5]', () => {
    expect(cache.properties).toMatchObject({
      Engine: 'valkey',
      SnapshotRetentionLimit: 7,
      CacheUsageLimits: { DataStorage: { Maximum: 10, Unit: 'GB' } },
    });
    for (const kept of [cache, user, group]) {
      expect(kept.raw).toMatchObject({ DeletionPolicy: 'Retain' });
    }
  });

  test('is encrypted with the team’s own key where there is one [SEC-5]', () => {
    const own = synthesize({ backend: 'redis', encryptionKeyArn: KEY_ARN }).state;

    expect(only(own, 'AWS::ElastiCache::ServerlessCache').properties['KmsKeyId']).toBe(KEY_ARN);
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

  test('has the functions in its network, from where they reach the queue [AWS-1]', () => {
    const endpoints = ofType(state, 'AWS::EC2::VPCEndpoint').map(({ properties }) => JSON.stringify(properties));
    const functions = ofType(server, 'AWS::Lambda::Function');

    expect(functions).toHaveLength(4);
    for (const { properties } of functions) {
      expect(properties['VpcConfig']).toEqual({
        SecurityGroupIds: [{ 'Fn::ImportValue': expect.stringContaining('Clients') }],
        SubnetIds: [expect.anything(), expect.anything()],
      });
    }
    expect(endpoints).toEqual([expect.stringContaining('.sqs')]);
    expect(endpoints.every((endpoint) => endpoint.includes('"PrivateDnsEnabled":true'))).toBe(true);
  });

  test('has no way to the internet unless tokens have to be checked or it is asked for [SEC-5]', () => {
    const gateways = (context: Record<string, string>) =>
      ofType(synthesize({ backend: 'redis', ...context }).state, 'AWS::EC2::NatGateway').length;

    expect(gateways({})).toBe(0);
    expect(gateways({ internetAccess: 'true' })).toBe(1);
    expect(gateways({ ...JWT, api: 'http' })).toBe(1);
  });

  test('goes with its functions into the team’s own network, where that is asked for [AWS-11]', () => {
    const own = synthesize({ backend: 'redis', ...OWN_NETWORK });
    const subnets = ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'];

    expect(ofType(own.state, 'AWS::EC2::VPC')).toEqual([]);
    expect(only(own.state, 'AWS::ElastiCache::ServerlessCache').properties['SubnetIds']).toEqual(subnets);
    for (const { properties } of ofType(own.server, 'AWS::Lambda::Function')) {
      expect(properties['VpcConfig']).toMatchObject({ SubnetIds: subnets });
    }
  });

  test('is in the zones that are named, since not all of a region’s have the service [AWS-11]', () => {
    const zones = (context: Record<string, string>) =>
      ofType(synthesize({ backend: 'redis', ...context }).state, 'AWS::EC2::Subnet').map(
        ({ properties }) => properties['AvailabilityZone'],
      );

    expect(zones({ availabilityZones: 'eu-central-1b,eu-central-1c' })).toEqual(['eu-central-1b', 'eu-central-1c']);
    expect(zones({})).toHaveLength(2);
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
