/**
 * The tools that are deployed. A team replaces this one file; the construct takes its path. Of the examples, those that
 * read no files: a function has none but its bundle.
 */
import { approveDeploy } from '../examples/approve-deploy.ts';
import { diskTrend } from '../examples/readme-tool.ts';
import { remindMe } from '../examples/remind-me.ts';

export default [approveDeploy, diskTrend, remindMe];
