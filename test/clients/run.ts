/**
 * `npm run clients [-- PART…]`: drives the clients (all, or those whose `id/setting` has that in it) and writes docs/clients.md when all
 * were there. The last line is `N passed, N failed`, in behaviours; the exit code is 1 if one failed.
 */
import { writeFileSync } from 'node:fs';
import { startDynamoDbLocal } from '../support/engines/dynamodb-local.ts';
import { BEHAVIOURS } from './client-list.ts';
import { failuresOf, runClients } from './runner.ts';
import { DOCUMENT, documentOf, readDocument } from './table.ts';

const chosen = process.argv.slice(2);
const engine = await startDynamoDbLocal();
try {
  let passed = 0;
  let failed = 0;
  const { runs, missing } = await runClients({
    dynamoDbEndpoint: engine.endpoint,
    only: ({ id }, setting) => chosen.length === 0 || chosen.some((part) => `${id}/${setting}`.includes(part)),
    onRun: (run, log, seconds) => {
      const failures = failuresOf(run);
      failed += failures.length;
      passed += BEHAVIOURS.length - failures.length;
      const seen = BEHAVIOURS.map((behaviour) => `${behaviour}: ${run.seen[behaviour].outcome}`);
      process.stdout.write(`${run.client.id} over ${run.setting}, ${seconds.toFixed(1)} s: ${seen.join(', ')}\n`);
      for (const failure of failures) process.stdout.write(`  ${failure}\n`);
      if (failures.length > 0 && log !== '') process.stdout.write(`${log.replaceAll(/^/gm, '    ')}\n`);
    },
  });
  for (const [client, why] of missing) process.stdout.write(`${client.id} was not run: ${why}\n`);
  if (chosen.length === 0) writeFileSync(DOCUMENT, documentOf(runs, readDocument()));
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await engine.stop();
}
