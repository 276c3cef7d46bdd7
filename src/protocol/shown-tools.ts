/**
 * What of this server a client is shown, by its era and by what it declares: the capability for tasks, the tools, and what
 * their answers may look like.
 */
import type { Result, Server, ServerContext } from '@modelcontextprotocol/server';
import { isJsonObject, type JsonObject } from '../domain/json.ts';
import { present } from '../present.ts';
import { TASK_ID_KEY } from './call-meta.ts';
import { type Client, LEGACY_TASKS_REVISION, TASKS_EXTENSION } from './capability.ts';
import { replaceStoredHandler, storedHandler } from './sdk-handlers.ts';
import { SUMMARY_SCHEMA, TASK_TOOLS } from './task-summary.ts';
import { type AnyTool, isTaskTool } from './tool.ts';

export interface ShownToolsOptions {
  /** By name: the tools that this extension calls. */
  readonly tools: ReadonlyMap<string, AnyTool>;
  readonly clientOf: (ctx: ServerContext) => Client;
  /** Names of tools by which a client goes on with a workflow: they take the task's id among their arguments. */
  readonly continuing: ReadonlySet<string>;
  /** Whether the caller of this request may list its tasks. */
  readonly mayList: (ctx: ServerContext) => boolean;
}

/** For a server that has its tools. */
export function showByClient(server: Server, options: ShownToolsOptions): void {
  change(server, 'initialize', (result, ctx) => withLegacyTasks(result, options.mayList(ctx)));
  change(server, 'tools/list', (result, ctx) => {
    const client = options.clientOf(ctx);
    const { tools } = result as { tools?: unknown };
    if (!Array.isArray(tools)) return result;
    return { ...result, tools: (tools as JsonObject[]).flatMap((tool) => shownTool(tool, client, options)) };
  });
}

function change(server: Server, method: string, shown: (result: Result, ctx: ServerContext) => Result): void {
  const handler = storedHandler(server, method);
  if (handler === undefined) throw new Error(`The MCP SDK did not keep the ${method} handler.`);
  replaceStoredHandler(server, method, async (request, ctx) => shown(await handler(request, ctx), ctx));
}

/** The extension is of the later era; of this one, the revision that knows tasks has a capability of its own for them. */
function withLegacyTasks(result: Result, mayList: boolean): Result {
  const { protocolVersion, capabilities } = result as { protocolVersion?: unknown; capabilities?: unknown };
  if (!isJsonObject(capabilities)) return result;
  const { extensions, ...others } = capabilities;
  const { [TASKS_EXTENSION]: _ours, ...foreign } = isJsonObject(extensions) ? extensions : {};
  const tasks = { ...(mayList ? { list: {} } : {}), cancel: {}, requests: { tools: { call: {} } } };
  return {
    ...result,
    capabilities: {
      ...others,
      ...(Object.keys(foreign).length > 0 ? { extensions: foreign } : {}),
      ...(protocolVersion === LEGACY_TASKS_REVISION ? { tasks } : {}),
    },
  };
}

const NAMES_OF_TASK_TOOLS: readonly string[] = Object.values(TASK_TOOLS);

function shownTool(shown: JsonObject, client: Client, { tools, continuing }: ShownToolsOptions): readonly JsonObject[] {
  const tool = typeof shown.name === 'string' ? tools.get(shown.name) : undefined;
  if (tool === undefined) return [shown];
  // Who holds tasks itself would only be confused by a second way.
  if (client.declaresTasks && NAMES_OF_TASK_TOOLS.includes(tool.name)) return [];
  const execution = client.knowsLegacyTasks ? { execution: { taskSupport: tool.taskSupport } } : {};
  const mayGoOn = isTaskTool(tool) && tool.taskSupport === 'optional' && !client.declaresTasks;
  const { outputSchema, ...others } = continuing.has(tool.name) ? takingTaskId(shown) : shown;
  const shownSchema = mayGoOn && isJsonObject(outputSchema) ? orGoesOn(outputSchema) : outputSchema;
  return [{ ...others, ...execution, ...present({ outputSchema: shownSchema }) }];
}

/** For models that can set nothing but arguments. */
function takingTaskId(shown: JsonObject): JsonObject {
  const { inputSchema } = shown;
  if (!isJsonObject(inputSchema)) return shown;
  const properties = isJsonObject(inputSchema.properties) ? inputSchema.properties : {};
  if (Object.hasOwn(properties, TASK_ID_KEY)) return shown;
  const taskId = {
    type: 'string',
    description: 'The id of the workflow’s task that this call is a step of, if it is one.',
  };
  return { ...shown, inputSchema: { ...inputSchema, properties: { ...properties, [TASK_ID_KEY]: taskId } } };
}

/** References that are to neither of the places that stay at the root. */
const OWN_PLACES = /"\$(?:ref|dynamicRef|recursiveRef)":"#(?!\/(?:\$defs|definitions)\/)/;

/** What every reference within a schema is looked up in stays where it is, at the root. */
const AT_THE_ROOT: readonly string[] = ['$schema', '$id', '$defs', 'definitions'];

/**
 * The tool's own structured content, or how its task stands: a client that holds an answer against the schema must find
 * neither wrong. `undefined`: this schema cannot be made to say both, and none is shown.
 */
function orGoesOn(schema: JsonObject): JsonObject | undefined {
  // Moved, what it says of its own places would be elsewhere.
  if (OWN_PLACES.test(JSON.stringify(schema))) return undefined;
  const entries = Object.entries(schema);
  const root = entries.filter(([name]) => AT_THE_ROOT.includes(name));
  const own = entries.filter(([name]) => !AT_THE_ROOT.includes(name));
  return { ...Object.fromEntries(root), type: 'object', anyOf: [Object.fromEntries(own), SUMMARY_SCHEMA] };
}
