/** A network for the cache and the functions that use it: private subnets, and a way to the AWS services they call. */
import {
  FlowLogDestination,
  InterfaceVpcEndpointAwsService,
  type ISecurityGroup,
  type IVpc,
  Port,
  SecurityGroup,
  type SelectedSubnets,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export interface TaskNetworkProps {
  /** A NAT gateway. Only token keys and the tools' own calls need it. @default false */
  readonly internetAccess?: boolean;
}

export class TaskNetwork extends Construct {
  readonly vpc: IVpc;
  readonly #endpoints: SecurityGroup;

  constructor(scope: Construct, id: string, props: TaskNetworkProps = {}) {
    super(scope, id);
    const { internetAccess = false } = props;
    const vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: internetAccess ? 1 : 0,
      subnetConfiguration: internetAccess
        ? [
            { name: 'tasks', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 24 },
            { name: 'gateway', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: false, cidrMask: 28 },
          ]
        : [{ name: 'tasks', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
    });
    this.vpc = vpc as IVpc;
    const flowLogs = new LogGroup(this, 'FlowLogs', { retention: RetentionDays.ONE_MONTH });
    vpc.addFlowLog('Flow', { destination: FlowLogDestination.toCloudWatchLogs(flowLogs) });
    this.#endpoints = new SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'AWS services',
      allowAllOutbound: false,
    });
    // The queue and the password never depend on the one NAT gateway. Logs need no way out: Lambda takes them itself.
    const services = {
      Sqs: InterfaceVpcEndpointAwsService.SQS,
      Secrets: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    };
    for (const [name, service] of Object.entries(services)) {
      vpc.addInterfaceEndpoint(name, { service, securityGroups: [this.#endpoints], open: false });
    }
  }

  /** Lets the members of a group call SQS and Secrets Manager. */
  allowFrom(clients: ISecurityGroup): void {
    this.#endpoints.addIngressRule(clients, Port.tcp(443), 'Task functions');
  }
}

/** Where cache and functions are: private subnets, with a way out or without. */
export function privateSubnets(vpc: IVpc): SelectedSubnets {
  const withEgress = vpc.privateSubnets.length > 0;
  return vpc.selectSubnets({ subnetType: withEgress ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PRIVATE_ISOLATED });
}
