/**
 * `describe_csv`, a workflow prompt: the server profiles a file, the client's model names its columns, a person approves, and
 * the server writes a report. Each of these may take as long as it takes: the workflow is a task.
 */
import * as z from 'zod';
import { defineResource, defineWorkflow, type JsonValue } from '../src/index.ts';
import { approval, columnNames } from './column-tools.ts';
import { csvProfile } from './profile-csv.ts';

// #region guide-resource
export const columnGuide = defineResource({
  name: 'column-guide',
  uri: 'guide://column-titles',
  description: 'How columns are named here.',
  mimeType: 'text/plain',
  read: async () =>
    'A title has one to four words and no abbreviations. A meaning names the unit, and what an empty value says.',
});
// #endregion

// #region describe-csv
export const describeCsv = defineWorkflow({
  name: 'describe_csv',
  title: 'Describe a CSV file',
  description: 'Profiles a CSV file, names its columns, has the names approved, and writes a report.',
  goal: 'Say what each column of {argument.file} means.',
  instructions: 'Rest on what the profile shows; where it shows nothing, say that the meaning is not known.',
  arguments: z.object({ file: z.string().min(1).describe('path below the folder of CSV files, e.g. "cities.csv"') }),
  steps: (steps) =>
    steps
      .tool('profile', ({ argument }) => ({
        tool: 'profile_csv',
        arguments: { file: argument('file') },
        output: csvProfile,
      }))
      .client('names', ({ output, computed }) => ({
        tool: 'name_columns',
        arguments: { of: computed({ columns: output('profile', 'columns') }, ({ columns }) => namesOf(columns)) },
        guidance: 'Give each of the columns of {argument.file} ({output.profile.rows} rows) a title and a meaning.',
        attach: ['guide://column-titles'],
        output: columnNames,
      }))
      .tool('approve', ({ argument, output }) => ({
        tool: 'approve_columns',
        arguments: { file: argument('file'), columns: output('names', 'columns') },
        output: approval,
      }))
      .tool('report', ({ argument, output, variable }) => ({
        tool: 'write_column_report',
        when: output('approve', 'approved'),
        arguments: {
          file: argument('file'),
          rows: output('profile', 'rows'),
          columns: output('names', 'columns'),
          approver: variable('approvedBy'),
        },
      })),
});
// #endregion

function namesOf(columns: JsonValue): JsonValue {
  return csvProfile.shape.columns.parse(columns).map(({ name }) => name);
}
