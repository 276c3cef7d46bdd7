/** Whether an answer fits what was asked: every kind of form field, and keys and sizes that are out of the ordinary. */
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/server/validators/ajv';
import { MemoryBackend } from '../../../src/backends/memory.ts';
import { isTaskError } from '../../../src/domain/errors.ts';
import type { InputRequest } from '../../../src/domain/inputs.ts';
import type { JsonObject } from '../../../src/domain/json.ts';
import { DEFAULT_LIFETIME } from '../../../src/domain/lifetime.ts';
import type { Task } from '../../../src/domain/task.ts';
import { assertAskable, checkAnswers } from '../../../src/protocol/answers.ts';
import { GenericTaskStore } from '../../../src/store/generic-task-store.ts';
import { ManualClock, manualRandom } from '../../../src/testing/manual-clock.ts';

let store: GenericTaskStore;
let task: Task;

beforeEach(async () => {
  const clock = new ManualClock();
  store = new GenericTaskStore({ backend: new MemoryBackend({ clock }), clock, random: manualRandom(1) });
  const { stored } = await store.create({
    owner: { issuer: 'test', subject: 'alice' },
    tool: 'ask',
    arguments: {},
    lifetime: DEFAULT_LIFETIME,
    pollIntervalMs: 1000,
    maxAttempts: 5,
  });
  task = stored.task;
});

/** A task that has this outstanding, as `q`. */
async function asking(request: InputRequest): Promise<Task> {
  return {
    ...task,
    status: 'input_required',
    inputs: { q: { request: await store.keep(task, 'request', { ...request }) } },
  };
}

async function accepted(request: InputRequest, answer: unknown): Promise<boolean> {
  try {
    return 'q' in (await checkAnswers(store, await asking(request), { accepted: { q: answer }, dropped: [] }));
  } catch (error) {
    if (isTaskError(error, 'invalid_answer')) return false;
    throw error;
  }
}

const form = (properties: JsonObject, required: string[] = []): InputRequest => ({
  method: 'elicitation/create',
  params: { message: 'Please', requestedSchema: { type: 'object', properties, required } },
});

