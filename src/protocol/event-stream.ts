/** Server-sent events of JSON-RPC messages: reading what the SDK's entry streams, and writing the same form. */

/** The JSON of each `data:` event of a stream, in order; comments and other fields are passed over. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Record<string, unknown>> {
  const decoder = new TextDecoder();
  let buffered = '';
  for await (const chunk of body) {
    buffered += decoder.decode(chunk, { stream: true });
    for (let end = buffered.indexOf('\n\n'); end >= 0; end = buffered.indexOf('\n\n')) {
      const data = buffered
        .slice(0, end)
        .split('\n')
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice('data:'.length).trimStart())
        .join('\n');
      buffered = buffered.slice(end + 2);
      if (data !== '') yield JSON.parse(data) as Record<string, unknown>;
    }
  }
}

export function writeEvent(message: object): Uint8Array {
  return new TextEncoder().encode(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}

export const KEEP_ALIVE = new TextEncoder().encode(': keepalive\n\n');
