/** A network that the team has already, by the ids of its parts: nothing is looked up, so synthesis needs no account. */
import { type ISecurityGroup, type IVpc, SecurityGroup, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Construct } from 'constructs';
import type { FunctionNetwork } from './bundled-function.ts';
import { privateSubnets } from './task-network.ts';

export interface ExistingNetwork {
  readonly vpcId: string;
  /** Private ones, with a way to SQS and, for the table, to DynamoDB. */
  readonly subnetIds: readonly string[];
  /** Of the subnets, in their order. */
  readonly availabilityZones: readonly string[];
}

export function existingVpc(scope: Construct, { vpcId, subnetIds, availabilityZones }: ExistingNetwork): IVpc {
  return Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId,
    privateSubnetIds: [...subnetIds],
    availabilityZones: [...availabilityZones],
  });
}

/** For functions that need the network for their tools' sake only, since the table is reached from anywhere. */
export function functionsIn(scope: Construct, network: ExistingNetwork): FunctionNetwork {
  const vpc = existingVpc(scope, network);
  const securityGroup: ISecurityGroup = new SecurityGroup(scope, 'Functions', { vpc, description: 'Task functions' });
  return { vpc, vpcSubnets: privateSubnets(vpc), securityGroups: [securityGroup] };
}
