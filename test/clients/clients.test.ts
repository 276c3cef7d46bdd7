/** Every client of client-list.ts, installed and driven: what docs/clients.md says is what they do. */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { CLIENTS, SETTINGS } from './client-list.ts';
import { failuresOf, type RunOfClients, runClients } from './runner.ts';
import { documentOf, readDocument } from './table.ts';

/** For a machine that installs the clients first, and is busy. */
const LONGEST_MS = 1_800_000;

const CASES = SETTINGS.flatMap((setting) =>
  CLIENTS.filter(({ settings }) => settings.includes(setting)).map(
    (client) => [`${client.name} ${client.version} (${client.speaks})`, setting, client] as const,
  ),
);

let seen: RunOfClients;

beforeAll(async () => {
  const dynamoDbEndpoint = process.env['TEST_DYNAMODB_ENDPOINT'];
  if (dynamoDbEndpoint === undefined) throw new Error('TEST_DYNAMODB_ENDPOINT is not set: run the test through jest');
  seen = await runClients({ dynamoDbEndpoint });
  for (const [{ id }, why] of seen.missing) process.stderr.write(`clients: ${id} is not run here: ${why}\n`);
}, LONGEST_MS);

describe('real clients [DX-6 LEG-7 MOD-6]', () => {
  test.each(CASES)('%s completes what it can, %s', (_name, setting, client) => {
    const run = seen.runs.find((candidate) => candidate.client === client && candidate.setting === setting);

    if (run === undefined) expect(seen.missing.get(client)).toEqual(expect.any(String));
    else expect(failuresOf(run)).toEqual([]);
  });

  test('docs/clients.md is what `npm run clients` writes', () => {
    const committed = readDocument();

    expect(documentOf(seen.runs, committed)).toBe(committed);
  });
});
