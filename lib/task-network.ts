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
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { type LogSettings, logGroup } from './log-settings.ts';

export interface TaskNetworkProps {
  /** A NAT gateway. Only token keys and the tools' own calls need it. @default false */
  readonly internetAccess?: boolean | undefined;
  /** Two or three, where the cache's service is; not all of a region's zones have it. @default - two of CDK's choice */
  readonly availabilityZones?: readonly string[] | undefined;
  /** Of the flow log. @default - for a month */
  readonly logs?: LogSettings | undefined;
}

export class TaskNetwork extends Construct {
  readonly vpc: IVpc;
  readonly #endpoints: SecurityGroup;

  constructor(scope: Construct, id: string, props: TaskNetworkProps = {}) {
    super(scope, id);
    const { internetAccess = false, availabilityZones } = props;
    const vpc = new Vpc(this, 'Vpc', {
      ...(availabilityZones === undefined ? { maxAzs: 2 } : { availabilityZones: [...availabilityZones] }),
      natGateways: internetAccess ? 1 : 0,
      subnetConfiguration: internetAccess
        ? [
            { name: 'tasks', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 24 },
            { name: 'gateway', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: false, cidrMask: 28 },
          ]
        : [{ name: 'tasks', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
    });
    this.vpc = vpc as IVpc;
    const flowLogs = logGroup(this, 'FlowLogs', { retention: RetentionDays.ONE_MONTH, ...props.logs });
    vpc.addFlowLog('Flow', { destination: FlowLogDestination.toCloudWatchLogs(flowLogs) });
    this.#endpoints = new SecurityGroup(this, 'Endpoints', {
      vpc: this.vpc,
      description: 'AWS services',
      allowAllOutbound: false,
    });
    // The queue never depends on the one NAT gateway. Logs need no way out: Lambda takes them itself.
    vpc.addInterfaceEndpoint('Sqs', {
      service: InterfaceVpcEndpointAwsService.SQS,
      securityGroups: [this.#endpoints],
      open: false,
    });
  }

  /** Lets the members of a group call SQS. */
  allowFrom(clients: ISecurityGroup): void {
    this.#endpoints.addIngressRule(clients, Port.tcp(443), 'Task functions');
  }
}

/** Where cache and functions are: private subnets, with a way out or without. */
export function privateSubnets(vpc: IVpc): SelectedSubnets {
  const withEgress = vpc.privateSubnets.length > 0;
  return vpc.selectSubnets({ subnetType: withEgress ? SubnetType.PRIVATE_WITH_EGRESS : SubnetType.PRIVATE_ISOLATED });
}
