/** What a function writes of itself, in a process of its own, since the level and the deployment are read when it begins. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT } from '../../../scripts/syntax.ts';
import { present } from '../../../src/present.ts';

type Line = Readonly<Record<string, unknown>>;

/** The lines that `code`, which has `logger` and `report(…changes)`, makes a function write. */
function written(code: string, variables: Readonly<Record<string, string>> = {}): Line[] {
  const program = `
    import { logger, reportTo } from './lambda/shared/observability.ts';
    const report = (...changes) => reportTo({ onChange: (tell) => changes.forEach((task, at) => tell({ task, version: at + 2 }, changes[at - 1] ?? changes[0])) });
    ${code}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: REPOSITORY_ROOT,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NODE_OPTIONS: '--disable-warning=ExperimentalWarning', ...variables },
  });
  return [...stdout.split('\n'), ...stderr.split('\n')]
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

const metrics = (lines: readonly Line[], name: string) => lines.filter((line) => name in line);

describe('records', () => {
  const ALL = "for (const level of ['debug', 'info', 'warn', 'error']) logger[level](level);";

  test.each([
    [undefined, ['info', 'warn', 'error']],
    ['debug', ['info', 'warn', 'error']],
    ['warn', ['warn', 'error']],
    ['error', ['error']],
  ])('begin at the level %s, below which Lambda filters: %j [AWS-11]', (level, expected) => {
    const lines = written(ALL, {
      AWS_LAMBDA_LOG_LEVEL: 'INFO',
      ...present({ TASKS_LOG_LEVEL: level }),
    });

    expect(lines.map(({ message }) => String(message)).toSorted()).toEqual(expected.toSorted());
  });

  test('of debugging come where Lambda lets them [AWS-11]', () => {
    expect(written(ALL, { AWS_LAMBDA_LOG_LEVEL: 'DEBUG', TASKS_LOG_LEVEL: 'debug' })).toHaveLength(4);
  });
});

describe('metrics', () => {
  const task = (run: string) => `{ id: 'a', tool: 't', status: 'working', run: { epoch: 1, crashes: 0, ${run} } }`;
  const held = (looks: number) => task(`lease: {}, parked: { looks: ${looks} }`);
  const parked = (looks: number) => task(`parked: { looks: ${looks} }`);

  test('are written whatever the level of the records is, and name the deployment [AWS-8]', () => {
    const [metric, ...others] = metrics(
      written(`report(${held(0)}, ${parked(1)})`, { TASKS_DEPLOYMENT: 'prod', TASKS_LOG_LEVEL: 'error' }),
      'TasksParked',
    );

    expect(metric).toMatchObject({ service: 'mcp-durable-tasks', deployment: 'prod', TasksParked: 1 });
    expect(metric?.['_aws']).toMatchObject({ CloudWatchMetrics: [{ Dimensions: [['service', 'deployment']] }] });
    expect(others).toEqual([]);
  });

  test('count a takeover once, however often its run writes, and the next one again [AWS-4]', () => {
    const crashed = (epoch: number) =>
      `{ id: 'a', tool: 't', status: 'working', run: { epoch: ${epoch}, crashes: 1, lease: {} } }`;
    const changes = [task('lease: {}'), crashed(2), crashed(2), crashed(2), crashed(3), crashed(3)];

    const takeovers = metrics(written(`report(${changes.join(', ')})`), 'LeaseTakeovers');

    expect(takeovers.map(({ LeaseTakeovers }) => LeaseTakeovers)).toEqual([1, 1]);
  });

  test('count each look that parks a task, and no change in between [AWS-8]', () => {
    const changes = [held(0), parked(1), parked(1), parked(1), held(1), parked(2)];

    expect(metrics(written(`report(${changes.join(', ')})`), 'TasksParked')).toHaveLength(2);
  });
});
