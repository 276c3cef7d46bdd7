/**
 * A host's side of a workflow prompt, with the official client: it gets the prompt, has its model do the step that is the
 * client's, and gets the prompt again to see how far the workflow is.
 */
// #region workflow-client
import type { Client, GetPromptResult } from '@modelcontextprotocol/client';

const RELATED_TASK = 'io.modelcontextprotocol/related-task';

/** `askModel` is given the messages of the prompt, and gives the arguments of the call that they ask for. */
export async function describeCsvWith(
  client: Client,
  file: string,
  askModel: (messages: GetPromptResult['messages']) => Promise<Record<string, unknown>>,
) {
  const begun = await client.getPrompt({ name: 'describe_csv', arguments: { file } });
  const _meta = { [RELATED_TASK]: { taskId: String(begun._meta?.['task_id']) } };
  await client.callTool({ name: 'name_columns', arguments: await askModel(begun.messages), _meta });
  return client.getPrompt({ name: 'describe_csv', _meta });
}
// #endregion
