/**
 * Hostile values where a request may carry some: task ids, arguments, answers, variables. Each gets the error
 * that is documented for it, the server goes on serving, and nothing is stored.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { checkRow, type HostileRow, invalid, NOT_FOUND } from '../support/hostile-row.ts';
import { createWaiting, type HostileWorld, hostileWorld, parsed } from '../support/hostile-world.ts';
import { DEEP, type JsonMap, withDeep } from '../support/mcp-requests.ts';

const argumentFault = (path: string, problem: string) =>
  invalid(`Invalid arguments at ${path}: ${problem}.`, { reason: 'invalid_arguments', path });
const ACKNOWLEDGED = { result: { resultType: 'complete' } };

let world: HostileWorld;

beforeAll(async () => {
  world = await hostileWorld();
});

const ids = (['tasks/get', 'tasks/update', 'tasks/cancel'] as const).flatMap((method): HostileRow[] => {
  const params = (taskId: unknown) => ({ taskId, ...(method === 'tasks/update' ? { inputResponses: {} } : {}) });
  const aim = (name: string, taskId: (world: HostileWorld) => unknown, rest: Partial<HostileRow>): HostileRow => ({
    name: `${method} with ${name}`,
    send: (at) => at.peer.ask(method, params(taskId(at))),
    ...rest,
  });
  return [
    aim('an unknown id', (at) => at.unknown, invalid(NOT_FOUND)),
    aim('a malformed id', () => '../../etc/passwd', invalid(NOT_FOUND)),
    aim('an empty id', () => '', invalid(NOT_FOUND)),
    aim('an id in capitals', (at) => at.waiting.taskId.toUpperCase(), invalid(NOT_FOUND)),
    aim('the id of somebody else’s task', (at) => at.foreign, invalid(NOT_FOUND)),
    aim('the id of an expired task', (at) => at.expired, invalid(NOT_FOUND)),
    aim('an id of 10 kB', () => 'a'.repeat(10_240), invalid(NOT_FOUND)),
    aim('a number for an id', () => 7, invalid()),
    aim('null for an id', () => null, invalid()),
    aim('an array for an id', (at) => [at.waiting.taskId], invalid()),
    aim('an object for an id', (at) => ({ id: at.waiting.taskId }), invalid()),
    aim('no id', () => undefined, invalid()),
  ];
});
test.each(ids)('$name is refused [SEC-3 SEC-1 I6]', (row) => checkRow(world, row));

const args: HostileRow[] = [
  ...([100, 10_000, 100_000] as const).map((depth) => ({
    name: `arguments nested ${depth} deep`,
    send: (at: HostileWorld) => at.peer.call('keep_all', { deep: DEEP }, { body: withDeep(depth) }),
    ...argumentFault(`deep${'[0]'.repeat(63)}`, 'nested deeper than 64'),
  })),
  ...['__proto__', 'constructor', 'prototype'].flatMap((key): HostileRow[] => [
    {
      name: `the key ${key} in arguments`,
      send: (at) => at.peer.call('keep_all', parsed(`{"${key}": {"polluted": true}}`) as JsonMap),
      ...argumentFault('(root)', `key "${key}" is not allowed`),
    },
    {
      name: `the key ${key} deep in arguments`,
      send: (at) => at.peer.call('keep_all', { a: [parsed(`{"b": {"${key}": 1}}`)] }),
      ...argumentFault('a[0].b', `key "${key}" is not allowed`),
    },
  ]),
  {
    name: 'a fault below a key of 100 kB, which is not sent back whole',
    send: (at) => at.peer.call('keep_all', { ['k'.repeat(100_000)]: { constructor: 1 } }),
    ...argumentFault(`${'k'.repeat(199)}…`, 'key "constructor" is not allowed'),
  },
  ...[
    ['an array', []],
    ['a string', 'name'],
    ['null', null],
    ['a number', 3],
  ].map(([what, value]) => ({
    name: `${String(what)} for arguments`,
    send: (at: HostileWorld) => at.peer.ask('tools/call', { name: 'greet', arguments: value }),
    ...argumentFault('(root)', 'not an object'),
  })),
  {
    name: 'arguments against the schema, a tool error,',
    send: (at) => at.peer.call('greet', { name: 3 }),
    result: {
      isError: true,
      content: [
        {
          type: 'text',
          text: 'Invalid arguments for tool greet: name: Invalid input: expected string, received number',
        },
      ],
    },
  },
  {
    name: 'a value of more than 5 MiB',
    send: (at) => at.peer.call('greet', { name: 'x'.repeat(5 * 1024 * 1024) }),
    ...invalid('A value of 5242891 bytes is larger than the 5242880 that are kept.', {
      reason: 'value_too_large',
      bytes: 5_242_891,
      limitBytes: 5_242_880,
    }),
  },
  {
    name: 'a body of more than 6 MiB',
    send: (at) => at.peer.call('greet', { name: 'x'.repeat(6 * 1024 * 1024) }),
    status: 413,
    error: { code: -32000, message: 'Payload Too Large: Request body must not exceed 6291456 bytes' },
  },
  { name: 'an unknown tool', send: (at) => at.peer.call('nope'), ...invalid('Tool nope not found') },
  {
    name: 'a tool named like a prototype’s member',
    send: (at) => at.peer.call('__proto__'),
    ...invalid(),
  },
  { name: 'a number for a tool', send: (at) => at.peer.ask('tools/call', { name: 5, arguments: {} }), ...invalid() },
  { name: 'no tool', send: (at) => at.peer.ask('tools/call', { arguments: {} }), ...invalid() },
];
test.each(args)('tools/call: $name is refused [SEC-3]', (row) => checkRow(world, row));

const fault = (key: string, problem: string) =>
  invalid(`Answer "${key}": ${problem}.`, { reason: 'invalid_answer', key });
/** Keys of the inputs are known only at run time. */
const answering = (
  name: string,
  input: 'form' | 'roots' | 'sampling',
  answer: unknown,
  problem: string,
  depth?: number,
) => ({ name, input, answer, problem, depth });
const NO_RESPONSE = 'not a response object';
test.each([
  answering('a number', 'form', 5, NO_RESPONSE),
  answering('a string', 'form', 'accept', NO_RESPONSE),
  answering('null', 'form', null, NO_RESPONSE),
  answering('an array', 'form', [], NO_RESPONSE),
  answering('a wrapped response', 'form', { method: 'elicitation/create', result: { action: 'decline' } }, NO_RESPONSE),
  answering('roots for a form', 'form', { roots: [] }, 'not a valid response to elicitation/create'),
  answering('an unknown action', 'form', { action: 'maybe' }, 'not a valid response to elicitation/create'),
  answering('a form for roots', 'roots', { action: 'decline' }, 'not a valid response to roots/list'),
  answering('roots that are none', 'roots', { roots: [{ uri: 5 }] }, 'not a valid response to roots/list'),
  answering('a form for a message', 'sampling', { action: 'accept' }, 'not a valid response to sampling/createMessage'),
  answering(
    'a form filled against its schema',
    'form',
    { action: 'accept', content: { approved: 'yes' } },
    "the form's content does not fit its schema: data/approved must be boolean",
  ),
  answering(
    'a form accepted without content',
    'form',
    { action: 'accept' },
    "the form's content does not fit its schema: data must have required property 'approved'",
  ),
  answering(
    '32 levels',
    'form',
    { action: 'accept', content: { a: DEEP } },
    `nested deeper than 32 at content.a${'[0]'.repeat(30)}`,
    31,
  ),
  answering(
    '100 levels',
    'form',
    { action: 'accept', content: { a: DEEP } },
    `nested deeper than 32 at content.a${'[0]'.repeat(30)}`,
    100,
  ),
  answering(
    '10,000 levels',
    'form',
    { action: 'accept', content: { a: DEEP } },
    `nested deeper than 32 at content.a${'[0]'.repeat(30)}`,
    10_000,
  ),
  answering(
    'the key __proto__',
    'form',
    parsed('{"action": "accept", "content": {"__proto__": {}}}'),
    'key "__proto__" is not allowed at content',
  ),
  answering(
    'the key constructor',
    'form',
    { action: 'accept', content: { constructor: 1 } },
    'key "constructor" is not allowed at content',
  ),
  answering(
    'the key prototype',
    'form',
    { action: 'accept', content: { prototype: 1 } },
    'key "prototype" is not allowed at content',
  ),
  answering(
    '65 KiB',
    'form',
    { action: 'accept', content: { a: 'x'.repeat(65 * 1024) } },
    '66598 bytes, more than 65536',
  ),
])('tasks/update: an answer that is $name is refused, naming its key [SEC-3 MOD-4]', async (row) => {
  const key = world.waiting[row.input];
  const changes = row.depth === undefined ? {} : { body: withDeep(row.depth) };
  await checkRow(world, {
    name: row.name,
    send: (at) => at.update({ [key]: row.answer }, changes),
    ...fault(key, row.problem),
  });
});

