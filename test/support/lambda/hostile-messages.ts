/** What an invoker can send to the function itself that is no message, or no good one; as data. */
export interface HostileMessage {
  readonly name: string;
  readonly message: unknown;
  /** Of the JSON-RPC error. */
  readonly code: number;
  /** @default null */
  readonly id?: string | number | null;
}

const OWNER = { issuer: 'https://issuer.example', subject: 'alice' };
const GOOD = { jsonrpc: '2.0', id: 3, method: 'tasks/get', params: { taskId: '0'.repeat(44) }, owner: OWNER };
const INVALID_REQUEST = -32600;

const shown = (value: unknown) => (JSON.stringify(value) ?? 'undefined').slice(0, 90);
const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

const events: readonly HostileMessage[] = [
  ...[
    null,
    undefined,
    true,
    5,
    '',
    'text',
    [],
    [GOOD],
    {},
    { jsonrpc: '2.0' },
    { method: 'tasks/get' },
    { owner: OWNER },
    { requestContext: null, headers: {} },
    { requestContext: {}, headers: {} },
    { requestContext: {}, headers: {}, httpMethod: 5, path: '/mcp' },
    { requestContext: {}, headers: {}, httpMethod: 'POST', path: '/mcp', body: {} },
    { version: '2.0', requestContext: { http: null }, headers: {}, rawPath: '/mcp' },
    { version: '2.0', requestContext: {}, headers: {} },
  ].map((message) => ({ name: `the event ${shown(message)}`, message, code: INVALID_REQUEST })),
  { name: 'a response', message: { jsonrpc: '2.0', id: 3, result: {} }, code: INVALID_REQUEST, id: 3 },
];

const changed = (what: string, changes: object, code = INVALID_REQUEST, id: HostileMessage['id'] = 3) => ({
  name: `${what} ${shown(Object.values(changes)[0])}`,
  message: { ...GOOD, ...changes },
  code,
  id,
});
const members: readonly HostileMessage[] = [
  ...[null, true, {}, [], [1]].map((id) => changed('the id', { id }, INVALID_REQUEST, null)),
  ...[5, null, true, {}, []].map((method) => changed('the method', { method })),
  ...[5, null, true, 'x', [], [1]].map((params) => changed('the params', { params })),
  ...[5, null, true, 'x', [], [1]].map((meta) => changed('the params', { params: { _meta: meta } })),
  ...['1.0', 2, null, {}].map((jsonrpc) => changed('the version', { jsonrpc })),
  changed('the method', { method: 'subscriptions/listen' }),
];

const owners: readonly HostileMessage[] = [
  undefined,
  null,
  5,
  'alice',
  [],
  ['i', 's'],
  {},
  { issuer: 'i' },
  { subject: 's' },
  { issuer: '', subject: 's' },
  { issuer: 'i', subject: '' },
  { issuer: 'i', subject: 41 },
  { issuer: 'i', subject: ['s'] },
  { issuer: 'i', subject: null },
  { issuer: ['i'], subject: 's' },
  { issuer: 'i', subject: '\ud800' },
  { ...OWNER, tenant: '' },
  { ...OWNER, tenant: null },
  { ...OWNER, tenant: 5 },
  { ...OWNER, tenant: ['t'] },
  { ...OWNER, tenant: '\udc00' },
  { ...OWNER, tennant: 't' },
  { ...OWNER, Tenant: 't' },
  { ...OWNER, tenantId: 't' },
  JSON.parse('{"issuer":"i","__proto__":{"subject":"s"}}'),
  JSON.parse('{"issuer":"i","subject":"s","__proto__":{"tenant":"t"}}'),
  { issuer: 'i', subject: 'x'.repeat(5_000) },
].map((owner) => changed('the owner', { owner }));

const others: readonly HostileMessage[] = [
  {
    name: 'params nested 50,000 deep',
    message: { ...GOOD, params: { a: deep(50_000) } },
    code: INVALID_REQUEST,
    id: 3,
  },
  changed('the method', { method: '' }, -32601),
  ...[' ', '😀', 'tools/call\r\nx: y', '__proto__', 'x'.repeat(10_000)].map((method) =>
    changed('the method', { method }, method === '__proto__' || method.startsWith('x') ? -32601 : -32020),
  ),
  ...['😀', 'a\r\nb'].map((taskId) => changed('a task id', { params: { taskId } }, -32020)),
  changed('a task id', { params: { taskId: 5 } }, -32602),
];

export const HOSTILE_MESSAGES: readonly HostileMessage[] = [...events, ...members, ...owners, ...others];
