/**
 * The Redis alternative to the table: ElastiCache Serverless for Valkey in private subnets, with TLS and a user whose
 * password is a secret. Encrypted at rest, cluster mode always; the functions run in the same network.
 */
import { type Duration, Names, RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { type ISecurityGroup, type IVpc, Port, SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { privateSubnets, TaskNetwork } from './task-network.ts';

export interface TaskCacheProps {
  /**
   * Needs private subnets in two zones, from which SQS and Secrets Manager can be reached.
   * @default - a network of its own, with endpoints for these services
   */
  readonly vpc?: IVpc;
  /**
   * Lets the functions of our own network reach the internet through a NAT gateway: to fetch a token issuer's keys,
   * and for what tools call. @default false
   */
  readonly internetAccess?: boolean;
  /** Upper bound of what the cache may hold, in GB. Near it, tasks are evicted: see the alarms. @default 10 */
  readonly maxStorageGb?: number;
  /** Daily snapshots that are kept. @default 7 */
  readonly snapshotRetentionDays?: number;
  /** For the cache and its password. @default - keys that ElastiCache and Secrets Manager own */
  readonly encryptionKey?: IKey;
  /** Of cache, user and password. @default RemovalPolicy.RETAIN */
  readonly removalPolicy?: RemovalPolicy;
}

const VALKEY_PORT = 6379;
export const CACHE_USER_NAME = 'tasks';

/**
 * All that the backend's scripts and a cluster client call, on the backend's own keys; nothing that administers,
 * flushes, or lists keys. A test runs the backend as this user.
 */
export const CACHE_ACCESS = [
  'on ~mcp-tasks:* -@all',
  '+eval +evalsha',
  '+hmget +hset +hdel +del +persist +pexpireat',
  '+zadd +zrem +zcard +zrangebyscore +zrevrange +zrangebylex +zrevrangebylex',
  '+ping +info +readonly +readwrite +asking +cluster|slots +cluster|info +client|setinfo +client|setname',
].join(' ');

export class TaskCache extends Construct {
  readonly vpc: IVpc;
  /** Functions that use the cache run in it. */
  readonly clientSecurityGroup: ISecurityGroup;
  /** `rediss://host:port`. */
  readonly endpoint: string;
  /** `{ "username": …, "password": … }`. */
  readonly secret: Secret;
  readonly maxStorageGb: number;
  readonly #cacheName: string;

  constructor(scope: Construct, id: string, props: TaskCacheProps = {}) {
    super(scope, id);
    const { encryptionKey, removalPolicy = RemovalPolicy.RETAIN, maxStorageGb = 10 } = props;
    this.maxStorageGb = maxStorageGb;
    const network =
      props.vpc === undefined
        ? new TaskNetwork(this, 'Network', { internetAccess: props.internetAccess ?? false })
        : undefined;
    this.vpc = network?.vpc ?? (props.vpc as IVpc);
    // Outbound is open because tools call what they call; our own network without internet access ends at its borders.
    this.clientSecurityGroup = new SecurityGroup(this, 'Clients', {
      vpc: this.vpc,
      description: 'Uses the task cache',
    });
    network?.allowFrom(this.clientSecurityGroup);
    this.secret = this.#createSecret(removalPolicy, encryptionKey);
    // ElastiCache makes no names itself. From the path and the stack's name, so each cache has its own.
    this.#cacheName = Names.uniqueResourceName(this, { maxLength: 34 }).toLowerCase();
    const group = this.#createUserGroup(removalPolicy);
    const cache = new CfnServerlessCache(this, 'Cache', {
      engine: 'valkey',
      majorEngineVersion: '8',
      serverlessCacheName: this.#cacheName,
      description: 'Durable MCP tasks',
      securityGroupIds: [this.#createCacheSecurityGroup().securityGroupId],
      subnetIds: privateSubnets(this.vpc).subnetIds,
      userGroupId: group.ref,
      snapshotRetentionLimit: props.snapshotRetentionDays ?? 7,
      cacheUsageLimits: { dataStorage: { maximum: maxStorageGb, unit: 'GB' } },
      ...(encryptionKey === undefined ? {} : { kmsKeyId: encryptionKey.keyArn }),
    });
    cache.applyRemovalPolicy(removalPolicy);
    this.endpoint = `rediss://${cache.attrEndpointAddress}:${cache.attrEndpointPort}`;
  }

  /** Lets a function read the password. The network lets it connect: see `clientSecurityGroup`. */
  grantTasks(grantee: IGrantable): void {
    this.secret.grantRead(grantee);
  }

  metric(metricName: string, statistic: string, period: Duration): Metric {
    // Not "CacheClusterId", which is for caches of nodes.
    const dimensionsMap = { clusterId: this.#cacheName };
    return new Metric({ namespace: 'AWS/ElastiCache', metricName, dimensionsMap, statistic, period });
  }

  #createSecret(removalPolicy: RemovalPolicy, encryptionKey: IKey | undefined): Secret {
    const secret = new Secret(this, 'Password', {
      description: 'The user of the task cache',
      removalPolicy,
      generateSecretString: {
        secretStringTemplate: JSON.stringify({ username: CACHE_USER_NAME }),
        generateStringKey: 'password',
        excludePunctuation: true,
        passwordLength: 64,
      },
      ...(encryptionKey === undefined ? {} : { encryptionKey }),
    });
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'Secrets Manager rotates no ElastiCache users by itself. The password has 64 random characters, is only good ' +
        'inside the network, and is replaced as docs/operations.md says.',
    });
    return secret;
  }

  /** In a group of Valkey's no `default` user is needed (in one of Redis's it is), so nobody connects without a password. */
  #createUserGroup(removalPolicy: RemovalPolicy): CfnUserGroup {
    // The template holds a reference, which CloudFormation resolves when it makes the user.
    const password = this.secret.secretValueFromJson('password').unsafeUnwrap();
    const user = new CfnUser(this, 'User', {
      engine: 'valkey',
      userId: `${this.#cacheName}-user`,
      userName: CACHE_USER_NAME,
      accessString: CACHE_ACCESS,
      authenticationMode: { Type: 'password', Passwords: [password] },
    });
    const group = new CfnUserGroup(this, 'Users', {
      engine: 'valkey',
      userGroupId: `${this.#cacheName}-users`,
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
