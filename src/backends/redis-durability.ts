/**
 * Whether a Redis server is set up to keep what it acknowledged: findings for a server to report
 * when it starts. Changes nothing, and is no proof: replication is not looked at (docs/redis.md).
 */
import type { Cluster, Redis } from 'ioredis';

/**
 * What is wrong, in plain sentences; empty if nothing is. Asks every master of a cluster. Where
 * the server does not tell (managed services restrict it), that is a finding too. Rejects with
 * the client's error if no server answers.
 */
export async function checkRedisDurability(client: Redis | Cluster): Promise<readonly string[]> {
  // A cluster client knows its nodes once it is connected.
  await client.ping();
  const masters = 'nodes' in client ? client.nodes('master') : [client];
  const findings = await Promise.all(masters.map(findingsOf));
  return [...new Set(findings.flat())];
}

async function findingsOf(server: Redis): Promise<string[]> {
  const policy = await settingOf(server, 'maxmemory-policy', 'maxmemory_policy');
  const appendOnly = await settingOf(server, 'appendonly', 'aof_enabled');
  const findings: string[] = [];
  if (policy === undefined) {
    findings.push('maxmemory-policy could not be checked: make sure that it is noeviction, or tasks may be evicted.');
  } else if (policy !== 'noeviction') {
    findings.push(`maxmemory-policy is ${policy}: when memory runs out, tasks are evicted. Set it to noeviction.`);
  }
  if (appendOnly === undefined) {
    findings.push('appendonly could not be checked: make sure that the server keeps its data across a restart.');
  } else if (appendOnly !== 'yes' && appendOnly !== '1') {
    findings.push('appendonly is off: a restart loses the tasks since the last snapshot, or all. Set it to yes.');
  }
  return findings;
}

/** From `CONFIG GET`, which managed services forbid, or else from `INFO`, which they do not. */
async function settingOf(server: Redis, setting: string, infoField: string): Promise<string | undefined> {
  const fromConfig = await server.config('GET', setting).catch(() => undefined);
  const value = Array.isArray(fromConfig) ? fromConfig[1] : undefined;
  if (typeof value === 'string') return value;
  const info = await server.info().catch(() => '');
  return new RegExp(`^${infoField}:(\\S+)`, 'm').exec(info)?.[1];
}
