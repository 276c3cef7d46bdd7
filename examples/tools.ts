/** What `npm start` serves. A new tool is one file beside this one, and one line here; so is a workflow. */
import { approveDeploy } from './approve-deploy.ts';
import { approveColumns, nameColumns, reports, writeReport } from './column-tools.ts';
import { columnGuide, describeCsv } from './describe-csv.ts';
import { profileCsv } from './profile-csv.ts';
import { diskTrend } from './readme-tool.ts';
import { remindMe } from './remind-me.ts';
import { researchNotes, researchTopic } from './research-topic.ts';
import { checkTarget, releasePolicies, shipRelease } from './ship-release.ts';

export default [
  approveColumns,
  approveDeploy,
  checkTarget,
  diskTrend,
  nameColumns,
  profileCsv,
  remindMe,
  researchNotes,
  researchTopic,
  writeReport,
];

// #region exports
/** Prompts that own tasks. */
export const workflows = [describeCsv, shipRelease];

/** What workflows read, and clients with them. */
export const resources = [columnGuide, releasePolicies, reports];
// #endregion
