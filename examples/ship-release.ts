/**
 * `ship_release`, a workflow prompt that reads no files: a policy is read, each target is checked, the client's model writes
 * notes, and the deployment asks its own questions. It shows what `describe_csv` does not: steps that read resources, steps
 * for each item of a list, retries, conditions, and a form for what the caller left out.
 */
import * as z from 'zod';
import { defineResource, defineTaskTool, defineWorkflow, type PlainTool } from '../src/index.ts';

// #region policy-resource
const POLICIES = {
  production: { deploys: true, note: 'Deployments need an approval and a change window.' },
  preview: { deploys: false, note: 'Previews are only checked.' },
} as const;
const policy = z.object({ deploys: z.boolean(), note: z.string() });

export const releasePolicies = defineResource({
  name: 'release-policy',
  uri: 'policy://{environment}',
  description: 'What holds for releases to an environment.',
  mimeType: 'application/json',
  read: async (_uri, { environment = '' }) => Object.entries(POLICIES).find(([name]) => name === environment)?.[1],
});
// #endregion

/** Whether a target answers. A check may fail now and then. */
export type CheckTarget = (target: string) => Promise<{ readonly healthy: boolean }>;

const simulatedCheck: CheckTarget = async (target) => ({ healthy: !target.endsWith('-down') });

export function createCheckTarget(check: CheckTarget = simulatedCheck): PlainTool {
  return defineTaskTool({
    name: 'check_target',
    title: 'Check a target',
    description: 'Says whether a target of deployments is healthy. The targets here are simulated.',
    inputSchema: z.object({ target: z.string().min(1).max(64) }),
    outputSchema: z.object({ target: z.string(), healthy: z.boolean() }),
    taskSupport: 'forbidden',
    async run({ target }) {
      const { healthy } = await check(target);
      const text = `${target} is ${healthy ? 'healthy' : 'down'}`;
      return { content: [{ type: 'text', text }], structuredContent: { target, healthy } };
    },
  });
}

export const checkTarget = createCheckTarget();

// #region ship-release
export const shipRelease = defineWorkflow({
  name: 'ship_release',
  title: 'Ship a release',
  description: 'Checks the targets of a release, writes its notes, and deploys it where its policy says so.',
  goal: 'Ship a release to {argument.environment}.',
  arguments: z.object({
    release: z.string().optional().describe('such as v1; asked for where it is missing'),
    environment: z.enum(['production', 'preview']).default('production'),
    targets: z.array(z.string()).max(20).default(['eu', 'us']).describe('a JSON array of names'),
  }),
  version: 1,
  steps: (steps) =>
    steps
      .resources('policy', ({ argument }) => ({
        resources: [{ uri: 'policy://{environment}', bindings: { environment: argument('environment') } }],
        output: policy,
      }))
      .tool('checks', ({ argument, item }) => ({
        tool: 'check_target',
        forEach: argument('targets'),
        arguments: { target: item() },
        retry: { maxAttempts: 3, delay: { seconds: 2 } },
      }))
      .client('notes', ({ argument }) => ({
        guidance: 'Write two sentences of notes for the release. Checks of its targets: {output.checks}.',
        attach: [{ uri: 'policy://{environment}', bindings: { environment: argument('environment') } }],
        output: z.object({ text: z.string().min(1) }),
      }))
      .tool('deploy', ({ argument, output }) => ({
        tool: 'approve_deploy',
        when: output('policy', 'deploys'),
        arguments: { release: argument('release') },
        askFor: {
          message: 'Which release is to be shipped to {argument.environment}?',
          fields: { release: { type: 'string', title: 'Release', minLength: 1 } },
        },
      })),
});
// #endregion
