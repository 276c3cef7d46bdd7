/** Every parameter of every method with values of types that it does not have, as data; how they are sent is the tests'. */
import { CAPABILITIES_KEY, IDEMPOTENCY_KEY, type Json, RELATED_TASK_KEY, VERSION_KEY } from './mcp-requests.ts';

const VALUES: readonly (readonly [name: string, value: Json, type: string])[] = [
  ['null', null, 'null'],
  ['an empty array', [], 'array'],
  ['an array', [{ action: 'accept' }], 'array'],
  ['text', 'text', 'string'],
  ['empty text', '', 'string'],
  ['a number', 5, 'number'],
  ['true', true, 'boolean'],
  ['false', false, 'boolean'],
  ['an object', { a: {} }, 'object'],
];

interface Parameter {
  readonly method: string;
  readonly name: string;
  readonly types: readonly string[];
  /** The params of a request with this value in this place. */
  readonly params: (value: Json | undefined) => Record<string, unknown>;
  readonly required?: true;
  /** What the client is told. @default -32602 */
  readonly code?: number;
  readonly message?: string;
}

/** `taskId` is that of a task that waits for input. */
export interface WrongParameter {
  readonly name: string;
  readonly method: string;
  readonly params: (taskId: string) => Record<string, unknown>;
  readonly code: number;
  readonly message: string | undefined;
}

const TASK = '@task@';
const call = (more: Record<string, unknown>) => ({ name: 'greet', arguments: { name: 'Ada' }, ...more });
const meta = (key: string) => (value: Json | undefined) => call({ _meta: { [key]: value } });
/** The SDK's own check of the message's form, which comes before any method. */
const NO_MESSAGE = -32600;

const PARAMETERS: readonly Parameter[] = [
  ...['tasks/get', 'tasks/cancel', 'tasks/update'].map(
    (method): Parameter => ({
      method,
      name: 'taskId',
      types: ['string'],
      params: (taskId) => ({ taskId, ...(method === 'tasks/update' ? { inputResponses: {} } : {}) }),
      required: true,
    }),
  ),
  {
    method: 'tasks/update',
    name: 'inputResponses',
    types: ['object'],
    params: (inputResponses) => ({ taskId: TASK, inputResponses }),
    required: true,
    message: 'tasks/update needs inputResponses, an object of responses by key.',
  },
  { method: 'tools/call', name: 'name', types: ['string'], params: (name) => call({ name }), required: true },
  {
    method: 'tools/call',
    name: 'arguments',
    types: ['object'],
    params: (value) => call({ arguments: value }),
    message: 'Invalid arguments at (root): not an object.',
  },
  {
    method: 'tools/call',
    name: 'inputResponses',
    types: ['object'],
    params: (inputResponses) => call({ inputResponses }),
    message: 'inputResponses of tools/call must be an object of responses by key.',
  },
  {
    method: 'tools/call',
    name: 'requestState',
    types: ['string'],
    params: (requestState) => call({ requestState }),
    message: 'Invalid or expired requestState',
  },
  { method: 'tools/call', name: 'an idempotency key', types: ['string'], params: meta(IDEMPOTENCY_KEY) },
  { method: 'tools/call', name: 'a related task', types: [], params: meta(RELATED_TASK_KEY), code: NO_MESSAGE },
  {
    method: 'tools/call',
    name: 'progressToken',
    types: ['string', 'number'],
    params: meta('progressToken'),
    code: NO_MESSAGE,
  },
  { method: 'tools/call', name: 'capabilities', types: ['object'], params: meta(CAPABILITIES_KEY) },
  { method: 'tools/call', name: 'the protocol version', types: ['string'], params: meta(VERSION_KEY) },
  { method: 'tools/list', name: 'cursor', types: ['string'], params: (cursor) => ({ cursor }) },
];

export const WRONG_PARAMETERS: readonly WrongParameter[] = PARAMETERS.flatMap(
  ({ method, name, types, params, required, code = -32602, message }) =>
    [...VALUES, ...(required ? [['nothing', undefined, 'nothing'] as const] : [])]
      .filter(([, , type]) => !types.includes(type))
      .map(([what, value]) => ({
        name: `${method}: ${what} for ${name}`,
        method,
        params: (taskId: string) => withTask(params(value), taskId),
        code,
        message,
      })),
);

function withTask(params: Record<string, unknown>, taskId: string): Record<string, unknown> {
  return params['taskId'] === TASK ? { ...params, taskId } : params;
}
