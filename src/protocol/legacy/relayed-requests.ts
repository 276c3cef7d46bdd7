/**
 * Requests that a call of the 2025 era makes to its client while it is being answered (a plain tool that asks, or one that
 * asks before its task exists). Each call has a server of its own, which counts its requests from zero, and the answers
 * come by requests of their own, to any instance: so the ids that clients see are made here, and what they answer is
 * brought back.
 */
/* oxlint-disable unicorn/prefer-add-event-listener -- The SDK's transports have no such method. */
import {
  isJSONRPCErrorResponse,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  type McpServer,
} from '@modelcontextprotocol/server';
import type { CancelTimer, Clock, RandomBytes } from '../../clock.ts';
import { ANSWER_LIMITS } from '../../domain/inputs.ts';
import { type JsonObject, jsonBytes } from '../../domain/json.ts';
import { encodeOwner, type Owner } from '../../domain/owner.ts';
import { present } from '../../present.ts';
import { describeError, type Logger } from '../../runtime/logger.ts';
import type { RelayedAnswers } from '../../store/relayed-answers.ts';
import { answeredBy, REQUEST_ID_PREFIX, requestIdOf } from './question-ids.ts';

const NAME_BYTES = 16;
/** How often a call that waits looks for an answer that has reached another instance. */
const LOOK_EVERY_MS = 1_000;

type Transport = Parameters<McpServer['connect']>[0];

export interface RelayedRequestsOptions {
  readonly answers: RelayedAnswers;
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Who makes the call. */
export interface RelayedCaller {
  /** `undefined`: a caller without an owner, whom only this instance can bring answers. */
  readonly owner: Owner | undefined;
  /** `undefined`: the call belongs to no session. */
  readonly session: string | undefined;
}

export class RelayedRequests {
  readonly #options: RelayedRequestsOptions;
  readonly #waiting = new Map<string, WaitingRequest>();
  /** By owner and session: the calls that are being answered. */
  readonly #open = new Map<string, Set<Transport>>();

  constructor(options: RelayedRequestsOptions) {
    this.#options = options;
  }