const many = (count: number, answer: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, answer]));
const updates: HostileRow[] = [
  {
    name: '65 answers are refused',
    send: (at) => at.update(many(65, { action: 'decline' })),
    ...invalid('More than 64 answers in one update; send fewer.', { reason: 'invalid_answer' }),
  },
  {
    name: 'answers of more than 256 KiB in all are refused',
    send: (at) => at.update(many(5, { action: 'accept', content: { a: 'x'.repeat(60 * 1024) } })),
    ...invalid('Answers of 307390 bytes in one update, more than 262144.', { reason: 'invalid_answer' }),
  },
  { name: 'unknown keys are ignored', send: (at) => at.update(many(64, { action: 'decline' })), ...ACKNOWLEDGED },
  {
    name: 'an unknown key whose answer is no response is ignored',
    send: (at) => at.update({ k: 5 }),
    ...ACKNOWLEDGED,
  },
  {
    name: 'the key __proto__ is ignored',
    send: (at) => at.update(parsed('{"__proto__": {"action": "accept"}}')),
    ...ACKNOWLEDGED,
  },
  {
    name: 'one bad answer among good ones keeps all of them out',
    send: (at) => {
      const tooLongForTheHead = { roots: [{ uri: `file:///${'x'.repeat(1000)}` }] };
      return at.update({ [at.waiting.roots]: tooLongForTheHead, [at.waiting.form]: { action: 'maybe' } });
    },
    ...invalid(),
  },
  {
    name: 'an answer to a task that has ended is ignored',
    send: (at) => at.peer.ask('tasks/update', { taskId: at.ended, inputResponses: { k: { action: 'accept' } } }),
    ...ACKNOWLEDGED,
  },
  {
    name: 'cancelling a task that has ended is acknowledged',
    send: (at) => at.peer.ask('tasks/cancel', { taskId: at.ended }),
    ...ACKNOWLEDGED,
  },
];
test.each(updates)('$name [SEC-3 MOD-4 I2]', (row) => checkRow(world, row));

