/** What of the MCP SDK's vocabulary belongs to this project's own API, so that only this folder names the SDK. */
import type { BlobResourceContents, TextResourceContents } from '@modelcontextprotocol/server';

export type {
  AuthInfo,
  CallToolResult,
  GetPromptResult,
  InputRequiredResult,
  McpServerFactory,
  PromptMessage,
  StandardSchemaV1,
  StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
export {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  inputRequired,
  inputResponse,
  isCallToolResult,
  isInputRequiredResult,
  McpServer,
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  RELATED_TASK_META_KEY,
  UriTemplate,
} from '@modelcontextprotocol/server';
export { TASKS_EXTENSION } from './capability.ts';

/** What a resource's contents are. */
export type ResourceContents = TextResourceContents | BlobResourceContents;
