/**
 * The SQS client of a program that was given a queue's URL, and what it can tell of that queue. Region and credentials
 * come from where the AWS SDK always looks, the region first from the URL. A host that has a client of its own hands
 * that over.
 */
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';

/** What an emulator on this machine takes as well as any other; AWS would refuse it. */
const LOCAL = { region: 'us-east-1', accessKeyId: 'local', secretAccessKey: 'local' } as const;
/** Fewer are soon used up by an outage that lasts a few minutes. */
const FEW_RECEIVES = 20;

type AwsEnvironment = Readonly<Record<string, string | undefined>>;

/** The caller closes it with `destroy()`. */
export function connectSqs(queueUrl: string, environment: AwsEnvironment): SQSClient {
  const { hostname } = new URL(queueUrl);
  const [, region] = /^(?:sqs\.)?([a-z]+(?:-[a-z]+)+-\d+)\.(?:queue\.)?amazonaws\.com(?:\.cn)?$/.exec(hostname) ?? [];
  if (region !== undefined) return new SQSClient({ region });
  const hasRegion = 'AWS_REGION' in environment || 'AWS_PROFILE' in environment;
  const hasCredentials = 'AWS_ACCESS_KEY_ID' in environment || 'AWS_PROFILE' in environment;
  const { accessKeyId, secretAccessKey } = LOCAL;
  return new SQSClient({
    endpoint: new URL(queueUrl).origin,
    ...(hasRegion ? {} : { region: LOCAL.region }),
    ...(hasCredentials ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  });
}

/** What may lose tasks in the queue as it is set up. Rejects with the client's error if the queue cannot be used. */
export async function checkSqsQueue(client: SQSClient, queueUrl: string): Promise<readonly string[]> {
  const { Attributes: attributes } = await client.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['RedrivePolicy'] }),
  );
  const policy: unknown = JSON.parse(attributes?.RedrivePolicy ?? '{}');
  const receives = Object(policy).maxReceiveCount;
  if (receives === undefined || Number(receives) >= FEW_RECEIVES) return [];
  return [
    `the queue gives up on a message after ${receives} receives, outages included: ` +
      `set maxReceiveCount to ${FEW_RECEIVES} or more, or tasks wait until a client asks about them.`,
  ];
}
