/** What is logged: by whom, from which level on, for how long, and under whose key. */
import { describe, expect, test } from '@jest/globals';
import { type Context, KEY_ARN, ofType, type Properties, synthesize } from './synthesized.ts';

const ALL: readonly Context[] = [{}, { api: 'http' }, { backend: 'redis', api: 'url' }];

const groupsOf = (context: Context): readonly Properties[] => {
  const { state, server } = synthesize(context);
  return [...state, ...server].flatMap(({ type, properties }) => (type === 'AWS::Logs::LogGroup' ? [properties] : []));
};

const levelsOf = (context: Context): readonly unknown[] =>
  ofType(synthesize(context).server, 'AWS::Lambda::Function').map(({ properties }) => {
    const { ApplicationLogLevel, SystemLogLevel, LogFormat } = properties['LoggingConfig'] as Properties;
    const { Variables } = properties['Environment'] as { readonly Variables: Properties };
    return [LogFormat, SystemLogLevel, ApplicationLogLevel, Variables['TASKS_LOG_LEVEL']];
  });

describe('logs', () => {
  test.each(ALL)('are kept for three months, or for as long as is asked for: %j [AWS-11]', (context) => {
    expect(groupsOf(context).length).toBeGreaterThan(2);
    for (const group of groupsOf(context)) expect(group['RetentionInDays']).toBe(90);
    for (const group of groupsOf({ ...context, logRetentionDays: '14' })) expect(group['RetentionInDays']).toBe(14);
  });

  test.each(ALL)('are encrypted with the team’s key where there is one: %j [AWS-11 SEC-5]', (context) => {
    for (const group of groupsOf(context)) expect(group).not.toHaveProperty('KmsKeyId');
    for (const group of groupsOf({ ...context, logKeyArn: KEY_ARN })) expect(group['KmsKeyId']).toBe(KEY_ARN);
  });

  test('are Lambda’s own only of invocations that fail, since three lines each would cost more than the invocation [AWS-12]', () => {
    for (const level of levelsOf({})) expect(level).toEqual(['JSON', 'WARN', 'INFO', 'info']);
  });

  test.each([
    ['debug', 'DEBUG'],
    ['warn', 'INFO'],
    ['error', 'INFO'],
  ])(
    'of the functions begin at %s, without Lambda’s filter, at %s, holding back the metrics [AWS-11 AWS-8]',
    (logLevel, filter) => {
      for (const level of levelsOf({ logLevel })) expect(level).toEqual(['JSON', 'WARN', filter, logLevel]);
    },
  );
});
