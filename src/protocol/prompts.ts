/** Prompts that have tasks, on a server of the MCP SDK, beside the host's own. What such a prompt does is its maker's. */
import {
  type GetPromptResult,
  type McpServer,
  ResourceTemplate,
  type ServerContext,
  type StandardSchemaWithJSON,
  UriTemplate,
} from '@modelcontextprotocol/server';
import type { Askable } from '../domain/askable.ts';
import type { Owner } from '../domain/owner.ts';
import type { TraceContext } from '../domain/task.ts';
import type { TaskId } from '../domain/task-id.ts';
import { present } from '../present.ts';
import { idempotencyKeyOf, relatedIdOf, traceOf } from './call-meta.ts';
import type { Client } from './capability.ts';
import type { ResourceContents } from './sdk.ts';
import { type StoredHandler, storedHandler } from './sdk-handlers.ts';
import { TASK_TOOLS } from './task-summary.ts';

/** Who asks for a prompt, and for which task. */
export interface PromptCall {
  /** `undefined`: a caller who can have no tasks. */
  readonly owner: Owner | undefined;
  /** The task that it goes on with. */
  readonly related: TaskId | undefined;
  readonly idempotencyKey: string | undefined;
  readonly trace: TraceContext | undefined;
  /** What a task of this client may ask it for. */
  readonly mayAsk: readonly Askable[];
  /** By what its client answers a question of a task's: a method, or a tool where the client may know none. */
  readonly answersBy: string;
  readonly signal: AbortSignal;
}

export interface ServedPrompt {
  readonly name: string;
  readonly title?: string | undefined;
  readonly description: string;
  readonly arguments: StandardSchemaWithJSON;
  get(args: Readonly<Record<string, string>>, call: PromptCall): Promise<GetPromptResult>;
}

export interface ServedResource {
  readonly name: string;
  /** A URI, or a URI template. */
  readonly uri: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
  read(uri: string, owner: Owner | undefined, signal: AbortSignal): Promise<readonly ResourceContents[]>;
}

export interface PromptServices {
  readonly knownOwner: (ctx: ServerContext) => Owner | undefined;
  readonly clientOf: (ctx: ServerContext) => Client;
  /** What a client that holds no tasks itself can be asked for by tools. */
  readonly askableByTools: readonly Askable[];
  readonly translated: <T>(ctx: ServerContext, work: () => Promise<T>) => Promise<T>;
}

export function registerPrompts(mcp: McpServer, prompts: readonly ServedPrompt[], services: PromptServices): void {
  if (prompts.length === 0) return;
  const byName = new Map(prompts.map((prompt) => [prompt.name, prompt]));
  for (const { name, title, description, arguments: argsSchema } of prompts) {
    // Only listed through the SDK: its arguments are text, which ours need not be.
    mcp.registerPrompt(name, { description, argsSchema, ...present({ title }) }, () =>
      Promise.reject(new Error(`Prompt ${name} is served by the tasks extension.`)),
    );
  }
  const { server } = mcp;
  const others = storedHandler(server, 'prompts/get');
  server.setRequestHandler('prompts/get', (request, ctx) => {
    const prompt = byName.get(request.params.name);
    if (prompt === undefined) return (others as StoredHandler)(request, ctx) as Promise<GetPromptResult>;
    return services.translated(ctx, () => prompt.get(request.params.arguments ?? {}, callOf(ctx, services)));
  });
}

export function registerResources(
  mcp: McpServer,
  resources: readonly ServedResource[],
  services: PromptServices,
): void {
  for (const resource of resources) {
    const { name, uri, title, description, mimeType } = resource;
    const answer = (ctx: ServerContext, asked: URL) =>
      services.translated(ctx, async () => ({
        contents: [...(await resource.read(asked.href, services.knownOwner(ctx), ctx.mcpReq.signal))],
      }));
    const config = present({ title, description, mimeType });
    if (!UriTemplate.isTemplate(uri)) mcp.registerResource(name, uri, config, (asked, ctx) => answer(ctx, asked));
    else
      mcp.registerResource(name, new ResourceTemplate(uri, { list: undefined }), config, (asked, _variables, ctx) =>
        answer(ctx, asked),
      );
  }
}

function callOf(ctx: ServerContext, { knownOwner, clientOf, askableByTools }: PromptServices): PromptCall {
  const client = clientOf(ctx);
  return {
    owner: knownOwner(ctx),
    related: relatedIdOf(ctx),
    idempotencyKey: idempotencyKeyOf(ctx),
    trace: traceOf(ctx),
    mayAsk: mayAsk(client, askableByTools),
    answersBy: answersBy(client, askableByTools),
    signal: ctx.mcpReq.signal,
  };
}

/** A client of the 2025 era cannot say that it holds tasks: that its revision knows them does not mean that it does. */
function mayAsk({ declaresTasks, knowsLegacyTasks, askable }: Client, byTools: readonly Askable[]): readonly Askable[] {
  if (declaresTasks) return askable;
  return knowsLegacyTasks ? [...new Set([...askable, ...byTools])] : byTools;
}

/** A model that is told of a tool can call it, whatever its client knows of tasks. */
function answersBy({ declaresTasks, knowsLegacyTasks }: Client, byTools: readonly Askable[]): string {
  if (declaresTasks) return 'tasks/update';
  if (byTools.length > 0) return TASK_TOOLS.respond;
  return knowsLegacyTasks ? 'tasks/result' : 'tasks/update';
}
