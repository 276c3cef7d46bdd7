/** How new code comes to callers: at once, or bit by bit, with CodeDeploy turning back when an alarm goes off meanwhile. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { Validations } from 'aws-cdk-lib';
import type { IAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import {
  type ILambdaDeploymentConfig,
  LambdaApplication,
  LambdaDeploymentConfig,
  LambdaDeploymentGroup,
} from 'aws-cdk-lib/aws-codedeploy';
import { Alias, type IVersion, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

/**
 * `canary`: a tenth of the calls for five minutes, then all. `linear`: a tenth more each minute. `all-at-once`: without
 * CodeDeploy.
 */
export const ROLLOUTS = ['all-at-once', 'canary', 'linear'] as const;
export type Rollout = (typeof ROLLOUTS)[number];

const CONFIGURATIONS: Readonly<Record<Exclude<Rollout, 'all-at-once'>, ILambdaDeploymentConfig>> = {
  canary: LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
  linear: LambdaDeploymentConfig.LINEAR_10PERCENT_EVERY_1MINUTE,
};

/** What callers are connected to where traffic is shifted; `undefined` where it goes to the function as it is. */
export function liveAlias(scope: Construct, handler: LambdaFunction, rollout: Rollout): Alias | undefined {
  if (rollout === 'all-at-once') return undefined;
  return new Alias(scope, 'Live', { aliasName: 'live', version: handler.currentVersion as IVersion });
}

export interface ShiftedTraffic {
  readonly alias: Alias | undefined;
  /** At most ten, which is CodeDeploy's bound. One that is on already lets no deployment begin. */
  readonly alarms: readonly IAlarm[];
}

export interface GuardedRolloutProps {
  readonly rollout: Exclude<Rollout, 'all-at-once'>;
  /** By the name of what is deployed. */
  readonly traffic: Readonly<Record<string, ShiftedTraffic>>;
}

export class GuardedRollout extends Construct {
  constructor(scope: Construct, id: string, { rollout, traffic }: GuardedRolloutProps) {
    super(scope, id);
    const application = new LambdaApplication(this, 'Application');
    for (const [name, { alias, alarms }] of Object.entries(traffic)) {
      if (alias === undefined) continue;
      const group = new LambdaDeploymentGroup(this, name, {
        application,
        alias,
        alarms: [...alarms],
        deploymentConfig: CONFIGURATIONS[rollout],
      });
      Validations.of(group).acknowledge({
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited]',
        reason:
          'The policy that CodeDeploy asks for to shift the traffic of functions; only the service may take the role.',
      });
    }
  }
}
