/** What functions, APIs and networks write to CloudWatch Logs: from which level on, for how long, and under whose key. */
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { LogLevel } from '../lambda/shared/words.ts';
import { present } from '../src/present.ts';

export interface LogSettings {
  /** Of the functions' own records. Lambda's about them begin at WARN always. @default 'info' */
  readonly level?: LogLevel;
  /** @default RetentionDays.THREE_MONTHS */
  readonly retention?: RetentionDays;
  /** Its policy has to let CloudWatch Logs of the region use it. @default - a key that CloudWatch owns */
  readonly encryptionKey?: IKey | undefined;
}

export function logGroup(scope: Construct, id: string, { retention, encryptionKey }: LogSettings = {}): LogGroup {
  return new LogGroup(scope, id, {
    retention: retention ?? RetentionDays.THREE_MONTHS,
    ...present({ encryptionKey }),
  });
}

/** What CloudWatch Logs lets be chosen. */
export const RETENTION_DAYS: readonly RetentionDays[] = Object.values(RetentionDays).filter(
  (days): days is RetentionDays => typeof days === 'number' && days !== RetentionDays.INFINITE,
);
