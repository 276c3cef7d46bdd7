/**
 * The tools of the prompt `describe_csv`: the client's model names a file's columns, a person approves the names, and a
 * report of them is written. What the report's own tool does not give it comes from variables of the workflow's task.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import {
  type CallToolResult,
  defineResource,
  defineTaskTool,
  defineVariables,
  encodeOwner,
  type Owner,
  type PlainTool,
  type TaskResource,
  type TaskTool,
} from '../src/index.ts';

const description = z.object({
  column: z.string().min(1).describe('as the file has it'),
  title: z.string().min(1).max(80).describe('a short name for people'),
  meaning: z.string().min(1).max(400).describe('what the values say, and in which unit'),
});

export const columnNames = z.object({ columns: z.array(description).min(1) });
export const approval = z.object({ approved: z.boolean() });

// #region typed-variables
/** What the tools of this workflow leave for each other in the variables of its task. */
const notes = defineVariables(z.object({ namedAt: z.string().optional(), approvedBy: z.string().optional() }));
// #endregion

// #region name-columns
export const nameColumns: PlainTool = defineTaskTool({
  name: 'name_columns',
  title: 'Name the columns of a table',
  description: 'Takes a title and a meaning for each column of a table.',
  inputSchema: z.object({ of: z.array(z.string()).describe('the columns that need names'), ...columnNames.shape }),
  outputSchema: columnNames,
  taskSupport: 'forbidden',
  async run({ of, columns }, call) {
    const named = columns.map(({ column }) => column);
    const without = of.filter((column) => !named.includes(column));
    const unknown = named.filter((column) => !of.includes(column));
    // The model's mistakes, which it can put right: the step stays open.
    if (without.length > 0) return mistake(`These columns have no title yet: ${without.join(', ')}.`);
    if (unknown.length > 0) return mistake(`The table has no column ${unknown.join(', ')}.`);
    if (call.related !== undefined) await notes.of(call.related.variables).set('namedAt', new Date().toISOString());
    return { content: [{ type: 'text', text: `${named.length} columns are named.` }], structuredContent: { columns } };
  },
});
// #endregion

// #region approve-columns
export const approveColumns: TaskTool = defineTaskTool({
  name: 'approve_columns',
  title: 'Have names of columns approved',
  description: 'Asks a person whether the titles of a table’s columns are right.',
  inputSchema: z.object({ file: z.string(), ...columnNames.shape }),
  outputSchema: approval,
  async run({ file, columns }, task) {
    const titles = columns.map(({ column, title }) => `${column}: ${title}`).join(', ');
    const { action, content } = await task.elicit({
      message: `Are these the right titles for ${file}? ${titles}`,
      requestedSchema: {
        type: 'object',
        properties: { approver: { type: 'string', title: 'Your name', minLength: 1 } },
        required: ['approver'],
      },
    });
    const approved = action === 'accept';
    if (approved) await notes.of(task.variables).set('approvedBy', String(content?.['approver']));
    const text = approved ? 'The titles are approved.' : `The titles are not approved: ${action}.`;
    return { content: [{ type: 'text', text }], structuredContent: { approved } };
  },
});
// #endregion

/** A tool that writes reports below `root`, and the resource that they are read as. */
export function createReports(root: string): { readonly writeReport: PlainTool; readonly reports: TaskResource } {
  // #region write-report
  const writeReport = defineTaskTool({
    name: 'write_column_report',
    title: 'Write a report of columns',
    description: 'Writes what the columns of a table mean, with who approved it, as a report that can be read.',
    inputSchema: z.object({ file: z.string(), rows: z.int(), approver: z.string().optional(), ...columnNames.shape }),
    outputSchema: z.object({ id: z.string(), uri: z.string() }),
    taskSupport: 'forbidden',
    async run({ file, rows, approver = 'nobody yet', columns }, { owner, related }) {
      const lines = columns.map(
        ({ column, title, meaning }) => `| ${[column, title, meaning].map(cell).join(' | ')} |`,
      );
      const table = ['| column | title | meaning |', '| --- | --- | --- |', ...lines].join('\n');
      const text = `# ${file}\n\n${rows} rows. Approved by ${approver}.\n\n${table}\n`;
      // A step may run twice: the same task writes the same file.
      const id = related?.id ?? createHash('sha256').update(text).digest('hex');
      await writeWhole(fileOf(root, owner, id), text);
      const uri = `column-report://${id}`;
      return {
        content: [{ type: 'resource_link', uri, name: `Report of ${file}`, mimeType: 'text/markdown' }],
        structuredContent: { id, uri },
      };
    },
  });
  // #endregion

  // #region reports
  const reports = defineResource({
    name: 'column-report',
    uri: 'column-report://{id}',
    description: 'What the columns of a table mean, as somebody has approved it.',
    mimeType: 'text/markdown',
    async read(_uri, { id = '' }, { owner }) {
      if (owner === undefined || !/^[0-9a-z]{1,128}$/.test(id)) return undefined;
      return readFile(fileOf(root, owner, id), 'utf8').catch(() => undefined);
    },
  });
  // #endregion
  return { writeReport, reports };
}

export const { writeReport, reports } = createReports(
  process.env['REPORT_ROOT'] ?? fileURLToPath(new URL('../.data/reports/', import.meta.url)),
);

/** Nobody reads another owner's: the folder is the owner's. */
function fileOf(root: string, owner: Owner, id: string): string {
  const folder = createHash('sha256').update(encodeOwner(owner)).digest('hex');
  return join(root, folder, `${id}.md`);
}

/** A reader finds the whole report or none. */
async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  await writeFile(`${file}.part`, text);
  await rename(`${file}.part`, file);
}

function cell(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
}

function mistake(text: string): CallToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}
