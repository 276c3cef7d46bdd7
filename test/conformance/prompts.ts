/** The prompts that the suite asks for. */
import { completable, type GetPromptResult, type McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { inputRequired } from '../../src/index.ts';
import { askText, requestsOf } from './questions.ts';
import { PNG } from './samples.ts';

type Content = GetPromptResult['messages'][number]['content'];

const CITIES = ['paris', 'park', 'party'];
const ASK_CONTEXT = askText('user_context', 'What context should the prompt use?', 'context');

export function registerPrompts(mcp: McpServer): void {
  mcp.registerPrompt('test_simple_prompt', { description: 'A prompt without arguments.' }, () =>
    prompt({ type: 'text', text: 'This is a simple prompt for testing.' }),
  );

  const twoArguments = z.object({
    arg1: completable(z.string().describe('First test argument'), (start) =>
      CITIES.filter((city) => city.startsWith(start)),
    ),
    arg2: z.string().describe('Second test argument'),
  });
  mcp.registerPrompt(
    'test_prompt_with_arguments',
    { description: 'A prompt with two arguments.', argsSchema: twoArguments },
    ({ arg1, arg2 }) => prompt({ type: 'text', text: `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'` }),
  );

  mcp.registerPrompt(
    'test_prompt_with_embedded_resource',
    {
      description: 'A prompt that shows a resource.',
      argsSchema: z.object({ resourceUri: z.string().describe('URI of the resource to embed') }),
    },
    ({ resourceUri: uri }) =>
      prompt(
        { type: 'resource', resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' } },
        { type: 'text', text: 'Please process the embedded resource above.' },
      ),
  );

  mcp.registerPrompt('test_prompt_with_image', { description: 'A prompt that shows an image.' }, () =>
    prompt({ type: 'image', ...PNG }, { type: 'text', text: 'Please analyze the image above.' }),
  );

  mcp.registerPrompt('test_input_required_result_prompt', { description: 'A prompt that asks first.' }, (ctx) => {
    const context = ASK_CONTEXT.read(ctx.mcpReq.inputResponses);
    if (context === undefined) return inputRequired({ inputRequests: requestsOf([ASK_CONTEXT]) });
    return prompt({ type: 'text', text: `Use this context: ${context}` });
  });
}

function prompt(...contents: Content[]): GetPromptResult {
  return { messages: contents.map((content) => ({ role: 'user', content })) };
}
