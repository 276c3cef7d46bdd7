/**
 * The SDK's entry for HTTP as what stands before it sees it: each wrapper takes a `Fetch` and is one, and hands on what it
 * has made of the body, so that no two parse it.
 */
import { type McpHandlerRequestOptions, readRequestBody } from '@modelcontextprotocol/server';

export type Fetch = (request: Request, options?: McpHandlerRequestOptions) => Promise<Response>;

/**
 * The body as JSON; the request itself stays to be read. `undefined` for what is no JSON or too large: the entry answers
 * that.
 */
export async function readParsed(request: Request, maxBytes: number): Promise<unknown> {
  try {
    const body = await readRequestBody(request.clone(), maxBytes);
    return body.tooLarge ? undefined : JSON.parse(body.text);
  } catch {
    return undefined;
  }
}
