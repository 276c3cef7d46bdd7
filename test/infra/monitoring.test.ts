/** Alarms and dashboard: each alarm watches what exists, and docs/operations.md says what to do about it. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { METRICS_NAMESPACE, SERVICE } from '../../lambda/shared/words.ts';
import { FAILURE_REASONS } from '../../src/domain/task.ts';
import { ofType, only, type Properties, synthesize } from './synthesized.ts';

const ALARM = 'AWS::CloudWatch::Alarm';
const TOPIC = 'arn:aws:sns:eu-central-1:111111111111:alarms';

interface AlarmProperties {
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: unknown }[];
  readonly Statistic?: string;
  readonly Threshold: number;
  readonly AlarmDescription: string;
}

/** By the id that the alarm’s own description names. */
function alarmsOf(context: Record<string, string>): Map<string, AlarmProperties & Properties> {
  const alarms = ofType(synthesize(context).server, ALARM).map(({ properties }) => {
    const alarm = properties as unknown as AlarmProperties & Properties;
    return [/See docs\/operations\.md, "(\w+)"\.$/.exec(alarm.AlarmDescription)?.[1] ?? '', alarm] as const;
  });
  expect(new Set(alarms.map(([id]) => id)).size).toBe(alarms.length);
  return new Map(alarms);
}

const onTable = alarmsOf({ alarmTopicArn: TOPIC });
const onCache = alarmsOf({ backend: 'redis' });

describe('an alarm', () => {
  const guide = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const sections = new Map(
    guide
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
  );

  test.each([...new Set([...onTable.keys(), ...onCache.keys()])])(
    '%s has its own section in docs/operations.md, with what it means and what to do [AWS-4]',
    (id) => {
      expect(sections.get(id)).toMatch(/^\*\*Means\*\*.*^\*\*Look at\*\*.*^\*\*Do\*\*/ms);
    },
  );

  test('is behind each alarm section of docs/operations.md [AWS-4]', () => {
    const alarmSections = [...sections].filter(([, text]) => text.includes('**Means**')).map(([id]) => id);

    expect(alarmSections.filter((id) => !onTable.has(id) && !onCache.has(id))).toEqual([]);
  });

  test('and its end is told to the topic, if there is one; silence is an alarm only where something is to be heard each minute [AWS-4]', () => {
    for (const [id, alarm] of onTable) {
      const TreatMissingData = id === 'LookerSilent' ? 'breaching' : 'notBreaching';
      expect(alarm).toMatchObject({ AlarmActions: [TOPIC], OKActions: [TOPIC], TreatMissingData });
    }
    for (const alarm of onCache.values()) expect(alarm).not.toHaveProperty('AlarmActions');
  });
});

describe('task metrics', () => {
  test('alarm for every reason for which the runtime fails a task that it took [AWS-4]', () => {
    const reasons = [...onTable.values()]
      .filter(({ MetricName }) => MetricName === 'TaskFailures')
      .flatMap(({ Dimensions = [] }) =>
        Dimensions.filter(({ Name }) => Name === 'reason').map(({ Value }) => String(Value)),
      );

    // A refused task never began, and its caller was told at once; an unattended one has a client that holds no tasks.
    const nobodysFault = ['refused', 'unattended'];
    expect(reasons.toSorted()).toEqual(FAILURE_REASONS.filter((reason) => !nobodysFault.includes(reason)).toSorted());
  });

  test('and their dimensions are the ones that the functions write [AWS-4]', () => {
    const ours = [...onTable.values()].filter(({ Namespace }) => Namespace === METRICS_NAMESPACE);

    expect(ours.length).toBeGreaterThan(0);
    for (const { Dimensions = [] } of ours) {
      expect(Dimensions).toContainEqual({ Name: 'service', Value: SERVICE });
      expect(Dimensions).toContainEqual({ Name: 'deployment', Value: 'dev' });
      expect(
        Dimensions.map(({ Name }) => Name).filter((name) => !['service', 'deployment', 'reason'].includes(name)),
      ).toEqual([]);
    }
  });
});

describe('what is watched', () => {
  test('is the queue’s lag, above the longest delay and the longest run together [AWS-4]', () => {
    expect(onTable.get('QueueLag')).toMatchObject({ MetricName: 'ApproximateAgeOfOldestMessage', Threshold: 1800 });
  });

  test.each([
    ['rest', 'AWS/ApiGateway', '5XXError'],
    ['http', 'AWS/ApiGateway', '5xx'],
    ['url', 'AWS/Lambda', 'Url5xxCount'],
  ])('is what %s calls server errors [AWS-4]', (api, namespace, metricName) => {
    expect(alarmsOf({ api }).get('EndpointErrors')).toMatchObject({ Namespace: namespace, MetricName: metricName });
  });

  test('is the store that is there: table or cache [AWS-4]', () => {
    expect([...onTable.keys()].filter((id) => id.startsWith('Cache'))).toEqual([]);
    expect([...onCache.keys()].filter((id) => id.startsWith('Table'))).toEqual([]);
    expect(onCache.get('CacheEvictions')).toMatchObject({
      Namespace: 'AWS/ElastiCache',
      MetricName: 'Evictions',
      Dimensions: [{ Name: 'clusterId', Value: cacheName() }],
    });
    expect(onCache.get('CacheNearlyFull')).toMatchObject({ Threshold: 8_000_000_000 });
  });
});

describe('the dashboard', () => {
  test.each([
    ['dynamodb', ['ConditionalCheckFailedRequests', 'ConsumedWriteCapacityUnits']],
    ['redis', ['ElastiCacheProcessingUnits', 'BytesUsedForCache']],
  ])('on %s shows tasks, durations, lag, conflicts or latency, and what costs [AWS-4]', (backend, own) => {
    const body = JSON.stringify(only(synthesize({ backend }).server, 'AWS::CloudWatch::Dashboard').properties);
    const shared = ['TasksFailed', 'TaskDuration', 'TaskFailures', 'ApproximateAgeOfOldestMessage', 'LeaseTakeovers'];

    for (const name of [...shared, 'NumberOfMessagesSent', ...own]) expect(body).toContain(name);
  });

  test('shows the tasks of its own deployment only [AWS-8]', () => {
    const body = JSON.stringify(only(synthesize({ stage: 'prod' }).server, 'AWS::CloudWatch::Dashboard').properties);
    const searches = body.match(/SEARCH\([^)]*\)/g) ?? [];

    expect(searches.length).toBeGreaterThan(5);
    expect(searches.filter((search) => !search.includes('service,deployment,'))).toEqual([]);
    expect(searches.filter((search) => !/deployment=\W*prod\W/.test(search))).toEqual([]);
    expect(body).toMatch(/LeaseTakeovers[^\]]*deployment[^\]]*prod/);
  });
});

function cacheName(): unknown {
  const { state } = synthesize({ backend: 'redis' });
  return only(state, 'AWS::ElastiCache::ServerlessCache').properties['ServerlessCacheName'];
}
