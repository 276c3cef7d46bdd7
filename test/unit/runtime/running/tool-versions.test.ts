/** Which code runs a task when a server offers several versions of its tool. */
import { describe, expect, test } from '@jest/globals';
import { shownStatusMessage } from '../../../../src/domain/task.ts';
import { RuntimeUnderTest, toolOf } from '../runtime-under-test.ts';

describe('a task of a version of its tool', () => {
  test('stays with that version, and is parked where it is not offered [EXEC-17]', async () => {
    const runtime = new RuntimeUnderTest();
    const version = (number: number) => ({ ...toolOf('deploy', async () => ({ by: number })), version: number });
    const task = await runtime.create('deploy', { toolVersion: 1 });

    expect(await runtime.runner([version(2)]).runTask(task)).toBe('parked');
    expect(shownStatusMessage(await runtime.read(task))).toMatch(/^No version 1 of tool "deploy" is registered here/);
    await runtime.clock.advance(5_000);
    expect(await runtime.runner([version(2), version(1)]).runTask(task)).toBe('finished');

    expect(await runtime.result(task)).toEqual({ by: 1 });
  });
});
