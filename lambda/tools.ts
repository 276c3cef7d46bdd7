/**
 * The tools and workflows that are deployed. A team replaces this one file; the construct takes its path. Of the examples,
 * those that read no files: a function has none but its bundle.
 */
import { approveDeploy } from '../examples/approve-deploy.ts';
import { diskTrend } from '../examples/readme-tool.ts';
import { remindMe } from '../examples/remind-me.ts';
import { checkTarget, releasePolicies, shipRelease } from '../examples/ship-release.ts';

export default [approveDeploy, checkTarget, diskTrend, remindMe];

/** Prompts that own tasks. */
export const workflows = [shipRelease];

/** What the workflows read, and clients with them. */
export const resources = [releasePolicies];
