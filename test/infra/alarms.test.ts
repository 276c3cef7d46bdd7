/**
 * Each alarm on data as its service publishes it when there is something to tell, and when there is nothing: sparse where
 * it is sparse. An alarm without such data here fails.
 */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { describe, expect, test } from '@jest/globals';
import { Duration, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Alarm, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { Operation } from 'aws-cdk-lib/aws-dynamodb';
import { METRICS_NAMESPACE, SERVICE } from '../../lambda/shared/words.ts';
import { TaskTable } from '../../lib/index.ts';
import { goesOff, type MetricName, type Sample, statesOf } from './cloudwatch.ts';
import {
  appWithoutBundling,
  type Context,
  ofType,
  only,
  type Properties,
  resourcesOf,
  synthesize,
} from './synthesized.ts';

interface Case {
  readonly tells: readonly Sample[];
  readonly doesNot: readonly Sample[];
  /** What is published all the time is left out: its absence is the signal. */
  readonly silence?: true;
}

/** One value a minute. */
const minutes = (metric: MetricName, ...values: readonly number[]): Sample[] =>
  values.map((value, minute) => ({ metric, minute, value }));
const constant = (metric: MetricName, value: number, length: number): Sample[] =>
  minutes(metric, ...Array.from({ length }, () => value));
/** Nothing before and nothing after. */
const once = (metric: MetricName, value: number): Sample[] => [{ metric, minute: 7, value }];

/** The metrics of a deployment, as AWS and the functions name them. */
function metricsOf(context: Context) {
  const { server, state } = synthesize(context);
  const of = (type: string, id: RegExp) => only(server, type, id).id;
  const sqs = (id: RegExp) => (name: string) => ({
    namespace: 'AWS/SQS',
    name,
    dimensions: { QueueName: { 'Fn::GetAtt': [of('AWS::SQS::Queue', id), 'QueueName'] } },
  });
  const lambda = (id: RegExp) => (name: string) => ({
    namespace: 'AWS/Lambda',
    name,
    dimensions: { FunctionName: { Ref: of('AWS::Lambda::Function', id) } },
  });
  return {
    queue: sqs(/^ServerQueue(?!DeadLetters)/),
    deadLetters: sqs(/DeadLetters/),
    worker: lambda(/^ServerWorker(?!DeadLetter|Looker)/),
    looker: lambda(/Looker/),
    consumer: lambda(/DeadLetterConsumer/),
    endpoint: lambda(/EndpointFunction/),
    restErrors: () => ({
      namespace: 'AWS/ApiGateway',
      name: '5XXError',
      dimensions: { ApiName: only(server, 'AWS::ApiGateway::RestApi').properties['Name'] },
    }),
    httpErrors: () => ({
      namespace: 'AWS/ApiGateway',
      name: '5xx',
      dimensions: { ApiId: { Ref: of('AWS::ApiGatewayV2::Api', /(?:)/) } },
    }),
    tasks: (name: string, dimensions: Readonly<Record<string, string>> = {}, deployment = 'dev') => ({
      namespace: METRICS_NAMESPACE,
      name,
      dimensions: { service: SERVICE, deployment, ...dimensions },
    }),
    table: (name: string) => ({ namespace: 'AWS/DynamoDB', name, dimensions: { TableName: tableName(context) } }),
    cache: (name: string) => ({
      namespace: 'AWS/ElastiCache',
      name,
      dimensions: {
        clusterId: only(state, 'AWS::ElastiCache::ServerlessCache').properties['ServerlessCacheName'],
      },
    }),
  };
}

/** As the server's stack imports it. */
function tableName(context: Context): unknown {
  const environment = only(synthesize(context).server, 'AWS::Lambda::Function', /EndpointFunction/).properties;
  return (environment['Environment'] as { readonly Variables: Properties }).Variables['TASKS_TABLE_NAME'];
}

type Metrics = ReturnType<typeof metricsOf>;

const failures = ({ tasks }: Metrics, reason: string, count: number): Case => ({
  tells: once(tasks('TaskFailures', { reason }), count),
  doesNot: [
    ...(count === 1 ? [] : once(tasks('TaskFailures', { reason }), count - 1)),
    ...once(tasks('TaskFailures', { reason }, 'another-stage'), count),
  ],
});

/** Published with each invocation or request, mostly as zero. */
function errors(metric: MetricName, count: number): Case {
  const failed = (times: number) => Array.from({ length: times }, () => once(metric, 1)).flat();
  return {
    tells: [...constant(metric, 0, 10), ...failed(count)],
    doesNot: [...constant(metric, 0, 10), ...failed(count - 1)],
  };
}

const CASES: Readonly<Record<string, (metrics: Metrics) => Case>> = {
  QueueLag: ({ queue }) => {
    const age = queue('ApproximateAgeOfOldestMessage');
    return {
      tells: minutes(age, ...Array.from({ length: 32 }, (_, minute) => minute * 60)),
      doesNot: minutes(age, ...Array.from({ length: 29 }, (_, minute) => minute * 60)),
    };
  },
  QueueBacklog: ({ queue }) => {
    const visible = queue('ApproximateNumberOfMessagesVisible');
    const peaks = Array.from({ length: 20 }, (_, minute) => (minute % 4 === 0 ? 0 : 50));
    return { tells: constant(visible, 12, 15), doesNot: minutes(visible, ...peaks) };
  },
  // The consumer cannot work: the letter is hidden for three minutes, seen for a moment, and hidden again.
  DeadLetters: ({ deadLetters }) => {
    const seen = (minute: number) => (minute % 3 === 0 ? 1 : 0);
    const both = (present: (minute: number) => boolean) =>
      Array.from({ length: 20 }, (_, minute) => minute).flatMap((minute) => [
        {
          metric: deadLetters('ApproximateNumberOfMessagesVisible'),
          minute,
          value: present(minute) ? seen(minute) : 0,
        },
        {
          metric: deadLetters('ApproximateNumberOfMessagesNotVisible'),
          minute,
          value: present(minute) ? 1 - seen(minute) : 0,
        },
      ]);
    return { tells: both(() => true), doesNot: both((minute) => minute % 5 === 0) };
  },
  DeadLetterAge: ({ deadLetters }) => {
    const age = deadLetters('ApproximateAgeOfOldestMessage');
    return { tells: minutes(age, 0, 60, 120, 180, 240, 300), doesNot: minutes(age, 20, 0, 0, 0, 40) };
  },
  DeadLetterErrors: ({ consumer }) => errors(consumer('Errors'), 1),
  TasksGivenUp: (metrics) => failures(metrics, 'attempts_exhausted', 1),
  DeadlinesExceeded: (metrics) => failures(metrics, 'deadline_exceeded', 5),
  StrayErrors: (metrics) => failures(metrics, 'stray_error', 1),
  TasksParked: ({ tasks }) => ({
    tells: once(tasks('TasksParked'), 1),
    doesNot: once(tasks('TasksParked', {}, 'another-stage'), 1),
  }),
  TasksUnrecoverable: (metrics) => failures(metrics, 'unrecoverable', 1),
  LeaseTakeovers: ({ tasks }) => ({
    tells: minutes(tasks('LeaseTakeovers'), 1, 1, 1, 1, 1),
    doesNot: [
      ...minutes(tasks('LeaseTakeovers'), 1, 1, 1, 1),
      ...once(tasks('LeaseTakeovers', {}, 'another-stage'), 9),
    ],
  }),
  WorkerErrors: ({ worker }) => errors(worker('Errors'), 3),
  WorkerThrottled: ({ worker }) => ({
    tells: once(worker('Throttles'), 5),
    doesNot: once(worker('Throttles'), 4),
  }),
  LookerErrors: ({ looker }) => errors(looker('Errors'), 3),
  LookerSilent: ({ looker, worker }) => {
    const untilThen = once(worker('Invocations'), 1).map((sample) => ({ ...sample, minute: 19 }));
    return {
      silence: true,
      tells: [...constant(looker('Invocations'), 1, 10), ...untilThen],
      doesNot: [...constant(looker('Invocations'), 1, 11), ...untilThen],
    };
  },
  EndpointThrottled: ({ endpoint }) => ({
    tells: once(endpoint('Throttles'), 5),
    doesNot: once(endpoint('Throttles'), 4),
  }),
  TableReadsThrottled: ({ table }) => ({
    tells: once(table('ReadThrottleEvents'), 5),
    doesNot: [...once(table('ReadThrottleEvents'), 4), ...once(table('WriteThrottleEvents'), 9)],
  }),
  TableWritesThrottled: ({ table }) => ({
    tells: once(table('WriteThrottleEvents'), 5),
    doesNot: [...once(table('WriteThrottleEvents'), 4), ...once(table('ReadThrottleEvents'), 9)],
  }),
  CacheEvictions: ({ cache }) => ({
    tells: once(cache('Evictions'), 1),
    doesNot: constant(cache('Evictions'), 0, 10),
  }),
  CacheNearlyFull: ({ cache }) => ({
    tells: minutes(cache('BytesUsedForCache'), 7e9, 7.9e9, 8e9),
    doesNot: minutes(cache('BytesUsedForCache'), 7e9, 7.9e9),
  }),
  CacheThrottled: ({ cache }) => ({
    tells: once(cache('ThrottledCmds'), 5),
    doesNot: once(cache('ThrottledCmds'), 4),
  }),
};

const ENDPOINT_ERRORS: Readonly<Record<string, (metrics: Metrics) => Case>> = {
  rest: ({ restErrors }) => errors(restErrors(), 5),
  http: ({ httpErrors }) => errors(httpErrors(), 5),
  url: ({ endpoint }) => errors(endpoint('Url5xxCount'), 5),
};

function alarmsOf(context: Context): ReadonlyMap<string, Properties> {
  return new Map(
    ofType(synthesize(context).server, 'AWS::CloudWatch::Alarm').map(({ properties }) => [
      /"(\w+)"\.$/.exec(String(properties['AlarmDescription']))?.[1] ?? '',
      properties,
    ]),
  );
}

const VARIANTS = [
  {},
  { backend: 'redis', api: 'http' },
  { api: 'url' },
  { api: 'url', rollout: 'canary' },
] as Context[];

describe.each(VARIANTS)('with %j', (context) => {
  const metrics = metricsOf(context);
  const alarms = alarmsOf(context);
  const usual = constant(metrics.looker('Invocations'), 1, 60);
  const caseOf = (id: string): Case => {
    const written = (id === 'EndpointErrors' ? ENDPOINT_ERRORS[context['api'] ?? 'rest'] : CASES[id])?.(metrics);
    if (written === undefined) return { tells: [], doesNot: [] };
    if (written.silence) return written;
    return { tells: [...written.tells, ...usual], doesNot: [...written.doesNot, ...usual] };
  };

  test.each([...alarms])('%s goes off on its signal, and only on that [AWS-8]', (id, alarm) => {
    const { tells, doesNot } = caseOf(id);

    expect(goesOff(alarm, tells)).toBe(true);
    expect(doesNot.length).toBeGreaterThan(0);
    expect(goesOff(alarm, doesNot)).toBe(false);
    expect(goesOff(alarm, usual)).toBe(false);
  });

  test('no signal sets off an alarm of another kind [AWS-8]', () => {
    const others = [...alarms].flatMap(([id, alarm]) =>
      [...alarms.keys()]
        .filter((other) => other !== id && goesOff(alarm, caseOf(other).tells))
        .map((other) => [id, other]),
    );

    expect(others).toEqual([]);
  });
});

describe('a dead letter that fails for ever', () => {
  const { deadLetters, consumer } = metricsOf({});
  const alarms = alarmsOf({});
  // Received each third minute. SQS leaves it out of the oldest one's age once it was received more than three times.
  const letter = Array.from({ length: 60 }, (_, minute) => minute).flatMap((minute): Sample[] => {
    const received = minute % 3 === 0;
    return [
      { metric: deadLetters('ApproximateNumberOfMessagesVisible'), minute, value: 0 },
      { metric: deadLetters('ApproximateNumberOfMessagesNotVisible'), minute, value: 1 },
      { metric: deadLetters('ApproximateAgeOfOldestMessage'), minute, value: minute < 9 ? minute * 60 : 0 },
      ...(received ? [{ metric: consumer('Errors'), minute, value: 1 }] : []),
    ];
  });

  test('is told of for as long as it is there, though its age is not [AWS-8]', () => {
    const last = (id: string) => statesOf(alarms.get(id) ?? {}, letter).at(-1);

    expect(last('DeadLetters')).toBe(true);
    expect(last('DeadLetterErrors')).toBe(true);
    expect(last('DeadLetterAge')).toBe(false);
  });
});

test('a sum over operations, of which only throttled ones are published, would never go off [AWS-8]', () => {
  const stack = new Stack(appWithoutBundling(), 'Another');
  const { table } = new TaskTable(stack, 'Tasks');
  const operations = [Operation.PUT_ITEM, Operation.QUERY];
  new Alarm(stack, 'Sum', {
    metric: table.metricThrottledRequestsForOperations({ operations, period: Duration.minutes(5) }),
    threshold: 5,
    evaluationPeriods: 1,
    treatMissingData: TreatMissingData.NOT_BREACHING,
  });
  const resources = resourcesOf(Template.fromStack(stack));
  const { properties } = only(resources, 'AWS::CloudWatch::Alarm');
  const throttled = (Operation: string) => ({
    namespace: 'AWS/DynamoDB',
    name: 'ThrottledRequests',
    dimensions: { TableName: { Ref: only(resources, 'AWS::DynamoDB::GlobalTable').id }, Operation },
  });

  expect(goesOff(properties, once(throttled('PutItem'), 100))).toBe(false);
  expect(goesOff(properties, [...once(throttled('PutItem'), 100), ...once(throttled('Query'), 0)])).toBe(true);
});
