/**
 * `approve_deploy`: asks two people's questions at once (who approves, and when), then deploys to a
 * target that fails now and then, with a retry policy. The target here is simulated: it refuses
 * the first tries of each step, always alike.
 */
import * as z from 'zod';
import { type CallToolResult, defineTaskTool, type ElicitResult, type StepScope, type TaskTool } from '../src/index.ts';

export const DEPLOY_STEPS = ['upload', 'switch', 'verify'] as const;
export type DeployStep = (typeof DEPLOY_STEPS)[number];

/** Where to deploy to. A call may come twice for one attempt: it must not matter. */
export interface DeployTarget {
  run(step: DeployStep, release: string, scope: StepScope): Promise<string>;
}

const FAILING_ATTEMPTS = 2;

const simulatedTarget: DeployTarget = {
  async run(step, release, { attempt }) {
    if (step === 'upload' && attempt <= FAILING_ATTEMPTS) throw new Error(`the target is busy (attempt ${attempt})`);
    return `${step} of ${release} done`;
  },
};

/** An answer that is no yes. Between the questions and the deployment nothing has happened yet. */
class Declined extends Error {
  override readonly name = 'Declined';
}

export function createApproveDeploy(target: DeployTarget = simulatedTarget): TaskTool {
  return defineTaskTool({
    name: 'approve_deploy',
    title: 'Deploy after approval',
    description: 'Deploys a release after an approval and within an agreed change window.',
    inputSchema: z.object({ release: z.string().regex(/^[\w.-]{1,64}$/) }),
    outputSchema: z.object({
      deployed: z.boolean(),
      approver: z.string().optional(),
      window: z.string().optional(),
      log: z.array(z.string()),
    }),
    annotations: { destructiveHint: true },
    async run({ release }, task): Promise<CallToolResult> {
      // #region approve-deploy-ask
      const approval = task.elicit({
        message: `Approve the deployment of ${release}?`,
        requestedSchema: {
          type: 'object',
          properties: { approver: { type: 'string', title: 'Your name', minLength: 1 } },
          required: ['approver'],
        },
      });
      const schedule = task.elicit({
        message: `In which window may ${release} be deployed?`,
        requestedSchema: {
          type: 'object',
          properties: { window: { type: 'string', enum: ['now', 'in a minute', 'in an hour'] } },
          required: ['window'],
        },
      });
      let approver: string;
      let window: string;
      try {
        // Both are shown at once; one no is enough.
        [approver, window] = await Promise.all([
          approval.then((answer) => accepted(answer, 'approver')),
          schedule.then((answer) => accepted(answer, 'window')),
        ]);
      } catch (error) {
        if (error instanceof Declined)
          return report(`${release} was not deployed: ${error.message}.`, { deployed: false, log: [] });
        throw error;
      }
      // #endregion
      const minutes = { now: 0, 'in a minute': 1, 'in an hour': 60 }[window] ?? 0;
      if (minutes > 0) await task.wait('for the change window', { minutes });

      // #region approve-deploy-retry
      const log: string[] = [];
      for (const name of DEPLOY_STEPS) {
        task.progress(`${name} of ${release}`);
        const done = await task.step(name, (scope) => target.run(name, release, scope), {
          retryStrategy: (_error, attempts) =>
            attempts < 5 ? { shouldRetry: true, delay: { seconds: 2 ** (attempts - 1) } } : { shouldRetry: false },
        });
        log.push(done);
      }
      // #endregion
      return report(`${release} was deployed, approved by ${approver}.`, { deployed: true, approver, window, log });
    },
  });
}

export const approveDeploy = createApproveDeploy();

function accepted({ action, content }: ElicitResult, field: string): string {
  if (action !== 'accept') throw new Declined(`the question for the ${field} was answered with ${action}`);
  return String(content?.[field] ?? '');
}

function report(text: string, structuredContent: Record<string, unknown>): CallToolResult {
  return { content: [{ type: 'text', text }], structuredContent };
}
