/** Why a workflow pauses, in words for a model. */
import type { PauseReason } from './workflow.ts';

export function describePause(pause: PauseReason): string {
  switch (pause.type) {
    case 'unresolvableParams':
      return `Step ${pause.blockedStep} lacks ${pause.missing.map(({ argument, why }) => `${argument} (${why})`).join(', ')}.`;
    case 'schemaMismatch':
      return sentence(`The arguments of step ${pause.blockedStep} do not fit its tool: ${pause.problem}`);
    case 'toolError':
      return `${sentence(`Step ${pause.failedStep} failed: ${pause.error}`)}${pause.retryable ? ' It may be tried again.' : ''}`;
    case 'unresolvedDependency':
      return `Step ${pause.blockedStep} needs ${pause.missingOutput}, which step ${pause.producingStep} did not give.`;
    case 'clientStep':
      return `Step ${pause.step} is yours.`;
    case 'needsInput':
      return `Step ${pause.step} waits for an answer to the question of its task. Answer it by ${pause.suggestedTool}.`;
    case 'timeBudget':
      return `The server is at work on step ${pause.step}, and goes on; get the prompt again to see how far it is.`;
  }
}

function sentence(text: string): string {
  return /[.!?]$/u.test(text) ? text : `${text}.`;
}
