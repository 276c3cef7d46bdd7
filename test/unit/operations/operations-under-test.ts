/** Tasks of every sort on a memory backend, and what operators do to them, as another process would. */
import type { TaskRef } from '../../../src/domain/task.ts';
import { byAgenda } from '../../../src/operations/agenda-queue.ts';
import { DeliberateFailure, RuntimeUnderTest, toolOf } from '../runtime/runtime-under-test.ts';

const FORM = { type: 'object' as const, properties: { name: { type: 'string' as const } }, required: ['name'] };

export const tools = [
  toolOf('adds', async (task, args) => {
    const sum = await task.step('sum', async () => Number(args['a']) + Number(args['b']));
    await task.variables.set('sum', sum);
    return { sum };
  }),
  toolOf('asks', async (task) => {
    const { content } = await task.elicit({ message: 'Who?', requestedSchema: FORM });
    return { hello: String(content?.['name']) };
  }),
  toolOf('asks_two', async (task) => {
    await Promise.all(['One?', 'Two?'].map((message) => task.elicit({ message, requestedSchema: FORM })));
    return {};
  }),
  toolOf('waits', async (task) => {
    await task.wait('pause', { hours: 1 });
    return {};
  }),
  toolOf('falters', async (task) => {
    await task.step('reach', async () => {
      throw new Error('nobody there');
    });
    return {};
  }),
  toolOf('fails', async () => {
    throw new DeliberateFailure({ code: -32000, message: 'broken' });
  }),
];

export class OperationsUnderTest extends RuntimeUnderTest {
  readonly worker = this.runner(tools);
  readonly deliveries = byAgenda(this.otherStore());

  run(ref: TaskRef) {
    return this.worker.runTask(ref);
  }

  async made(tool: string, args = {}) {
    const task = await this.create(tool, { args });
    await this.run(task);
    return task;
  }

  /** What servers find on the agenda at their next look, by how many seconds from now; those of one task. */
  async noted(ref: TaskRef): Promise<number[]> {
    const seconds: number[] = [];
    for (const entries of this.store.agenda.due(Number.POSITIVE_INFINITY)) {
      for await (const entry of entries) {
        if (!('fault' in entry) && entry.ref.id === ref.id) seconds.push((entry.at - this.clock.now()) / 1000);
      }
    }
    return seconds.sort((a, b) => a - b);
  }
}
