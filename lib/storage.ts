/** Where tasks live, as the functions need to know it: the table or the cache, never both. */
import type { Environment } from '../lambda/shared/environment.ts';
import type { BackendKind } from '../lambda/shared/words.ts';
import type { FunctionNetwork } from './bundled-function.ts';
import type { TaskCache } from './task-cache.ts';
import { TaskTable } from './task-table.ts';

export type TaskStorage = TaskTable | TaskCache;

export function backendOf(storage: TaskStorage): BackendKind {
  return storage instanceof TaskTable ? 'dynamodb' : 'redis';
}

export function storageEnvironment(storage: TaskStorage): Environment {
  const backend = backendOf(storage);
  return storage instanceof TaskTable
    ? { backend, tableName: storage.table.tableName }
    : { backend, redisEndpoint: storage.endpoint, redisCacheName: storage.cacheName, redisUserId: storage.userId };
}

/** Functions that use a cache run in its network; others in the one that is `wanted`, or in none of ours. */
export function networkOf(storage: TaskStorage, wanted: FunctionNetwork = {}): FunctionNetwork {
  if (storage instanceof TaskTable) return wanted;
  const { vpc, subnets, clientSecurityGroup } = storage;
  return { vpc, vpcSubnets: subnets, securityGroups: [clientSecurityGroup] };
}
