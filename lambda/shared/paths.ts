/** What the MCP function serves. A stage's name in front is taken off by API Gateway. */
export const MCP_PATH = '/mcp';

const METADATA_PATH = '/.well-known/oauth-protected-resource';

/** RFC 9728 puts the resource's own path behind; clients that know only the host leave it out. */
export const METADATA_PATHS: readonly string[] = [METADATA_PATH, `${METADATA_PATH}${MCP_PATH}`];

/** The one that challenges point to. */
export const FULL_METADATA_PATH = `${METADATA_PATH}${MCP_PATH}`;
