/** Resources that a server offers and its workflows read: one declaration for both, also where no client is connected. */
import { TaskError } from '../domain/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../domain/json.ts';
import type { Owner } from '../domain/owner.ts';
import { type ResourceContents, UriTemplate } from '../protocol/sdk.ts';
import type { Logger } from '../runtime/logger.ts';
import type { ResourceUse } from './workflow.ts';

export interface ResourceCall {
  readonly owner: Owner | undefined;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface TaskResource {
  readonly name: string;
  /** A URI, or a URI template (RFC 6570) such as `report://{id}`. */
  readonly uri: string;
  readonly title?: string;
  readonly description?: string;
  readonly mimeType?: string;
  /**
   * What is there: text, JSON, or contents as MCP has them. `variables` are those of the template. `undefined`: there is
   * nothing at this URI.
   */
  read(
    uri: string,
    variables: Readonly<Record<string, string>>,
    call: ResourceCall,
  ): Promise<string | JsonObject | readonly ResourceContents[] | undefined>;
}

/** Throws `invalid_definition`, naming the resource, for one that cannot work. */
export function defineResource(resource: TaskResource): TaskResource {
  const { name, uri } = resource;
  if (typeof name !== 'string' || name === '') throw wrong('(unnamed)', 'it needs a name');
  if (typeof resource.read !== 'function') throw wrong(name, 'it needs a read function');
  const problem = uriFault(uri);
  if (problem !== undefined) throw wrong(name, problem);
  return resource;
}

/** What replies link to. */
export const STEP_RESULTS = { name: 'workflow-step-result', scheme: 'durable-task:' } as const;

/** A URI that no resource of the server has. */
export class UnknownResourceError extends Error {
  override readonly name = 'UnknownResourceError';

  constructor(uri: string) {
    super(`There is no resource ${uri}.`);
  }
}

export class ResourceRegistry {
  readonly resources: readonly TaskResource[];

  /** Throws `invalid_definition` for names and URIs that are taken. */
  constructor(resources: readonly TaskResource[]) {
    this.resources = resources;
    for (const [index, resource] of resources.entries()) {
      defineResource(resource);
      if (resource.name === STEP_RESULTS.name || resource.uri.startsWith(STEP_RESULTS.scheme))
        throw wrong(resource.name, `${STEP_RESULTS.name} and ${STEP_RESULTS.scheme} are the workflows’ own`);
      const before = resources.slice(0, index);
      if (before.some(({ name }) => name === resource.name))
        throw wrong(resource.name, 'the name is taken by another resource');
      if (before.some(({ uri }) => uri === resource.uri))
        throw wrong(resource.name, `another resource has ${resource.uri}`);
    }
  }

  /** What is wrong with how a workflow uses a resource, as the end of a sentence. */
  faultOf({ uri, bindings }: ResourceUse): string | undefined {
    const problem = uriFault(uri);
    if (problem !== undefined) return problem;
    const names = UriTemplate.isTemplate(uri) ? new UriTemplate(uri).variableNames : [];
    const unbound = names.find((name) => bindings === undefined || !Object.hasOwn(bindings, name));
    if (unbound !== undefined) return `"${unbound}" of ${uri} is bound to nothing`;
    const unknown = Object.keys(bindings ?? {}).find((name) => !names.includes(name));
    if (unknown !== undefined) return `${uri} has no variable "${unknown}"`;
    const isServed =
      this.resources.some((resource) => resource.uri === uri) || (names.length === 0 && this.#find(uri) !== undefined);
    // A template of the workflow's own may be another writing of one that is served: tried with a plain value for each variable.
    if (isServed || this.#find(expandUri(uri, Object.fromEntries(names.map((name) => [name, 'x'])))) !== undefined)
      return undefined;
    return `the server has no resource ${uri}`;
  }

  /** Rejects with `UnknownResourceError`, or with what the resource throws. */
  async read(uri: string, call: ResourceCall): Promise<readonly ResourceContents[]> {
    const found = this.#find(uri);
    const read = await found?.resource.read(uri, found.variables, call);
    if (found === undefined || read === undefined) throw new UnknownResourceError(uri);
    const { mimeType } = found.resource;
    if (typeof read === 'string') return [{ uri, text: read, ...(mimeType === undefined ? {} : { mimeType }) }];
    if (Array.isArray(read)) return read as readonly ResourceContents[];
    return [{ uri, text: JSON.stringify(read), mimeType: mimeType ?? 'application/json' }];
  }

  #find(uri: string) {
    const plain = this.resources.find((resource) => resource.uri === uri && !UriTemplate.isTemplate(resource.uri));
    if (plain !== undefined) return { resource: plain, variables: {} };
    for (const resource of this.resources) {
      if (!UriTemplate.isTemplate(resource.uri)) continue;
      const variables = new UriTemplate(resource.uri).match(uri);
      if (variables === null) continue;
      const entries = Object.entries(variables).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(',') : value,
      ]);
      return { resource, variables: Object.fromEntries(entries) as Record<string, string> };
    }
    return undefined;
  }
}

export function expandUri(template: string, variables: Readonly<Record<string, string>>): string {
  return new UriTemplate(template).expand({ ...variables });
}

/** What contents say, for later steps: text, as JSON where it is JSON. */
export function valueOfContents(contents: readonly ResourceContents[]): JsonValue {
  const values = contents.map((content): JsonValue => {
    if (!('text' in content) || typeof content.text !== 'string') return content as unknown as JsonObject;
    try {
      return JSON.parse(content.text) as JsonValue;
    } catch {
      return content.text;
    }
  });
  return values.length === 1 ? (values[0] ?? null) : values;
}

/** Contents as the result of a step: what they are, and what they say. */
export function resultOfContents(contents: readonly ResourceContents[]): JsonObject {
  const value = valueOfContents(contents);
  return {
    content: contents.map((resource) => ({ type: 'resource', resource: resource as unknown as JsonObject })),
    structuredContent: isJsonObject(value) ? value : { value },
  };
}

function uriFault(uri: unknown): string | undefined {
  if (typeof uri !== 'string') return 'its uri must be text';
  try {
    if (UriTemplate.isTemplate(uri)) return void new UriTemplate(uri);
    // A brace is in no URI, only in a template that is not whole.
    return URL.canParse(uri) && !/[{}]/u.test(uri)
      ? undefined
      : `"${uri}" is no URI with a scheme, such as report://last`;
  } catch (error) {
    return `"${uri}" is no URI template: ${error instanceof Error ? error.message : 'it does not parse'}`;
  }
}

function wrong(name: string, problem: string): TaskError {
  return new TaskError('invalid_definition', `Resource "${name}": ${problem}.`);
}
