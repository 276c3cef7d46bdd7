/**
 * `profile_csv` through a real server: on the files that come with it and on hostile ones, in chunks of
 * any size, against values that are computed here in another way.
 */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createProfileCsv, profileCsv } from '../../../examples/profile-csv.ts';
import { ExampleServer, type ToolResult } from './example-server.ts';

const DATA = fileURLToPath(new URL('../../../examples/data/', import.meta.url));

interface Column {
  readonly name: string;
  readonly type: string;
  readonly values: number;
  readonly empty: number;
  readonly distinct: { readonly count: number; readonly exact: boolean };
  readonly min?: number | string;
  readonly max?: number | string;
  readonly mean?: number;
}

let outside: string;
let root: string;
const servers: ExampleServer[] = [];

beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), 'profile-csv-'));
  root = join(outside, 'csv');
  await mkdir(join(root, 'below'), { recursive: true });
  await writeFile(join(outside, 'secret.csv'), 'secret\n1\n');
  await writeFile(join(root, 'below', 'ok.csv'), 'a\n1\n');
  await symlink(join(outside, 'secret.csv'), join(root, 'link.csv'));
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});

afterAll(() => rm(outside, { recursive: true }));

async function serve(tool = createProfileCsv({ root })): Promise<ExampleServer> {
  const server = await new ExampleServer([tool]).start();
  servers.push(server);
  return server;
}

function columnsOf({ structuredContent }: ToolResult): readonly Column[] {
  return structuredContent?.['columns'] as unknown as Column[];
}

describe('profile_csv', () => {
  test('gives the counts, extremes and means of a plain file [DX-2 EXEC-2]', async () => {
    const server = await serve(createProfileCsv({ root: DATA, chunkBytes: 500 }));
    // Without quotes a line is a row and a comma ends a field.
    const [header = '', ...lines] = (await readFile(join(DATA, 'orders.csv'), 'utf8')).trimEnd().split('\r\n');
    const rows = lines.map((line) => line.split(','));

    const result = await server.run('profile_csv', { file: 'orders.csv' });

    expect(result.structuredContent).toMatchObject({ file: 'orders.csv', rows: rows.length });
    expect(result.content[0]?.text).toContain(`orders.csv: ${rows.length} rows, 6 columns: order_id (integer)`);
    const types = ['integer', 'date', 'text', 'integer', 'number', 'boolean'];
    header.split(',').forEach((name, index) => {
      const values = rows.map((row) => row[index] ?? '');
      const numbers = values.map(Number);
      const dates = values.toSorted();
      expect(columnsOf(result)[index]).toEqual({
        name,
        type: types[index],
        values: values.length,
        empty: 0,
        distinct: { count: new Set(values).size, exact: true },
        ...(types[index] === 'date' && { min: dates[0], max: dates.at(-1) }),
        ...(['integer', 'number'].includes(types[index] ?? '') && {
          min: Math.min(...numbers),
          max: Math.max(...numbers),
          mean: expect.closeTo(numbers.reduce((a, b) => a + b) / numbers.length, 6),
        }),
      });
    });
  });

  // 1 byte is less than a character can have: it is taken for 4.
  test.each([1, 4, 7, 64, 65_536])(
    'reads quotes, line breaks in quotes and characters of many bytes alike in chunks of %d bytes [DX-2 EXEC-2]',
    async (chunkBytes) => {
      const server = await serve(createProfileCsv({ root: DATA, chunkBytes }));

      const result = await server.run('profile_csv', { file: 'cities.csv' });

      const exact = (count: number) => ({ count, exact: true });
      expect(columnsOf(result)).toMatchObject([
        { name: 'name', type: 'text', values: 20, empty: 0, distinct: exact(20) },
        { name: 'country', type: 'text', values: 20, empty: 0, distinct: exact(17) },
        {
          name: 'population',
          type: 'integer',
          empty: 2,
          min: 140_000,
          max: 37_115_035,
          mean: expect.closeTo(340_121_758 / 18, 6),
        },
        { name: 'latitude', type: 'number', empty: 0, min: -34.5997, max: 64.1467 },
        { name: 'longitude', type: 'number', empty: 0, min: -99.1333, max: 139.6922 },
        { name: 'note', type: 'text', empty: 16, distinct: exact(4) },
      ]);
    },
  );

  test('reads a file of a megabyte and says that its many distinct values are estimated [DX-2]', async () => {
    const rows = Array.from({ length: 60_000 }, (_, index) => `${index},"row ""${index}""\n"`);
    await writeFile(join(root, 'large.csv'), ['id,label', ...rows].join('\n'));
    const server = await serve();

    const [id, label] = columnsOf(await server.run('profile_csv', { file: 'large.csv' }));

    expect(id).toMatchObject({ values: 60_000, min: 0, max: 59_999, mean: 59_999 / 2, distinct: { exact: false } });
    expect(Math.abs((label?.distinct.count ?? 0) - 60_000)).toBeLessThan(60_000 * 0.09);
  });

  test('shows its progress and stops when it is cancelled [EXEC-5 EXEC-6]', async () => {
    await writeFile(join(root, 'long.csv'), `n\n${'1\n'.repeat(20_000)}`);
    const server = await serve(createProfileCsv({ root, chunkBytes: 16 }));
    const taskId = await server.peer.createTask('profile_csv', { file: 'long.csv' });

    const working = await server.when(taskId, (task) => task['statusMessage'] !== undefined);
    await server.peer.result('tasks/cancel', { taskId });
    const ended = await server.settled(taskId);

    expect(working['statusMessage']).toMatch(/^\d+ of 40002 bytes, \d+ rows$/);
    expect(ended['status']).toBe('cancelled');
  });

  test('declares what it returns, and CSV_ROOT aside reads the files that come with it [DX-2]', async () => {
    const server = await serve(profileCsv);

    const { tools } = await server.peer.result('tools/list');
    const result = await server.run('profile_csv', { file: 'cities.csv' });

    expect(tools).toMatchObject([
      { name: 'profile_csv', outputSchema: { type: 'object', required: ['file', 'rows', 'bytes', 'columns'] } },
    ]);
    expect(result.isError).toBeUndefined();
  });
});

