/**
 * A host's side of tasks: the official client connects, and the official requester drives the task. The requester leaves
 * the way of its requests on the 2026-07-28 era to the host; `dispatchTo` is one by `fetch`.
 */
// #region official-client
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import * as tasks from '@modelcontextprotocol/ext-tasks/client';

const protocolVersion = '2026-07-28';
const clientInfo = { name: 'my-host', version: '1.0.0' };
const clientCapabilities = { elicitation: { form: {} } };
const options = { capabilities: clientCapabilities, versionNegotiation: { mode: { pin: protocolVersion } } };
type Ask = tasks.ApplicationInputHandler['handle'];

export async function callTool(url: string, headers: JsonMap, name: string, args: JsonMap, onInputRequest: Ask) {
  const client = new Client(clientInfo, options);
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  await using session = tasks.createTaskSessionFromClient(client, {
    endpointId: url,
    rawDispatch: dispatchTo(url, headers),
    v2RequestFraming: { protocolVersion, clientInfo, clientCapabilities },
    onInputRequest,
  });
  const execution = await session.callTool(name, args);
  const { outcome } = await execution.settle();
  await client.close();
  return tasks.resultFromTaskOutcome(outcome);
}
// #endregion

type JsonMap = Record<string, string>;

// #region dispatch
function dispatchTo(url: string, credentials: JsonMap): tasks.RawClientDispatch {
  return async (request, options) => {
    const { method, params } = request as { method: string; params: JsonMap };
    const headers = {
      ...{ ...credentials, 'content-type': 'application/json', accept: 'application/json' },
      ...{ 'mcp-protocol-version': protocolVersion, 'mcp-method': method },
      'mcp-name': params['name'] ?? params['taskId'] ?? '',
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const { signal = null } = options ?? {};
    const response = await fetch(url, { method: 'POST', headers, body, signal });
    const { result, error } = (await response.json()) as { result?: never; error?: never };
    return error === undefined ? { kind: 'result', result: result ?? null } : { kind: 'error', error };
  };
}
// #endregion
