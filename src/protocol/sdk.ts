/** What of the MCP SDK's vocabulary belongs to this project's own API, so that only this folder names the SDK. */
export type {
  AuthInfo,
  CallToolResult,
  InputRequiredResult,
  McpServerFactory,
  StandardSchemaV1,
  StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
export {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  inputRequired,
  inputResponse,
  McpServer,
  PROTOCOL_VERSION_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
export { TASKS_EXTENSION } from './capability.ts';
