/** Whose tasks they are: the owner comes from verified claims alone, and nobody else finds them. */
import { describe, expect, test } from '@jest/globals';
import { encodeOwner } from '../../src/domain/owner.ts';
import type { AuthInfo } from '../../src/protocol/sdk.ts';
import { ownerOfAuthInfo } from '../../src/server/owner-of-auth-info.ts';
import { ask, createWaiting, greet } from '../support/hostile-world.ts';
import { credentials } from '../support/mcp-requests.ts';
import { holdServer } from '../support/mcp-server.ts';

const strict = { allowAnonymous: false };

describe('the owner of verified credentials', () => {
  test.each<[string, AuthInfo, object]>([
    [
      'is its subject',
      credentials('app', { iss: 'https://idp', sub: 'u1' }),
      { issuer: 'https://idp', subject: 'subject u1' },
    ],
    [
      'has its tenant',
      credentials('app', { iss: 'https://idp', sub: 'u1', tenant: 't' }),
      { issuer: 'https://idp', tenant: 't', subject: 'subject u1' },
    ],
    [
      'is the client without a subject',
      credentials('app', { iss: 'https://idp' }),
      { issuer: 'https://idp', subject: 'client app' },
    ],
    ['is the client without any claim', credentials('app'), { issuer: 'unspecified', subject: 'client app' }],
  ])('%s [SEC-1]', (_what, authInfo, owner) => {
    expect(ownerOfAuthInfo(authInfo, strict)).toEqual(owner);
  });

  const unreadable = [41, 0, true, false, null, '', [], ['a'], {}, { a: 1 }, '\ud800', 'x\udc00'];

  test.each(unreadable)('is refused where a claim is there and is %j, never a coarser one [SEC-1 SEC-7]', (wrong) => {
    const whole = { iss: 'https://idp', sub: 'u1', tenant: 't' };

    for (const name of Object.keys(whole)) {
      expect(() => ownerOfAuthInfo(credentials('app', { ...whole, [name]: wrong }), strict)).toThrow(
        expect.objectContaining({ code: 'invalid_owner', message: expect.stringContaining(`"${name}"`) }),
      );
    }
    const machine = { ...credentials('app'), clientId: wrong } as unknown as AuthInfo;
    expect(() => ownerOfAuthInfo(machine, strict)).toThrow(expect.objectContaining({ code: 'invalid_owner' }));
  });

  test.each([null, 5, 'x', []])(
    'is refused where %j stands for the credentials or their claims [SEC-1 SEC-7]',
    (wrong) => {
      const rules = { allowAnonymous: true };
      const claims = { ...credentials('app'), extra: wrong } as unknown as AuthInfo;

      expect(() => ownerOfAuthInfo(wrong as unknown as AuthInfo, rules)).toThrow('authInfo of verified credentials');
      expect(() => ownerOfAuthInfo(claims, rules)).toThrow('authInfo.extra of verified credentials');
    },
  );

  test('is not to be had without credentials, unless anonymous use is allowed [SEC-1]', () => {
    expect(ownerOfAuthInfo(undefined, strict)).toBeUndefined();
    expect(ownerOfAuthInfo(undefined, { allowAnonymous: true })).toEqual({ issuer: 'anonymous', subject: 'anonymous' });
  });

  test('is another for each way that names could run together [SEC-1 I6]', () => {
    const look = [
      credentials('alice'),
      credentials('subject alice'),
      credentials('client alice'),
      credentials('x', { sub: 'alice' }),
      credentials('x', { sub: 'client alice' }),
      credentials('x', { iss: 'a', sub: 'b' }),
      credentials('x', { iss: 'a', tenant: 'b', sub: 'c' }),
      credentials('x', { iss: 'a:b', sub: 'c' }),
      credentials('x', { iss: 'a', sub: 'b:c' }),
      credentials('x', { iss: 'a', sub: 'c', tenant: 'b"' }),
      credentials('anonymous', { iss: 'anonymous' }),
      credentials('x', { iss: 'anonymous', sub: 'anonymous' }),
      undefined,
    ].map((authInfo) => ownerOfAuthInfo(authInfo, { allowAnonymous: true }));

    const encoded = look.map((owner) => (owner === undefined ? 'none' : encodeOwner(owner)));
    expect(new Set(encoded).size).toBe(look.length);
  });
});

