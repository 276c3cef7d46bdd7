/** What tests of the agenda look at: its records, and what was delivered. */
import type { Task } from '../../../../src/domain/task.ts';
import { agendaPartitions } from '../../../../src/store/keys.ts';
import { type RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

/** A tool that waits for an answer. */
export const asks = toolOf('asks', async (task) => ({ roots: (await task.listRoots()).length }));

/** When the records of a task on the agenda are for, from now on, in seconds. */
export async function notedFor({ backend, clock }: RuntimeUnderTest, task: Task): Promise<number[]> {
  const pages = await Promise.all(agendaPartitions().map((partition) => backend.list(partition, { limit: 1000 })));
  return pages
    .flatMap(({ records }) => records)
    .filter(({ id }) => id.endsWith(task.id))
    .map(({ id }) => Math.round((Number(id.split(' ')[0]) - clock.now()) / 1000));
}

export const delivered = ({ queue, clock }: RuntimeUnderTest) =>
  queue.deliveries.splice(0).map(({ ref, notBefore }) => [ref.id, notBefore - clock.now()]);
