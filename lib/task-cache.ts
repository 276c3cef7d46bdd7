/**
 * The Redis alternative to the table: ElastiCache Serverless for Valkey in private subnets, with TLS and a user that IAM
 * authenticates: there is no password. Encrypted at rest, cluster mode always; the functions run in the same network.
 */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { ArnFormat, CfnOutput, type Duration, Names, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import {
  type ISecurityGroup,
  type IVpc,
  Port,
  SecurityGroup,
  type SelectedSubnets,
  type SubnetSelection,
} from 'aws-cdk-lib/aws-ec2';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { CACHE_KEY_PREFIX } from '../lambda/shared/words.ts';
import { present } from '../src/present.ts';
import type { AlarmSpec } from './alarm-spec.ts';
import type { FunctionNetwork } from './bundled-function.ts';
import type { LogSettings } from './log-settings.ts';
import type { StorageGraph, TaskStorage } from './storage.ts';
import { privateSubnets, TaskNetwork } from './task-network.ts';

export interface TaskCacheProps {
  /**
   * Needs private subnets in two or three zones, from which SQS can be reached.
   * @default - a network of its own, with an endpoint for SQS
   */
  readonly vpc?: IVpc | undefined;
  /** Of `vpc`: where cache and functions are. @default - its private subnets */
  readonly vpcSubnets?: SubnetSelection | undefined;
  /** Of our own network. @default - two of CDK's choice */
  readonly availabilityZones?: readonly string[] | undefined;
  /** Of our own network's flow log. @default - for a month */
  readonly logs?: LogSettings | undefined;
  /**
   * Lets the functions of our own network reach the internet through a NAT gateway: to fetch a token issuer's keys,
   * and for what tools call. @default false
   */
  readonly internetAccess?: boolean | undefined;
  /** Upper bound of what the cache may hold, in GB. Near it, tasks are evicted: see the alarms. @default 10 */
  readonly maxStorageGb?: number | undefined;
  /** Daily snapshots that are kept. @default 7 */
  readonly snapshotRetentionDays?: number | undefined;
  /** @default - a key that ElastiCache owns */
  readonly encryptionKey?: IKey | undefined;
  /** Of cache and user. @default RemovalPolicy.RETAIN */
  readonly removalPolicy?: RemovalPolicy | undefined;
}

const VALKEY_PORT = 6379;
const GIGABYTE = 1_000_000_000;

/**
 * All that the backend's scripts and a cluster client call, on the backend's own keys; nothing that administers,
 * flushes, or lists keys. A test runs the backend as this user.
 */
export const CACHE_ACCESS = [
  `on ~${CACHE_KEY_PREFIX}* -@all`,
  '+eval +evalsha',
  '+hmget +hset +hdel +del +persist +pexpireat',
  '+zadd +zrem +zcard +zrangebyscore +zrevrange +zrangebylex +zrevrangebylex',
  '+ping +info +readonly +readwrite +asking +cluster|slots +cluster|info +client|setinfo +client|setname',
].join(' ');

export class TaskCache extends Construct implements TaskStorage {
  readonly backend = 'redis';
  readonly environment: Environment;
  readonly vpc: IVpc;
  readonly subnets: SelectedSubnets;
  /** Functions that use the cache run in it. */
  readonly clientSecurityGroup: ISecurityGroup;
  /** `rediss://host:port`. */
  readonly endpoint: string;
  readonly cacheName: string;
  /** User id and user name: IAM wants them to be the same. */
  readonly userId: string;
  readonly maxStorageGb: number;

  constructor(scope: Construct, id: string, props: TaskCacheProps = {}) {
    super(scope, id);
    const { encryptionKey, removalPolicy = RemovalPolicy.RETAIN, maxStorageGb = 10, vpcSubnets } = props;
    this.maxStorageGb = maxStorageGb;
    const network = props.vpc === undefined ? this.#createNetwork(props) : undefined;
    this.vpc = network?.vpc ?? (props.vpc as IVpc);
    this.subnets = vpcSubnets === undefined ? privateSubnets(this.vpc) : this.vpc.selectSubnets(vpcSubnets);
    // Outbound is open because tools call what they call; our own network without internet access ends at its borders.
    this.clientSecurityGroup = new SecurityGroup(this, 'Clients', {
      vpc: this.vpc,
      description: 'Uses the task cache',
    });
    network?.allowFrom(this.clientSecurityGroup);
    // ElastiCache makes no names itself. From the path and the stack's name, so each cache has its own.
    this.cacheName = Names.uniqueResourceName(this, { maxLength: 34 }).toLowerCase();
    // Another id than the user with a password had: CloudFormation makes the new user before it removes the old one.
    this.userId = `${this.cacheName}-iam`;
    const group = this.#createUserGroup(removalPolicy);
    const cache = new CfnServerlessCache(this, 'Cache', {
      engine: 'valkey',
      majorEngineVersion: '8',
      serverlessCacheName: this.cacheName,
      description: 'Durable MCP tasks',
      securityGroupIds: [this.#createCacheSecurityGroup().securityGroupId],
      subnetIds: this.subnets.subnetIds,
      userGroupId: group.ref,
      snapshotRetentionLimit: props.snapshotRetentionDays ?? 7,
      cacheUsageLimits: { dataStorage: { maximum: maxStorageGb, unit: 'GB' } },
      ...present({ kmsKeyId: encryptionKey?.keyArn }),
    });
    cache.applyRemovalPolicy(removalPolicy);
    this.endpoint = `rediss://${cache.attrEndpointAddress}:${cache.attrEndpointPort}`;
    const { backend, endpoint, cacheName, userId } = this;
    this.environment = { backend, redisEndpoint: endpoint, redisCacheName: cacheName, redisUserId: userId };
    new CfnOutput(this, 'CacheName', { value: this.cacheName, description: 'Where tasks are stored' });
  }

  networkFor(): FunctionNetwork {
    return { vpc: this.vpc, vpcSubnets: this.subnets, securityGroups: [this.clientSecurityGroup] };
  }

  /** Lets a function connect as the cache's user. The network lets it in: see `clientSecurityGroup`. */
  grantTasks(grantee: IGrantable): void {
    const arnOf = (resource: string, resourceName: string) =>
      Stack.of(this).formatArn({
        service: 'elasticache',
        resource,
        resourceName,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
    const resourceArns = [arnOf('serverlesscache', this.cacheName), arnOf('user', this.userId)];
    Grant.addToPrincipal({ grantee, actions: ['elasticache:Connect'], resourceArns });
  }

  alarms(period: Duration): AlarmSpec[] {
    return [
      {
        id: 'CacheEvictions',
        metric: this.metric('Evictions', 'Sum', period),
        threshold: 1,
        description: 'The cache is full and drops tasks.',
      },
      {
        id: 'CacheNearlyFull',
        metric: this.metric('BytesUsedForCache', 'Maximum', period),
        threshold: this.maxStorageGb * GIGABYTE * 0.8,
        description: 'The cache holds 80 % of what it may; a full cache drops tasks.',
      },
      {
        id: 'CacheThrottled',
        metric: this.metric('ThrottledCmds', 'Sum', period),
        threshold: 5,
        description: 'The cache throttles commands.',
      },
    ];
  }

  graphs(period: Duration): StorageGraph[] {
    const latency = ['SuccessfulReadRequestLatency', 'SuccessfulWriteRequestLatency'];
    return [
      { title: 'Cache latency (µs)', metrics: latency.map((name) => this.metric(name, 'Average', period)) },
      { title: 'Cost: cache units', metrics: [this.metric('ElastiCacheProcessingUnits', 'Sum', period)] },
      { title: 'Cost: cache bytes', metrics: [this.metric('BytesUsedForCache', 'Maximum', period)] },
    ];
  }

  metric(metricName: string, statistic: string, period: Duration): Metric {
    // Not "CacheClusterId", which is for caches of nodes.
    const dimensionsMap = { clusterId: this.cacheName };
    return new Metric({ namespace: 'AWS/ElastiCache', metricName, dimensionsMap, statistic, period });
  }

  #createNetwork({ internetAccess = false, availabilityZones, logs }: TaskCacheProps): TaskNetwork {
    return new TaskNetwork(this, 'Network', {
      internetAccess,
      availabilityZones,
      logs,
    });
  }

  /** In a group of Valkey's no `default` user is needed (in one of Redis's it is), so nobody connects in another way. */
  #createUserGroup(removalPolicy: RemovalPolicy): CfnUserGroup {
    const user = new CfnUser(this, 'User', {
      engine: 'valkey',
      userId: this.userId,
      userName: this.userId,
      accessString: CACHE_ACCESS,
      authenticationMode: { Type: 'iam' },
    });
    const group = new CfnUserGroup(this, 'Users', {
      engine: 'valkey',
      userGroupId: `${this.cacheName}-users`,
      userIds: [user.ref],
    });
    user.applyRemovalPolicy(removalPolicy);
    group.applyRemovalPolicy(removalPolicy);
    return group;
  }

  #createCacheSecurityGroup(): SecurityGroup {
    const group = new SecurityGroup(this, 'CacheNodes', {
      vpc: this.vpc,
      description: 'The task cache',
      allowAllOutbound: false,
    });
    // Serverless caches answer on one port and, for reads of replicas, on the next.
    group.addIngressRule(this.clientSecurityGroup, Port.tcpRange(VALKEY_PORT, VALKEY_PORT + 1), 'Task functions');
    return group;
  }
}
