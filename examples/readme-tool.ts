/** The tool that README.md shows: two looks at the disk, with a wait between them that costs nothing. */

// #region readme-tool
import { statfs } from 'node:fs/promises';
import * as z from 'zod';
import { defineTaskTool } from '../src/index.ts';

export const diskTrend = defineTaskTool({
  name: 'disk_trend',
  description: 'Says how much of the disk is used up, or freed, within some minutes.',
  inputSchema: z.object({ minutes: z.int().min(1) }),
  async run({ minutes }, task) {
    const freeBytes = async () => {
      const { bavail, bsize } = await statfs('.');
      return bavail * bsize;
    };
    const before = await task.step('first look', freeBytes);
    await task.wait('in between', { minutes });
    const usedMb = (before - (await task.step('second look', freeBytes))) / 1e6;
    return { content: [{ type: 'text', text: `${usedMb.toFixed(1)} MB used up in ${minutes} minutes` }] };
  },
});
// #endregion
