/** The tools that `npm start` serves. A new tool is one file beside this one, and one line here. */
import { approveDeploy } from './approve-deploy.ts';
import { profileCsv } from './profile-csv.ts';
import { diskTrend } from './readme-tool.ts';
import { remindMe } from './remind-me.ts';
import { researchNotes, researchTopic } from './research-topic.ts';

export default [approveDeploy, diskTrend, profileCsv, remindMe, researchNotes, researchTopic];