describe('profile_csv gives a tool error that names line and reason for', () => {
  test('the malformed file that comes with it [DX-2]', async () => {
    const server = await serve(createProfileCsv({ root: DATA, chunkBytes: 10 }));

    const result = await server.run('profile_csv', { file: 'malformed.csv' });

    expect(result).toMatchObject({ isError: true });
    expect(result.content[0]?.text).toBe('malformed.csv, line 4: a quote opens here and is never closed');
  });

  test.each<[string, string | Uint8Array, string]>([
    ['an empty file', '', 'line 1: the file is empty'],
    ['a row with too few fields', 'a,b\n1,2\n3\n', 'line 3: 1 field, but the header has 2'],
    [
      'a row with too many fields, after a quoted line break',
      'a,b\n"1\n2",3\n4,5,6\n',
      'line 4: 3 fields, but the header has 2',
    ],
    ['text after a closing quote', 'a\n"x"y\n', 'line 2: "y" after a closing quote'],
    ['bytes that are not UTF-8', Buffer.from('a\nb\nM\u00fcnchen\n', 'latin1'), 'line 3: bytes that are not UTF-8'],
    ['a character that is cut off', Buffer.from('a\n€').subarray(0, -1), 'line 2: bytes that are not UTF-8'],
  ])('%s [DX-2]', async (_what, content, reason) => {
    await writeFile(join(root, 'bad.csv'), content);
    for (const chunkBytes of [4, 65_536]) {
      const server = await serve(createProfileCsv({ root, chunkBytes }));

      const result = await server.run('profile_csv', { file: 'bad.csv' });

      expect(result).toMatchObject({ isError: true });
      expect(result.content[0]?.text).toContain(`bad.csv, ${reason}`);
    }
  });
});

describe('profile_csv keeps to its folder:', () => {
  test.each([
    ['../secret.csv', 'is not below the folder'],
    ['below/../../secret.csv', 'is not below the folder'],
    ['..', 'is not below the folder'],
    ['link.csv', 'is not below the folder'],
    ['../not-there.csv', 'is not below the folder'],
    ['below\0.csv', 'is not below the folder'],
    ['below', 'is not a file'],
    ['not-there.csv', 'does not exist'],
  ])('%j is refused [SEC-3]', async (file, reason) => {
    const server = await serve();

    const result = await server.run('profile_csv', { file });

    expect(result).toMatchObject({ isError: true });
    expect(result.content[0]?.text).toContain(reason);
    expect(JSON.stringify(result)).not.toContain(outside);
  });

  test('an absolute path is refused, also of a file below it; a file in a folder below is read [SEC-3]', async () => {
    const server = await serve();

    const absolute = await server.run('profile_csv', { file: join(root, 'below', 'ok.csv') });
    const below = await server.run('profile_csv', { file: 'below/ok.csv' });

    expect(absolute.isError).toBe(true);
    expect(absolute.content[0]?.text).toContain('is not below the folder');
    expect(below.structuredContent).toMatchObject({ rows: 1 });
  });
});
