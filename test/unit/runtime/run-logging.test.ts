/** What a run tells its logger, and what it keeps to itself. */
import { describe, expect, test } from '@jest/globals';
import { eventually, RuntimeUnderTest, toolOf } from './runtime-under-test.ts';

describe('what a run logs', () => {
  test('names task and tool and the kind of trouble, never arguments or results [SEC-4]', async () => {
    const runtime = new RuntimeUnderTest();
    const tool = toolOf('secretive', async () => ({ text: 'a secret result' }));
    const task = await runtime.create('secretive', { args: { password: 'a secret argument' } });

    await runtime.runner([tool]).runTask(task);

    await eventually(() => runtime.logger.lines.length > 0);
    const text = JSON.stringify(runtime.logger.lines);
    expect(text).toContain(task.id);
    expect(text).toContain('secretive');
    expect(text).not.toMatch(/a secret/);
  });
});