  /** To be called before the server of one request is connected. */
  watch(mcp: McpServer, caller: RelayedCaller): void {
    const { owner } = caller;
    const key = keyOf(caller);
    const connect = mcp.connect.bind(mcp);
    mcp.connect = async (transport) => {
      const made = new Set<WaitingRequest>();
      let call: JSONRPCRequest['id'] | undefined;
      const send = transport.send.bind(transport);
      transport.send = async (message, options) => {
        // One request has one stream: what a host's own tool asks goes there, though it may not say so.
        const related = options?.relatedRequestId ?? (isJSONRPCRequest(message) ? call : undefined);
        const named = cancelledByName(await this.#named(message, transport, owner, made), made);
        await send(named, { ...options, ...present({ relatedRequestId: related }) });
      };
      if (key !== undefined) this.#callsOf(key).add(transport);
      await connect(transport);
      const { onclose, onmessage } = transport;
      transport.onmessage = (message, extra) => {
        if (isJSONRPCRequest(message)) call ??= message.id;
        onmessage?.(message, extra);
      };
      transport.onclose = () => {
        for (const request of made) this.#forget(request);
        if (key !== undefined) this.#leave(key, transport);
        onclose?.();
      };
    };
  }

  /** Brings an answer to the call that waits for it, here or elsewhere. What no call waits for is let go. */
  async take(answer: JsonObject, owner: Owner | undefined): Promise<void> {
    const answered = answeredBy(answer.id);
    if (answered?.kind !== 'call') return;
    const { name } = answered;
    const waiting = this.#waiting.get(name);
    if (waiting !== undefined && isSame(waiting.owner, owner)) this.#deliver(waiting, fitting(answer));
    else if (owner !== undefined) await this.#options.answers.leave(owner, name, fitting(answer));
  }

  /** Lets the calls of a caller that are being answered here know what their client has given up. */
  cancelled(notification: JsonObject, caller: RelayedCaller): void {
    for (const transport of this.#open.get(keyOf(caller) ?? '') ?? []) {
      transport.onmessage?.(notification as unknown as JSONRPCMessage);
    }
  }

  /** A request of the SDK's own under a name that no other has; all other messages as they are. */
  async #named(
    message: JSONRPCMessage,
    transport: Transport,
    owner: Owner | undefined,
    made: Set<WaitingRequest>,
  ): Promise<JSONRPCMessage> {
    if (!isJSONRPCRequest(message) || String(message.id).startsWith(REQUEST_ID_PREFIX)) return message;
    const name = Buffer.from(this.#options.random(NAME_BYTES)).toString('hex');
    const request: WaitingRequest = { name, id: message.id, transport, owner, cancelLook: () => {} };
    made.add(request);
    this.#waiting.set(name, request);
    if (owner !== undefined) {
      const { answers, logger } = this.#options;
      try {
        await answers.expect(owner, name);
        this.#lookLater(request, owner);
      } catch (error) {
        logger.warn('Only this instance can take the answer to a question', describeError(error));
      }
    }
    return { ...message, id: requestIdOf({ kind: 'call', name }) };
  }

  #lookLater(request: WaitingRequest, owner: Owner): void {
    const { clock, answers, logger } = this.#options;
    if (!this.#waiting.has(request.name)) return;
    request.cancelLook = clock.after(LOOK_EVERY_MS, () => {
      void answers
        .fetch(owner, request.name)
        .then((answer) => answer !== undefined && this.#deliver(request, answer))
        .catch((error: unknown) => logger.warn('An answer could not be looked for', describeError(error)))
        .then(() => this.#lookLater(request, owner));
    });
  }

  #deliver(request: WaitingRequest, answer: JsonObject): void {
    this.#forget(request);
    request.transport.onmessage?.({ ...answer, id: request.id } as unknown as JSONRPCMessage);
  }

  #forget(request: WaitingRequest): void {
    const { name, owner, cancelLook } = request;
    cancelLook();
    if (!this.#waiting.delete(name) || owner === undefined) return;
    // What stays expires.
    this.#options.answers.forget(owner, name).catch(() => {});
  }

  #callsOf(key: string): Set<Transport> {
    const calls = this.#open.get(key) ?? new Set();
    this.#open.set(key, calls);
    return calls;
  }

  #leave(key: string, transport: Transport): void {
    const calls = this.#open.get(key);
    calls?.delete(transport);
    if (calls?.size === 0) this.#open.delete(key);
  }
}

interface WaitingRequest {
  readonly name: string;
  /** As the call's own server counts it. */
  readonly id: string | number;
  readonly transport: Transport;
  readonly owner: Owner | undefined;
  cancelLook: CancelTimer;
}

function isSame(a: Owner | undefined, b: Owner | undefined): boolean {
  return a === undefined || b === undefined ? a === b : encodeOwner(a) === encodeOwner(b);
}

/** Two callers may come to have one session id, which is the client's to say. */
function keyOf({ owner, session }: RelayedCaller): string | undefined {
  return session === undefined ? undefined : JSON.stringify([owner === undefined ? null : encodeOwner(owner), session]);
}

/** A question that is given up is known to its client by its name. */
function cancelledByName(message: JSONRPCMessage, made: ReadonlySet<WaitingRequest>): JSONRPCMessage {
  if (!isJSONRPCNotification(message) || message.method !== 'notifications/cancelled') return message;
  const request = [...made].find(({ id }) => id === message.params?.requestId);
  if (request === undefined) return message;
  const requestId = requestIdOf({ kind: 'call', name: request.name });
  return { ...message, params: { ...message.params, requestId } };
}

/** An answer may be as large as one to a task; who sends a larger one, or what is none, has the call be told. */
function fitting(answer: JsonObject): JsonObject {
  const { maxAnswerBytes } = ANSWER_LIMITS;
  const isOne = isJSONRPCResultResponse(answer) || isJSONRPCErrorResponse(answer);
  if (isOne && jsonBytes(answer) <= maxAnswerBytes) return answer;
  const message = isOne
    ? `The client's answer is larger than ${maxAnswerBytes} bytes.`
    : "The client's answer is no JSON-RPC response.";
  return { jsonrpc: '2.0', id: answer.id ?? null, error: { code: -32600, message } };
}
