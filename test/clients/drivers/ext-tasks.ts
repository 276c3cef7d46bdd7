/**
 * `@modelcontextprotocol/ext-tasks`, the official requester of tasks, over the official client; the variant is its era. On
 * 2026-07-28 it leaves raw requests to its host: here they go through the client's own transport, on HTTP as on stdio.
 */
import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import {
  createTaskSessionFromClient,
  type JsonRpcResponse,
  type RawClientDispatch,
  resultFromTaskOutcome,
  type SerializedTaskReference,
  type ToolExecution,
} from '@modelcontextprotocol/ext-tasks/client';
import { answerForm, answerOf, driveTasks, type StartedTask, target, variant } from './driver.ts';

const IS_MODERN = variant === 'modern';
const PROTOCOL_VERSION = '2026-07-28';
const CLIENT_INFO = { name: 'ext-tasks', version: '0.2.2' };
const CAPABILITIES = { elicitation: { form: {} } };

await driveTasks(async () => {
  const client = new Client(CLIENT_INFO, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: IS_MODERN ? { pin: PROTOCOL_VERSION } : 'legacy' },
  });
  const transport: Transport =
    'url' in target
      ? new StreamableHTTPClientTransport(new URL(target.url))
      : new StdioClientTransport({ command: target.command, args: [...target.args], stderr: 'ignore' });
  await client.connect(transport);
  const { tools } = await client.listTools();
  const session = createTaskSessionFromClient(client, {
    endpointId: 'the clients under test',
    tools: { currentTool: (name) => declarationOf(tools.find((tool) => tool.name === name)) },
    onInputRequest: async ({ params }) => (await answerForm(params)) as never,
    ...(IS_MODERN
      ? {
          rawDispatch: rawDispatchOver(transport),
          v2RequestFraming: {
            protocolVersion: PROTOCOL_VERSION,
            clientInfo: CLIENT_INFO,
            clientCapabilities: CAPABILITIES,
          },
        }
      : {}),
  });
  const reference = (id: string): SerializedTaskReference => ({
    endpointId: 'the clients under test',
    generation: IS_MODERN ? 'v2' : 'v1',
    taskId: id as never,
    originalOperation: 'tools/call',
  });
  return {
    call: async (name, args) => {
      const execution = await session.callTool(name, { ...args });
      return answerOf(resultFromTaskOutcome(await execution.result()));
    },
    start: async (name, args) =>
      startedTask(await session.callTool(name, { ...args }, { task: { preference: 'prefer' } })),
    resume: async (id) => startedTask(await session.resumeTask(reference(id))),
    // Not the session, which would cancel what it still follows: a host that ends does not get to that.
    close: () => client.close(),
  };
});

/** As a tool is listed, in the requester's words. */
function declarationOf(tool: unknown): never {
  if (tool === undefined) return undefined as never;
  const { execution, ...rest } = tool as { readonly execution?: object };
  return { ...rest, ...execution } as never;
}

function startedTask(execution: ToolExecution<unknown>): StartedTask {
  if (execution.kind !== 'task') throw new Error('the call became no task');
  return {
    id: execution.handle.taskId,
    result: async () => {
      const { text, isError } = answerOf(resultFromTaskOutcome(await execution.result()));
      if (isError) throw new Error(text);
      return text;
    },
    cancel: () => execution.cancel(),
  };
}

function rawDispatchOver(transport: Transport): RawClientDispatch {
  const waiting = new Map<unknown, (response: JsonRpcResponse) => void>();
  const { onmessage } = transport;
  // oxlint-disable-next-line unicorn/prefer-add-event-listener -- A transport is no event target.
  transport.onmessage = (message, extra) => {
    const { id, result, error } = message as { id?: unknown; result?: never; error?: never };
    const resolve = waiting.get(id);
    if (resolve === undefined) {
      onmessage?.(message, extra);
      return;
    }
    waiting.delete(id);
    resolve(error === undefined ? { kind: 'result', result: result ?? null } : { kind: 'error', error });
  };
  let last = 0;
  return (request, options) => {
    last += 1;
    const id = `raw-${last}`;
    return new Promise((resolve, reject) => {
      waiting.set(id, resolve);
      options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error));
      transport.send({ jsonrpc: '2.0', id, ...(request as object) } as never).catch(reject);
    });
  };
}
