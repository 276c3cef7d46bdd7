/**
 * The settings that name other people's resources by ARN: of the right kind, and where CloudFormation would find them.
 * What is in another region or account fails only when the stack is half made.
 */
import { Arn, ArnFormat } from 'aws-cdk-lib';
import type { ContextReader } from './context-reader.ts';

/** Where the stacks go, as far as it is known: from the CDK's command line. */
export interface Target {
  readonly account?: string;
  readonly region?: string;
}

export interface ArnSettings {
  readonly certificateArn?: string;
  readonly webAclArn?: string;
  readonly encryptionKeyArn?: string;
  readonly logKeyArn?: string;
  readonly alarmTopicArn?: string;
}

interface Kind {
  readonly pattern: RegExp;
  /** Completes "must be the ARN of …". */
  readonly what: string;
  /** Only this account's can be used. */
  readonly ownAccount: boolean;
}

const KEY = { pattern: /^arn:[^:]+:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/, what: 'a KMS key', ownAccount: false };

const KINDS: Readonly<Record<keyof ArnSettings, Kind>> = {
  certificateArn: {
    pattern: /^arn:[^:]+:acm:[a-z0-9-]+:\d{12}:certificate\/[\w-]+$/,
    what: 'an ACM certificate',
    ownAccount: true,
  },
  webAclArn: {
    pattern: /^arn:[^:]+:wafv2:[a-z0-9-]+:\d{12}:regional\/webacl\/[^/]+\/[\w-]+$/,
    what: 'a regional web ACL',
    ownAccount: true,
  },
  encryptionKeyArn: KEY,
  logKeyArn: KEY,
  alarmTopicArn: {
    pattern: /^arn:[^:]+:sns:[a-z0-9-]+:\d{12}:[\w-]+$/,
    what: 'an SNS topic that is no FIFO topic, which alarms cannot use',
    ownAccount: false,
  },
};

/** With the region that the ARNs agree on, where the command line has none. */
export function readArns(reader: ContextReader, target: Target): { arns: ArnSettings; region: string | undefined } {
  const arns = Object.fromEntries(
    Object.entries(KINDS).map(([name, { pattern, what }]) => [
      name,
      reader.matching(name, pattern, `the ARN of ${what}`),
    ]),
  ) as ArnSettings;
  let expected = target.region === undefined ? undefined : { region: target.region, by: 'the stacks go to' };
  for (const name of Object.keys(KINDS) as (keyof ArnSettings)[]) {
    const arn = arns[name];
    if (arn === undefined) continue;
    const { region = '', account } = Arn.split(arn, ArnFormat.SLASH_RESOURCE_NAME);
    if (expected !== undefined && region !== expected.region) {
      reader.problems.push(
        `Context "${name}" is in ${region}, but ${expected.by} ${expected.region}: all have to be in the stacks' region.`,
      );
    }
    expected ??= { region, by: `"${name}" is in` };
    if (KINDS[name].ownAccount && target.account !== undefined && account !== target.account) {
      reader.problems.push(
        `Context "${name}" is of the account ${account}, but the stacks go to ${target.account}, whose own it must be.`,
      );
    }
  }
  return { arns, region: expected?.region };
}