test('unknown, malformed, foreign and expired ids get one answer, byte for byte [I6 SEC-1]', async () => {
  const { peer, unknown, foreign, expired } = world;
  const answers = new Set<string>();

  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
    for (const taskId of [unknown, 'nope', foreign, expired]) {
      const response = await peer.open(method, { taskId, inputResponses: { k: { action: 'accept' } } });
      answers.add(JSON.stringify([response.status, [...response.headers], await response.text()]));
    }
  }

  const text = `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"${NOT_FOUND}"}}`;
  expect([...answers]).toEqual([JSON.stringify([200, [['content-type', 'application/json']], text])]);
});

test('repeated and late answers are acknowledged, and the first one counts [SEC-3 MOD-4 I4]', async () => {
  const { taskId, form, roots, sampling } = await createWaiting(world, world.peer);
  const update = (inputResponses: unknown) => world.peer.result('tasks/update', { taskId, inputResponses });
  const message = { role: 'assistant', content: { type: 'text', text: 'Hi' }, model: 'm' };

  await update({ [form]: { action: 'accept', content: { approved: true } } });
  await update({ [form]: { action: 'decline' } });
  await world.runDue();
  await update({ [form]: { action: 'cancel' }, [roots]: { roots: [] }, [sampling]: message });
  await world.runDue();
  await update({ [form]: { action: 'decline' }, [roots]: { roots: [{ uri: 'file:///late' }] } });

  const { result } = await world.peer.task(taskId);
  expect(JSON.parse((result as { content: [{ text: string }] }).content[0].text)).toEqual([
    { action: 'accept', content: { approved: true } },
    [],
    message,
  ]);
});

test('a prototype’s key in variables is refused, and none of them is kept [SEC-3]', async () => {
  const taskId = await world.peer.createTask('keep_json', { json: '{"good": 1, "__proto__": {"polluted": true}}' });

  await world.runDue();
  while ((await world.peer.task(taskId))['status'] === 'working') {
    await world.clock.advance(10_000);
    await world.runDue();
  }

  expect(await world.peer.task(taskId)).toMatchObject({
    status: 'completed',
    result: { isError: true, content: [{ type: 'text', text: 'Variable "__proto__": this key is not allowed.' }] },
  });
  expect((await world.peer.task(taskId))['_meta']).not.toHaveProperty(['mcp-durable-tasks/variables']);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});