describe('a form whose schema is none', () => {
  const broken = form({ name: { type: 'string', pattern: '(' } });

  test('takes no content, and says why [MOD-4]', async () => {
    const answer = { action: 'accept', content: { name: 'x' } };

    await expect(
      checkAnswers(store, await asking(broken), { accepted: { q: answer }, dropped: [] }),
    ).rejects.toMatchObject({
      code: 'invalid_answer',
      message: expect.stringMatching(/"q".*form's own schema is faulty.*decline it/),
    });
  });

  test('is said in whole characters, however long the fault is [EXEC-18 MOD-4]', async () => {
    const problems = form({ a: { enum: [''] } });
    for (const [request, key] of [
      [form({ name: { type: 'string', pattern: `${'😀'.repeat(400)}(` } }), 'name'],
      [
        form(
          { name: { type: 'string' } },
          Array.from({ length: 9 }, (_, n) => `${'👨‍👩‍👧'.repeat(15)}${n}`),
        ),
        'name',
      ],
      [problems, 'a'],
    ] as const) {
      const answer = { action: 'accept', content: { [key]: 'x' } };
      const refused = checkAnswers(store, await asking(request), { accepted: { q: answer }, dropped: [] });
      const message = await refused.then(
        () => 'accepted',
        (error: Error) => error.message,
      );

      expect(message.isWellFormed()).toBe(true);
    }
  });

  test('is said in 500 characters at most, to the tool that asks and to the client that answers [MOD-4]', async () => {
    const faulty = form({ name: { type: 'x'.repeat(2_000) } });
    const wanting = form(
      {},
      Array.from({ length: 100 }, (_, n) => `field ${n}`),
    );
    const refused = (request: InputRequest) =>
      asking(request).then((asked) =>
        checkAnswers(store, asked, { accepted: { q: { action: 'accept', content: {} } }, dropped: [] }),
      );
    const short = '[^…]{400,499}…';

    expect(() => assertAskable(faulty)).toThrow(new RegExp(`^The form cannot be asked for: ${short}\\.$`));
    await expect(refused(faulty)).rejects.toThrow(new RegExp(`faulty \\(${short}\\): decline it`));
    await expect(refused(wanting)).rejects.toThrow(new RegExp(`does not fit its schema: ${short}\\.$`));
  });

  test('can be declined [MOD-4]', async () => {
    expect(await accepted(broken, { action: 'decline' })).toBe(true);
  });
});

describe('a form field', () => {
  const titled = [
    { const: 'r', title: 'Red' },
    { const: 'g', title: 'Green' },
  ];

  test.each<[string, JsonObject, unknown, unknown]>([
    ['of text', { type: 'string' }, 'x', 5],
    ['of text with bounds', { type: 'string', minLength: 2, maxLength: 3 }, 'abc', 'abcd'],
    ['of an e-mail address', { type: 'string', format: 'email' }, 'a@b.example', 'nobody'],
    ['of a URI', { type: 'string', format: 'uri' }, 'https://a.example/', 'not a uri'],
    ['of a date', { type: 'string', format: 'date' }, '2026-11-22', '22.11.2026'],
    ['of a time', { type: 'string', format: 'date-time' }, '2026-11-22T10:00:00Z', 'now'],
    ['of a number', { type: 'number', minimum: 0, maximum: 1 }, 0.5, 2],
    ['of a whole number', { type: 'integer' }, 5, 5.5],
    ['of a choice', { type: 'boolean', default: true }, false, 'false'],
    ['of one of several', { type: 'string', enum: ['r', 'g'] }, 'g', 'b'],
    ['of one of several with names', { type: 'string', enum: ['r', 'g'], enumNames: ['Red', 'Green'] }, 'g', 'Green'],
    ['of one of several with titles', { type: 'string', oneOf: titled }, 'r', 'Red'],
    [
      'of some of several',
      { type: 'array', items: { type: 'string', enum: ['r', 'g'] }, maxItems: 1 },
      ['r'],
      ['r', 'g'],
    ],
    ['of some of several with titles', { type: 'array', items: { anyOf: titled } }, ['g', 'r'], ['b']],
  ])('%s takes what fits and nothing else [MOD-4]', async (_what, field, good, bad) => {
    const request = form({ field }, ['field']);

    expect(await accepted(request, { action: 'accept', content: { field: good } })).toBe(true);
    expect(await accepted(request, { action: 'accept', content: { field: bad } })).toBe(false);
    expect(await accepted(request, { action: 'accept', content: {} })).toBe(false);
  });
});

describe('forms that were compiled', () => {
  test('are not compiled again, and are forgotten before there are more than 200 of them [SEC-3]', () => {
    const compiled = jest.spyOn(AjvJsonSchemaValidator.prototype, 'getValidator');
    const ask = (title: string) => assertAskable(form({ field: { type: 'string', title } }));
    ask('first');
    ask('first');
    expect(compiled).toHaveBeenCalledTimes(1);

    for (let other = 0; other < 200; other += 1) ask(`other ${other}`);
    expect(compiled).toHaveBeenCalledTimes(201);
    ask('first');

    expect(compiled).toHaveBeenCalledTimes(202);
    compiled.mockRestore();
  });
});

describe('an elicitation', () => {
  test.each(['decline', 'cancel'])('may be answered with %s, whatever the form asks for [MOD-4]', async (action) => {
    expect(await accepted(form({ field: { type: 'string' } }, ['field']), { action })).toBe(true);
  });

  test('by URL is accepted without content [MOD-4]', async () => {
    const request: InputRequest = {
      method: 'elicitation/create',
      params: { mode: 'url', message: 'Go', url: 'https://a.example/' },
    };

    expect(await accepted(request, { action: 'accept' })).toBe(true);
  });

  test('whose form is too long for the task’s head is checked all the same [MOD-4]', async () => {
    const request = form({ field: { type: 'string', description: 'x'.repeat(5000) } }, ['field']);

    expect(await accepted(request, { action: 'accept', content: { field: 'y' } })).toBe(true);
    expect(await accepted(request, { action: 'accept', content: {} })).toBe(false);
  });

  test('keeps a long answer outside the task’s head, and whole [MOD-4 I4]', async () => {
    const answer = { action: 'accept', content: { field: 'x'.repeat(60_000) } };

    const { q } = await checkAnswers(store, await asking(form({ field: { type: 'string' } })), {
      accepted: { q: answer },
      dropped: [],
    });

    if (q?.outcome !== 'answered') throw new Error('not accepted');
    expect(q.value).toHaveProperty('ref');
    expect(await store.load(task, q.value)).toEqual(answer);
  });
});

describe('roots and messages', () => {
  test.each<[string, InputRequest['method'], unknown, boolean]>([
    ['no roots', 'roots/list', { roots: [] }, true],
    ['a root', 'roots/list', { roots: [{ uri: 'file:///a', name: 'A' }] }, true],
    ['a root without URI', 'roots/list', { roots: [{ name: 'A' }] }, false],
    ['nothing for roots', 'roots/list', {}, false],
    [
      'a message',
      'sampling/createMessage',
      { role: 'assistant', content: { type: 'text', text: 'Hi' }, model: 'm' },
      true,
    ],
    [
      'a message without model',
      'sampling/createMessage',
      { role: 'assistant', content: { type: 'text', text: 'Hi' } },
      false,
    ],
    ['a message of nobody', 'sampling/createMessage', { content: { type: 'text', text: 'Hi' }, model: 'm' }, false],
  ])('%s [MOD-4]', async (_what, method, answer, fits) => {
    expect(await accepted({ method }, answer)).toBe(fits);
  });
});

describe('keys', () => {
  test('that are not outstanding are left out, be they named like a prototype’s members [MOD-4 SEC-3]', async () => {
    const keys = ['other', 'toString', 'hasOwnProperty', 'constructor'];
    const answers = Object.fromEntries(keys.map((key) => [key, { action: 'decline' }]));

    expect(await checkAnswers(store, await asking(form({})), { accepted: answers, dropped: keys })).toEqual({});
  });

  test('of external callbacks cannot be answered by a client [MOD-4 I4]', async () => {
    const waiting: Task = { ...task, inputs: { callback: {} } };

    const answers = await checkAnswers(store, waiting, {
      accepted: { callback: { action: 'accept' } },
      dropped: ['callback'],
    });

    expect(answers).toEqual({});
  });

  test('that are very long are cut in the error that names them [MOD-4 SEC-3]', async () => {
    const key = 'k'.repeat(1000);

    await expect(
      checkAnswers(store, task, { accepted: { [key]: { constructor: 1 } }, dropped: [] }),
    ).rejects.toMatchObject({ code: 'invalid_answer', detail: { key: `${'k'.repeat(127)}…` } });
  });
});
