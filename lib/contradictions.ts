/** Settings that are fine alone and not together: what CloudFormation, or the first caller, would find out. */
import type { BackendKind } from '../lambda/shared/words.ts';
import type { Authorization } from './authorization.ts';
import { JWT_SETTINGS } from './authorization-settings.ts';
import type { ContextReader } from './context-reader.ts';
import { type ApiKind, NO_LOGIN_ON_A_STAGE } from './front.ts';
import { ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY, WORKER_MAX_CONCURRENCY } from './limits.ts';
import type { NetworkSettings } from './network-settings.ts';

/** Of the settings, those that depend on others. A wrong one is absent. */
export interface Together extends NetworkSettings {
  readonly api?: ApiKind;
  readonly backend?: BackendKind;
  readonly tableName?: string;
  readonly protection?: boolean;
  readonly authorization?: Authorization;
  readonly accountConcurrency?: number;
  readonly reservedConcurrency?: number;
  readonly workerConcurrency?: number;
  readonly workerReservedConcurrency?: number;
}

type Refusal = readonly [isWrong: boolean, problem: string];

export function contradictions(reader: ContextReader, settings: Together): string[] {
  const isSet = (name: string): boolean => reader.text(name) !== undefined;
  const refusals = [
    ...ofTheTable(settings),
    ...ofTheApi(settings, isSet),
    ...ofTheNetwork(reader, settings, isSet),
    ...ofConcurrency(settings),
  ];
  return refusals.flatMap(([isWrong, problem]) => (isWrong ? [problem] : []));
}

function ofTheApi({ api, authorization }: Together, isSet: (name: string) => boolean): Refusal[] {
  const mode = authorization?.mode;
  return [
    [isSet('domainName') !== isSet('certificateArn'), 'Contexts "domainName" and "certificateArn" go together.'],
    ...['domainName', 'webAclArn', 'apiGatewayLogRole'].map(
      (name): Refusal => [api !== 'rest' && isSet(name), `Context "${name}" needs -c api=rest.`],
    ),
    [
      api === 'url' && (isSet('throttlingRateLimit') || isSet('throttlingBurstLimit')),
      'A function URL cannot throttle: use "reservedConcurrency", or -c api=rest.',
    ],
    [
      api === 'http' && isSet('maxStreamSeconds'),
      'Context "maxStreamSeconds" needs -c api=rest or -c api=url: an HTTP API does not stream.',
    ],
    ...JWT_SETTINGS.map((name): Refusal => [mode !== 'jwt' && isSet(name), `Context "${name}" needs -c auth=jwt.`]),
    [
      mode === 'jwt' && api === 'rest' && !isSet('domainName'),
      `${NO_LOGIN_ON_A_STAGE} Choose -c domainName=… with -c certificateArn=…, -c api=http, or -c api=url.`,
    ],
    [
      isSet('callerAccounts') && (mode !== 'iam' || api === 'http'),
      'Context "callerAccounts" needs -c auth=iam, and -c api=rest or -c api=url: an HTTP API has no policy of its own.',
    ],
  ];
}

function ofTheTable({ backend, tableName, protection }: Together): Refusal[] {
  if (tableName === undefined) return [];
  return [
    [backend === 'redis', 'Context "tableName" needs -c backend=dynamodb.'],
    [
      protection === false,
      'With -c protection=false the table that the stack has made so far would be deleted, as soon as another one takes its place: leave one of the two out.',
    ],
  ];
}

function ofTheNetwork(
  reader: ContextReader,
  { backend, existingNetwork }: Together,
  isSet: (name: string) => boolean,
): Refusal[] {
  const { subnetIds = [], availabilityZones = [] } = existingNetwork ?? {};
  return [
    [isSet('vpcId') !== isSet('subnetIds'), 'Contexts "vpcId" and "subnetIds" go together.'],
    [
      // A list that is wrong by itself has been told of already, and is empty here.
      subnetIds.length !== availabilityZones.length &&
        subnetIds.length > 0 &&
        isSet('availabilityZones') === availabilityZones.length > 0,
      'Context "availabilityZones" must name the zone of each of "subnetIds", in their order.',
    ],
    [
      backend !== 'redis' && !isSet('vpcId') && isSet('availabilityZones'),
      'Context "availabilityZones" needs -c backend=redis or -c vpcId=…: without, there is no network.',
    ],
    [
      isSet('vpcId') && reader.text('internetAccess') === 'true',
      'Context "internetAccess" makes a NAT gateway in a network of ours; with "vpcId" the way out is that network’s.',
    ],
    [
      backend !== 'redis' && reader.text('internetAccess') === 'true',
      'Context "internetAccess" needs -c backend=redis: with DynamoDB the functions reach the internet as they are.',
    ],
  ];
}

function ofConcurrency(settings: Together): Refusal[] {
  const { workerConcurrency = WORKER_MAX_CONCURRENCY, workerReservedConcurrency, reservedConcurrency } = settings;
  const { accountConcurrency = ACCOUNT_CONCURRENCY } = settings;
  const reserved = (workerReservedConcurrency ?? 0) + (reservedConcurrency ?? 0);
  return [
    [
      (workerReservedConcurrency ?? workerConcurrency) < workerConcurrency,
      `Context "workerReservedConcurrency" must be at least "workerConcurrency" (${workerConcurrency}), or SQS would count ` +
        'refused workers as failed deliveries.',
    ],
    [
      reserved > 0 && reserved > accountConcurrency - UNRESERVED_CONCURRENCY,
      `Reservations of ${reserved} do not leave ${UNRESERVED_CONCURRENCY} of the account’s ${accountConcurrency} executions to ` +
        'other functions, which Lambda insists on. If its quota is another: -c accountConcurrency=…',
    ],
    [
      workerConcurrency > accountConcurrency,
      `Context "workerConcurrency" is above the account’s quota of ${accountConcurrency} (-c accountConcurrency=…).`,
    ],
  ];
}
