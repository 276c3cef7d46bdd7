/**
 * Hostile and malformed requests as a whole: headers, bodies, envelope, capabilities, callers. Each gets the error
 * that is documented for it, the server goes on serving, and nothing is stored. What is hostile inside a
 * well-formed request is in `hostile-values.test.ts`, what the local listener adds in `hostile-http.test.ts`.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { badRequest, checkRow, type HostileRow, invalid, NOT_FOUND } from '../support/hostile-row.ts';
import { type HostileWorld, hostileWorld, parsed } from '../support/hostile-world.ts';
import {
  CAPABILITIES_KEY,
  credentials,
  DEEP,
  envelope,
  IDEMPOTENCY_KEY,
  type JsonMap,
  RELATED_TASK_KEY,
  VERSION_KEY,
  withDeep,
} from '../support/mcp-requests.ts';

const TASK_CREATED = { result: { resultType: 'task', status: 'working' }, creates: true } as const;
const EXTENSION_REQUIRED = badRequest(-32021, {
  requiredCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
});

let world: HostileWorld;

beforeAll(async () => {
  world = await hostileWorld();
});

const get = (changes: Parameters<HostileWorld['update']>[1]) => (at: HostileWorld) =>
  at.peer.ask('tasks/get', { taskId: at.waiting.taskId }, changes);
const mismatch = (header: string) => badRequest(-32020, { mismatch: { header } });
const headers: HostileRow[] = [
  { name: 'no Mcp-Method', send: get({ headers: { 'mcp-method': undefined } }), ...mismatch('(missing)') },
  {
    name: 'another Mcp-Method',
    send: get({ headers: { 'mcp-method': 'tasks/cancel' } }),
    ...mismatch('tasks/cancel'),
  },
  { name: 'no Mcp-Name', send: get({ headers: { 'mcp-name': undefined } }), ...mismatch('(missing)') },
  { name: 'another Mcp-Name', send: get({ headers: { 'mcp-name': 'other' } }), ...mismatch('other') },
  {
    name: 'no version header',
    send: get({ headers: { 'mcp-protocol-version': undefined } }),
    ...mismatch('(missing)'),
  },
  {
    name: 'another version header',
    send: get({ headers: { 'mcp-protocol-version': '1999-01-01' } }),
    ...mismatch('1999-01-01'),
  },
  {
    name: 'a version that nobody speaks',
    send: get({ headers: { 'mcp-protocol-version': '1999-01-01' }, meta: { [VERSION_KEY]: '1999-01-01' } }),
    ...badRequest(-32022, { supported: ['2026-07-28'], requested: '1999-01-01' }),
  },
  {
    name: 'another content type',
    send: get({ headers: { 'content-type': 'text/plain' } }),
    status: 415,
    error: { code: -32000 },
  },
  { name: 'no content type', send: get({ headers: { 'content-type': '' } }), status: 415, error: { code: -32000 } },
  ...['GET', 'DELETE', 'PUT', 'PATCH'].map((httpMethod) => ({
    name: `the HTTP method ${httpMethod}`,
    send: get({ httpMethod }),
    status: 405,
    error: { code: -32000, message: 'Method not allowed.' },
  })),
];
test.each(headers)('$name is refused [SEC-3]', (row) => checkRow(world, row));

const raw = (body: string | Uint8Array<ArrayBuffer>) => get({ body: () => body });
const PARSE_ERROR = badRequest(-32700);
const NO_MESSAGE = badRequest(-32600);
const bodies: HostileRow[] = [
  { name: 'an empty body', send: raw(''), ...PARSE_ERROR },
  { name: 'cut-off JSON', send: get({ body: (text) => text.slice(0, -5) }), ...PARSE_ERROR },
  { name: 'a body that is no JSON', send: raw('<xml/>'), ...PARSE_ERROR },
  { name: 'bytes that are no UTF-8', send: raw(new Uint8Array([0xff, 0xfe, 0x7b, 0x7d])), ...PARSE_ERROR },
  ...['5', '"tasks/get"', 'null', 'true', '[]', '{}'].map((body) => ({
    name: `the body ${body}`,
    send: raw(body),
    ...NO_MESSAGE,
  })),
  { name: 'a batch', send: get({ body: (text) => `[${text},${text}]` }), ...NO_MESSAGE },
  { name: 'another jsonrpc version', send: get({ message: { jsonrpc: '1.0' } }), ...NO_MESSAGE },
  { name: 'no jsonrpc version', send: get({ message: { jsonrpc: undefined } }), ...NO_MESSAGE },
  ...[null, {}, 1.5, true].map((id) => ({
    name: `the id ${JSON.stringify(id)}`,
    send: get({ message: { id } }),
    ...NO_MESSAGE,
  })),
  { name: 'params that are an array', send: get({ message: { params: [] } }), ...NO_MESSAGE },
  {
    name: 'no _meta',
    send: (at) => get({ message: { params: { taskId: at.waiting.taskId } } })(at),
    ...badRequest(-32602, { envelope: { missing: ['_meta'] } }),
  },
  {
    name: 'an envelope without capabilities',
    send: get({ meta: { [CAPABILITIES_KEY]: undefined } }),
    ...badRequest(-32602, { envelope: { key: CAPABILITIES_KEY, problem: 'missing' } }),
  },
  {
    name: 'capabilities of the wrong type',
    send: get({ meta: { [CAPABILITIES_KEY]: 'all' } }),
    ...badRequest(-32602, { envelope: { key: CAPABILITIES_KEY } }),
  },
  {
    name: 'capabilities nested 10,000 deep',
    send: get({ meta: { [CAPABILITIES_KEY]: { extensions: { x: DEEP } } }, body: withDeep(10_000) }),
    ...badRequest(-32602),
  },
  { name: 'an envelope in the wrong place', send: get({ message: { params: envelope() } }), ...badRequest(-32602) },
];
test.each(bodies)('$name is refused [SEC-3]', (row) => checkRow(world, row));

const call = (meta: JsonMap) => (at: HostileWorld) => at.peer.call('greet', { name: 'Ada' }, { meta });
const BAD_KEY = invalid(
  '_meta["mcp-durable-tasks/idempotency-key"] must be a string of 1 to 256 characters of valid Unicode.',
  {
    reason: 'invalid_arguments',
  },
);
const metas: HostileRow[] = [
  { name: 'a number for an idempotency key is refused', send: call({ [IDEMPOTENCY_KEY]: 5 }), ...BAD_KEY },
  { name: 'an empty idempotency key is refused', send: call({ [IDEMPOTENCY_KEY]: '' }), ...BAD_KEY },
  {
    name: 'an idempotency key of 257 characters is refused',
    send: call({ [IDEMPOTENCY_KEY]: 'k'.repeat(257) }),
    ...BAD_KEY,
  },
  {
    name: 'an idempotency key with half a surrogate pair is refused',
    send: call({ [IDEMPOTENCY_KEY]: 'k\ud800' }),
    ...BAD_KEY,
  },
  { name: 'a string for a related task is refused', send: call({ [RELATED_TASK_KEY]: 'x' }), ...NO_MESSAGE },
  { name: 'a related task without id is refused', send: call({ [RELATED_TASK_KEY]: {} }), ...NO_MESSAGE },
  {
    name: 'a related task of somebody else is not found',
    send: (at) => call({ [RELATED_TASK_KEY]: { taskId: at.foreign } })(at),
    ...invalid(NOT_FOUND),
  },
  {
    name: 'a related task that is unknown is not found',
    send: (at) => call({ [RELATED_TASK_KEY]: { taskId: at.unknown } })(at),
    ...invalid(NOT_FOUND),
  },
  {
    name: 'trace context that is garbage is left out',
    send: call({ traceparent: 5, tracestate: {}, baggage: [] }),
    ...TASK_CREATED,
  },
  {
    name: 'a traceparent that is none is left out',
    send: call({ traceparent: `00-${'g'.repeat(32)}-1-1` }),
    ...TASK_CREATED,
  },
  {
    name: 'unknown _meta nested 10,000 deep is left out',
    send: (at) => at.peer.call('greet', { name: 'Ada' }, { meta: { junk: DEEP }, body: withDeep(10_000) }),
    ...TASK_CREATED,
  },
  {
    name: 'the key __proto__ in _meta is left out',
    send: call(parsed('{"__proto__": {"x": 1}}') as JsonMap),
    ...TASK_CREATED,
  },
  {
    name: 'half a surrogate pair is kept as it came',
    send: (at) => at.peer.call('greet', { name: '\ud800' }),
    ...TASK_CREATED,
  },
  {
    name: 'a byte order mark is passed over',
    send: (at) => at.peer.ask('server/discover', {}, { body: (text) => `\ufeff${text}` }),
    result: {},
  },
  {
    name: 'an Accept of other types is answered in JSON all the same',
    send: get({ headers: { accept: 'text/html' } }),
    result: {},
  },
  {
    name: 'a cursor from elsewhere is passed over where there is one page',
    send: (at) => at.peer.ask('tools/list', { cursor: 'elsewhere' }),
    result: {},
  },
  {
    name: 'of two equal keys in JSON the last one counts',
    send: (at) =>
      at.peer.ask(
        'tasks/get',
        { taskId: at.unknown },
        { body: (json) => json.replace('"taskId"', '"taskId":5,"taskId"') },
      ),
    ...invalid(NOT_FOUND),
  },
  {
    name: 'a call as a notification does nothing',
    send: (at) => at.peer.call('greet', { name: 'Ada' }, { message: { id: undefined } }),
    status: 202,
  },
];
test.each(metas)('$name [SEC-3]', (row) => checkRow(world, row));

const undeclared = ['tasks/get', 'tasks/update', 'tasks/cancel'].map((method) => ({
  name: method,
  send: (at: HostileWorld) =>
    at.peer.ask(method, { taskId: at.waiting.taskId, inputResponses: {} }, { declares: false }),
}));
test.each<HostileRow>([
  ...undeclared,
  { name: 'a call of a tool that requires tasks', send: (at) => at.peer.call('ask', {}, { declares: false }) },
  {
    name: 'a call that declares another extension',
    send: (at) => at.peer.call('ask', {}, { meta: { [CAPABILITIES_KEY]: { extensions: { tasks: {} } } } }),
  },
])('$name without the extension is refused with the capability it takes [SEC-3 MOD-1]', (row) =>
  checkRow(world, { ...row, ...EXTENSION_REQUIRED }),
);

test.each(['tasks/result', 'tasks/list', 'tasks/create', 'sampling/createMessage', '__proto__'])(
  '%s is no method [SEC-3 MOD-1]',
  (method) =>
    checkRow(world, {
      name: method,
      send: (at) => at.peer.ask(method, { taskId: at.waiting.taskId }),
      status: 404,
      error: { code: -32601, message: 'Method not found' },
    }),
);

test.each([
  ['nobody', undefined],
  ['an owner too long to keep', credentials('x'.repeat(2000))],
])('a call by %s is refused [SEC-3 SEC-1]', (_who, authInfo) =>
  checkRow(world, {
    name: 'call',
    send: (at) => at.as(authInfo).call('greet', { name: 'Ada' }),
    error: { code: -32600, data: { reason: authInfo === undefined ? 'owner_required' : 'invalid_owner' } },
  }),
);

test('an idempotency key gives one task, and is refused for other arguments or another tool [SEC-3]', async () => {
  const meta = { [IDEMPOTENCY_KEY]: 'once' };
  const first = await world.peer.createTask('greet', { name: 'Ada' }, { meta });
  const before = await world.stored();

  const again = await world.peer.createTask('greet', { name: 'Ada' }, { meta });
  const others = [
    await world.peer.call('greet', { name: 'Bob' }, { meta }),
    await world.peer.call('keep_all', { name: 'Ada' }, { meta }),
  ];

  expect(again).toBe(first);
  for (const { message } of others) {
    expect(message?.error).toEqual({
      code: -32602,
      message: 'This idempotency key was already used with other arguments.',
      data: { reason: 'idempotency_conflict' },
    });
  }
  expect(await world.stored()).toEqual(before);
});
