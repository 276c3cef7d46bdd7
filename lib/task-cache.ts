/**
 * The Redis alternative to the table: ElastiCache Serverless for Valkey in private subnets, with TLS and a user whose
 * password is a secret. The functions run in the same network; what else they call, they reach through endpoints.
 */
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  type SelectedSubnets,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

export interface TaskCacheProps {
  /** Needs private subnets. @default - a network of its own, without a way to the internet */
  readonly vpc?: IVpc;
  /** Lets the functions reach the internet through a NAT gateway, as they must to fetch a token issuer's keys. @default false */
  readonly internetAccess?: boolean;
  /** Upper bound of what the cache may hold, in GB. @default 10 */
  readonly maxStorageGb?: number;
  /** Daily snapshots that are kept. @default 7 */
  readonly snapshotRetentionDays?: number;
}

const VALKEY_PORT = 6379;
const USER_NAME = 'tasks';

export class TaskCache extends Construct {
  readonly vpc: IVpc;
  /** Functions that use the cache run in it. */
  readonly clientSecurityGroup: ISecurityGroup;
  /** `rediss://host:port`. */
  readonly endpoint: string;
  /** `{ "username": …, "password": … }`. */
  readonly secret: Secret;

  constructor(scope: Construct, id: string, props: TaskCacheProps = {}) {
    super(scope, id);
    this.vpc = props.vpc ?? this.#createNetwork(props.internetAccess ?? false);
    this.clientSecurityGroup = new SecurityGroup(this, 'Clients', { vpc: this.vpc, description: 'Uses the task cache' });
    const cacheSecurityGroup = new SecurityGroup(this, 'CacheNodes', {
      vpc: this.vpc,
      description: 'The task cache',
      allowAllOutbound: false,
    });
    // Serverless caches answer writes on one port and reads of replicas on the next.
    cacheSecurityGroup.addIngressRule(this.clientSecurityGroup, Port.tcpRange(VALKEY_PORT, VALKEY_PORT + 1), 'Task functions');
    this.secret = new Secret(this, 'Password', {
      description: 'The user of the task cache',
      removalPolicy: RemovalPolicy.RETAIN,
      generateSecretString: {
        secretStringTemplate: JSON.stringify({ username: USER_NAME }),
        generateStringKey: 'password',
        excludePunctuation: true,
        passwordLength: 64,
      },
    });
    const userId = `${Stack.of(this).stackName}-tasks`.toLowerCase().slice(0, 40);
    const user = new CfnUser(this, 'User', {
      engine: 'valkey',
      userId,
      userName: USER_NAME,
      // Everything that the backend's scripts call; nothing that administers, flushes or lists keys.
      accessString: 'on ~* -@all +@read +@write +@scripting +@connection +cluster +info +config|get -flushall -flushdb -keys',
      authenticationMode: { Type: 'password', Passwords: [this.secret.secretValueFromJson('password').unsafeUnwrap()] },
    });
    const group = new CfnUserGroup(this, 'Users', { engine: 'valkey', userGroupId: `${userId}-users`, userIds: [userId] });
    group.addDependency(user);
    const cache = new CfnServerlessCache(this, 'Cache', {
      engine: 'valkey',
      majorEngineVersion: '8',
      serverlessCacheName: userId,
      description: 'Durable MCP tasks',
      securityGroupIds: [cacheSecurityGroup.securityGroupId],
      subnetIds: privateSubnets(this.vpc).subnetIds,
      userGroupId: group.userGroupId,
      snapshotRetentionLimit: props.snapshotRetentionDays ?? 7,
      cacheUsageLimits: { dataStorage: { maximum: props.maxStorageGb ?? 10, unit: 'GB' } },
    });
    cache.addDependency(group);
    cache.applyRemovalPolicy(RemovalPolicy.RETAIN);
    this.endpoint = `rediss://${cache.attrEndpointAddress}:${cache.attrEndpointPort}`;
  }

  grantTasks(grantee: IGrantable): void {
    this.secret.grantRead(grantee);
  }

  #createNetwork(internetAccess: boolean): IVpc {
    const vpc = new Vpc(this, 'Network', {
      maxAzs: 2,
      natGateways: internetAccess ? 1 : 0,
      subnetConfiguration: internetAccess
        ? [
            { name: 'tasks', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 24 },
            { name: 'gateway', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: false, cidrMask: 28 },
          ]
        : [{ name: 'tasks', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
    });
    vpc.addFlowLog('Flow', { destination: FlowLogDestination.toCloudWatchLogs() });
    const endpoints = new SecurityGroup(this, 'Endpoints', {
      vpc: vpc as IVpc,
      description: 'AWS services',
      allowAllOutbound: false,
    });
    endpoints.addIngressRule(Peer.ipv4(vpc.vpcCidrBlock), Port.tcp(443), 'From this network');
    for (const [name, service] of [
      ['Sqs', InterfaceVpcEndpointAwsService.SQS],
      ['SecretsManager', InterfaceVpcEndpointAwsService.SECRETS_MANAGER],
      ['Logs', InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS],
    ] as const) {
      vpc.addInterfaceEndpoint(name, { service, securityGroups: [endpoints], open: false });
    }
    return vpc as IVpc;
  }
}

/** Where cache and functions are: private subnets, with a way out or without. */
export function privateSubnets(vpc: IVpc): SelectedSubnets {
  const withEgress = vpc.privateSubnets.length > 0;
  return vpc.selectSubnets({ subnetType: withEgress ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PRIVATE_ISOLATED });
}