describe('a task', () => {
  test('is found by its owner with any token and client, and by nobody else [SEC-1 I6]', async () => {
    const held = holdServer([greet]);
    const claims = { iss: 'https://idp', sub: 'u1' };
    const taskId = await held.as(credentials('laptop', claims)).createTask('greet', { name: 'Ada' });
    const find = async (authInfo: AuthInfo) =>
      (await held.as(authInfo).ask('tasks/get', { taskId })).message?.error?.code;

    expect(await find(credentials('phone', claims))).toBeUndefined();
    for (const extra of [
      { ...claims, iss: 'https://other' },
      { ...claims, sub: 'u2' },
      { ...claims, tenant: 't' },
      undefined,
    ]) {
      expect(await find(credentials('laptop', extra))).toBe(-32602);
    }
  });

  test('of somebody else can be neither answered nor cancelled nor bound to [SEC-1 I6]', async () => {
    const held = holdServer([greet, ask]);
    const { taskId, roots } = await createWaiting(held, held.peer);
    const before = await held.stored();
    const bob = held.as(credentials('bob'));

    const answers = [
      await bob.ask('tasks/update', { taskId, inputResponses: { [roots]: { roots: [] } } }),
      await bob.ask('tasks/update', { taskId, inputResponses: { [roots]: 5 } }),
      await bob.ask('tasks/cancel', { taskId }),
      await bob.call('greet', { name: 'Ada' }, { meta: { 'io.modelcontextprotocol/related-task': { taskId } } }),
    ];

    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers[0]?.message?.error?.code).toBe(-32602);
    expect(await held.stored()).toEqual(before);
  });

  test('is in its owner’s list alone, and counts against its owner’s limit alone [SEC-1 I6 I8]', async () => {
    const held = holdServer([greet], { maxActiveTasksPerOwner: 1 });
    const bob = held.as(credentials('bob'));
    const ofAlice = await held.peer.createTask('greet', { name: 'Ada' });
    const ofBob = await bob.createTask('greet', { name: 'Bob' });
    const list = async (client: string) => {
      const { tasks } = await held.server.store.list(
        { issuer: 'unspecified', subject: `client ${client}` },
        { limit: 10 },
      );
      return tasks.map(({ id }) => id);
    };

    const full = held.peer.call('greet', { name: 'Eve' });
    await held.clock.advance(1000);

    expect([await list('alice'), await list('bob')]).toEqual([[ofAlice], [ofBob]]);
    expect((await full).message?.error).toEqual({
      code: -32000,
      message:
        'There are already 1 unfinished tasks, which is the limit: end or cancel some of them first ' +
        '(tools task_list and task_cancel, or tasks/cancel), or wait for one to end.',
      data: { reason: 'too_many_tasks', limit: 1, retryAfterMs: 3000 },
    });
  });

  test('of one idempotency key is one for each owner [SEC-1 I6]', async () => {
    const held = holdServer([greet]);
    const meta = { 'mcp-durable-tasks/idempotency-key': 'same' };

    const ofAlice = await held.peer.createTask('greet', { name: 'Ada' }, { meta });
    const ofBob = await held.as(credentials('bob')).createTask('greet', { name: 'Bob' }, { meta });

    expect(ofBob).not.toBe(ofAlice);
  });
});

describe('a request whose credentials cannot be read', () => {
  test('is refused as such, and stores nothing [SEC-1 SEC-7]', async () => {
    const held = holdServer([greet], { allowAnonymous: true });

    const { message } = await held.as(credentials('app', { sub: 41 })).call('greet', { name: 'Ada' });

    expect(message?.error).toEqual({
      code: -32600,
      message: 'The claim "sub" must be non-empty, valid text, or left out.',
      data: { reason: 'invalid_owner' },
    });
    expect((await held.stored()).size).toBe(0);
  });
});

describe('a request without verified credentials', () => {
  test.each([
    ['tools/call', { name: 'greet', arguments: { name: 'Ada' } }],
    ['tasks/get', { taskId: '0'.repeat(44) }],
    ['tasks/update', { taskId: '0'.repeat(44), inputResponses: {} }],
    ['tasks/cancel', { taskId: '0'.repeat(44) }],
    ['subscriptions/listen', { notifications: { taskIds: [] } }],
  ])('is refused where anonymous use is off, and stores nothing: %s [SEC-1]', async (method, params) => {
    const held = holdServer([greet]);

    const { message } = await held.as(undefined).ask(method, params);

    expect(message?.error).toEqual({
      code: -32600,
      message: 'Tasks need an authenticated caller.',
      data: { reason: 'owner_required' },
    });
    expect((await held.stored()).size).toBe(0);
  });

  test('is nobody’s, whatever it claims in headers and _meta [SEC-1]', async () => {
    const held = holdServer([greet]);
    const claims = { sub: 'alice', clientId: 'alice', owner: { issuer: 'unspecified', subject: 'client alice' } };

    const { message } = await held.as(undefined).call(
      'greet',
      { name: 'Ada' },
      {
        headers: { authorization: 'Bearer bearer-of-alice', 'x-forwarded-user': 'alice' },
        meta: { ...claims, authInfo: claims },
      },
    );

    expect(message?.error?.data).toEqual({ reason: 'owner_required' });
  });

  test('may use tasks where that is allowed, all as one owner, which is nobody else’s [SEC-1]', async () => {
    const held = holdServer([greet], { allowAnonymous: true });
    const taskId = await held.as(undefined).createTask('greet', { name: 'Ada' });

    expect((await held.as(undefined).task(taskId))['status']).toBe('working');
    expect((await held.as(credentials('anonymous')).ask('tasks/get', { taskId })).message?.error?.code).toBe(-32602);
  });

  test('is refused by a host’s own rule for owners [SEC-1]', async () => {
    const held = holdServer([greet], { resolveOwner: () => undefined, allowAnonymous: true });

    expect((await held.peer.call('greet', { name: 'Ada' })).message?.error?.code).toBe(-32600);
  });
});
