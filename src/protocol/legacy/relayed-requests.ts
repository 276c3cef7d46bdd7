/**
 * Requests that a call of the 2025 era makes to its client while it is being answered (a plain tool that asks, or one that
 * asks before its task exists). Each call has a server of its own, which counts its requests from zero, and the answers
 * come by requests of their own: so the ids that clients see are made here, and what they answer is brought back.
 */
import { isJSONRPCRequest, type JSONRPCMessage, type McpServer } from '@modelcontextprotocol/server';
import type { RandomBytes } from '../../clock.ts';
import type { JsonObject } from '../../domain/json.ts';
import { answeredBy, REQUEST_ID_PREFIX, requestIdOf } from './question-ids.ts';

const NAME_BYTES = 16;

type Transport = Parameters<McpServer['connect']>[0];
type Deliver = (answer: JsonObject) => void;

export class RelayedRequests {
  readonly #random: RandomBytes;
  readonly #waiting = new Map<string, Deliver>();
  /** By session: the calls that are being answered. */
  readonly #open = new Map<string, Set<Transport>>();

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** To be called before the server of one request is connected. */
  watch(mcp: McpServer, session: string | undefined): void {
    const connect = mcp.connect.bind(mcp);
    mcp.connect = (transport) => {
      const names = new Set<string>();
      const send = transport.send.bind(transport);
      transport.send = (message, options) => send(this.#named(message, transport, names), options);
      const known = session === undefined ? undefined : this.#callsOf(session).add(transport);
      return connect(transport).then(() => {
        const { onclose } = transport;
        transport.onclose = () => {
          for (const name of names) this.#waiting.delete(name);
          known?.delete(transport);
          if (session !== undefined && known?.size === 0) this.#open.delete(session);
          onclose?.();
        };
      });
    };
  }

  /** Brings an answer to the call that waits for it; `false`: no call here does. */
  take(answer: JsonObject): boolean {
    const answered = answeredBy(answer.id);
    if (answered?.kind !== 'call') return false;
    const deliver = this.#waiting.get(answered.name);
    this.#waiting.delete(answered.name);
    deliver?.(answer);
    return deliver !== undefined;
  }

  /** Lets the calls of a session that are being answered here know what their client has given up. */
  cancelled(notification: JsonObject, session: string): void {
    for (const transport of this.#open.get(session) ?? []) {
      transport.onmessage?.(notification as unknown as JSONRPCMessage);
    }
  }

  #callsOf(session: string): Set<Transport> {
    const calls = this.#open.get(session) ?? new Set();
    this.#open.set(session, calls);
    return calls;
  }

  /** A request of the SDK's own under a name that no other has; all other messages as they are. */
  #named(message: JSONRPCMessage, transport: Transport, names: Set<string>): JSONRPCMessage {
    if (!isJSONRPCRequest(message) || String(message.id).startsWith(REQUEST_ID_PREFIX)) return message;
    const { id } = message;
    const name = Buffer.from(this.#random(NAME_BYTES)).toString('hex');
    names.add(name);
    this.#waiting.set(name, (answer) => {
      names.delete(name);
      transport.onmessage?.({ ...answer, id } as unknown as JSONRPCMessage);
    });
    return { ...message, id: requestIdOf({ kind: 'call', name }) };
  }
}
