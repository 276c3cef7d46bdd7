/** What of the MCP SDK's vocabulary belongs to this project's own API, so that only this folder names the SDK. */
export type {
  AuthInfo,
  CallToolResult,
  InputRequiredResult,
  McpHttpHandler,
  McpServerFactory,
  StandardSchemaV1,
  StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
export { inputRequired, inputResponse, McpServer, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
