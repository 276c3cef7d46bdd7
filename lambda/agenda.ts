/** Looks at the agenda once a minute: tasks that are due, or were forgotten, are enqueued; deadlines are enforced. Runs none. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
// oxlint-disable-next-line import/no-named-as-default -- its types know the default export only
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { systemClock } from '../src/clock.ts';
import { Looker, type LookReport } from '../src/runtime/queues/looker.ts';
import { foundation, LOOK_TIMES, leaseMsIn, once } from './shared/composition.ts';
import { logger, powertoolsLogger } from './shared/observability.ts';

/** Left for ending in good order: what was not looked at is looked at a minute later. */
const RESERVE_MS = 5_000;

const looker = once(async () => {
  const { environment, store, queue } = await foundation();
  return new Looker({ store, queue, logger, leaseMs: leaseMsIn(environment), times: LOOK_TIMES });
});

async function look(_event: unknown, context: Context): Promise<LookReport> {
  const leftMs = context.getRemainingTimeInMillis();
  const stop = new AbortController();
  const cancel = systemClock.after(leftMs - RESERVE_MS, () => stop.abort());
  try {
    const report = await (await looker()).look({ signal: stop.signal });
    if (report.enqueued > 0) logger.info('Looked at the agenda', { ...report });
    return report;
  } finally {
    cancel();
  }
}

export const handler = middy<unknown, LookReport>(look).use(injectLambdaContext(powertoolsLogger, { resetKeys: true }));
