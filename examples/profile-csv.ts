/**
 * `profile_csv`: statistics of a CSV file of any size. One step reads one chunk, so that after a
 * crash the reading goes on at the chunk where it stopped.
 */
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { type CallToolResult, defineTaskTool, type TaskTool } from '../src/index.ts';
import { columnType, distinctOf, VALUE_TYPES } from './column-statistics.ts';
import { type ChunkProfile, FILE_START, findCsv, mergeProfiles, profileChunk } from './csv-file.ts';

export interface ProfileCsvOptions {
  /** No file outside this folder is read. */
  readonly root: string;
  /** @default 64 KiB */
  readonly chunkBytes?: number;
}

const column = z.object({
  name: z.string(),
  type: z.enum([...VALUE_TYPES, 'empty']),
  values: z.int().describe('filled and empty ones'),
  empty: z.int(),
  distinct: z.object({ count: z.int(), exact: z.boolean() }).describe('estimated beyond 512 values'),
  min: z.union([z.number(), z.string()]).optional(),
  max: z.union([z.number(), z.string()]).optional(),
  mean: z.number().optional(),
});

/** What the tool returns, also for workflows that go on with it. */
export const csvProfile = z.object({ file: z.string(), rows: z.int(), bytes: z.int(), columns: z.array(column) });

export function createProfileCsv({ root, chunkBytes = 64 * 1024 }: ProfileCsvOptions): TaskTool {
  return defineTaskTool({
    name: 'profile_csv',
    title: 'Profile a CSV file',
    description:
      'Reads a CSV file and returns, for each column: type, empty and distinct values, minimum, maximum, mean.',
    inputSchema: z.object({
      file: z.string().min(1).describe('path below the folder of CSV files, e.g. "cities.csv"'),
    }),
    outputSchema: csvProfile,
    annotations: { readOnlyHint: true },
    // #region profile-csv
    async run({ file: name }, task) {
      const file = await task.step('find', () => findCsv(root, name));
      if ('fault' in file) return refusal(file.fault);

      let total = FILE_START;
      do {
        task.signal.throwIfAborted();
        const before = total;
        const next = await task.step(`chunk at ${before.nextOffset}`, () => profileChunk(file, before, chunkBytes));
        if ('fault' in next) return refusal(`${name}, ${next.fault}`);
        total = mergeProfiles(before, next);
        task.progress(`${total.nextOffset} of ${file.bytes} bytes, ${total.rows} rows`);
      } while (total.nextOffset < file.bytes);

      return report(name, file.bytes, total);
    },
    // #endregion
  });
}

export const profileCsv = createProfileCsv({
  root: process.env['CSV_ROOT'] ?? fileURLToPath(new URL('./data/', import.meta.url)),
});

function refusal(fault: string): CallToolResult {
  return { content: [{ type: 'text', text: fault }], isError: true };
}

function report(file: string, bytes: number, { header, rows, columns }: ChunkProfile): CallToolResult {
  const described = columns.map((statistics, index): z.infer<typeof column> => {
    const { values, empty, types, numbers, dates } = statistics;
    const type = columnType(statistics);
    const isNumeric = type === 'integer' || type === 'number';
    return {
      name: header?.[index] ?? '',
      type,
      values,
      empty,
      distinct: distinctOf(statistics),
      ...(isNumeric && numbers !== null
        ? { min: numbers.min, max: numbers.max, mean: numbers.sum / (types.integer + types.number) }
        : {}),
      ...(type === 'date' && dates !== null ? { min: dates.min, max: dates.max } : {}),
    };
  });
  const structuredContent = { file, rows, bytes, columns: described } satisfies z.infer<typeof csvProfile>;
  const summary = described.map(({ name, type }) => `${name} (${type})`).join(', ');
  const text = `${file}: ${rows} rows, ${described.length} columns: ${summary}`;
  return { content: [{ type: 'text', text }], structuredContent };
}
