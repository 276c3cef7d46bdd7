/** What a prompt answers, by its size: excerpts and links above the bound, and a block that programs can always read. */
import { describe, expect, test } from '@jest/globals';
import type { JsonObject, JsonValue } from '../../../src/domain/json.ts';
import { type HandOver, replyOf } from '../../../src/workflow/hand-over.ts';
import { describePause } from '../../../src/workflow/pauses.ts';
import type { PauseReason, WorkflowStep } from '../../../src/workflow/workflow.ts';
import { WorkflowState } from '../../../src/workflow/workflow-state.ts';
import { type JsonMap, RELATED_TASK_KEY } from '../../support/mcp-requests.ts';
import { replyIn } from '../../support/workflow-session.ts';
import { constant, output, said, toolStep, workflowOf } from './sample-workflow.ts';

const TASK = { id: 'the-task', status: 'working' } as const;

function stateOf(steps: readonly WorkflowStep[], results: Readonly<Record<string, JsonObject>> = {}): WorkflowState {
  const state = new WorkflowState(workflowOf(...steps), {});
  for (const [name, result] of Object.entries(results))
    state.settle(name, 0, {
      status: 'completed',
      done: { arguments: {}, result, by: 'server', differs: false, kept: null },
    });
  return state;
}

function reply(state: WorkflowState, more: Partial<HandOver> = {}) {
  const result = replyOf({
    state,
    task: TASK,
    pause: undefined,
    attached: new Map(),
    requiredOf: () => [],
    maxBytes: 64 * 1024,
    ...more,
  });
  return { ...replyIn(result as unknown as JsonMap), bytes: Buffer.byteLength(JSON.stringify(result)) };
}

describe('a reply', () => {
  test('shows small results whole, in each kind of content that a prompt may have [WF-4 WF-9]', () => {
    const image = { type: 'image', data: 'AAAA', mimeType: 'image/png' };
    const state = stateOf([toolStep('one', 't'), toolStep('two', 't')], {
      one: { content: [{ type: 'text', text: 'words' }, image] },
      two: { content: [], structuredContent: { a: 1 } },
    });
    const { messages, words } = reply(state);

    expect(messages.map(({ content }) => content)).toContainEqual(image);
    expect(words).toEqual(expect.arrayContaining(['words', '{"a":1}', 'Step one: I call t with {}.']));
  });

  test('shows of a large result its beginning, its size, and where it is whole [WF-4]', () => {
    const state = stateOf([toolStep('big step', 't'), toolStep('next', 't', { all: output('big step') })], {
      'big step': said('x'.repeat(200_000)),
    });
    const { messages, block, words, bytes } = reply(state);

    const uri = 'durable-task://the-task/steps/big%20step';
    expect(messages.map(({ content }) => content)).toContainEqual({
      type: 'resource_link',
      uri,
      name: 'Result of big step',
      mimeType: 'application/json',
    });
    expect(block['done']).toEqual([
      { step: 'big step', excerpt: expect.stringMatching(/^"x{300,}…$/u), bytes: 200_002, resource: uri },
    ]);
    expect(block['remaining']).toMatchObject([
      { step: 'next', arguments: {}, unresolved: [{ argument: 'all', why: expect.stringContaining('too large') }] },
    ]);
    expect(words.some((one) => one.endsWith(' bytes in all)'))).toBe(true);
    expect(bytes).toBeLessThan(64 * 1024);
  });

  test('links to nothing where nothing is kept [WF-12]', () => {
    const state = stateOf([toolStep('one', 't')], { one: said('x'.repeat(200_000)) });
    const { messages, block, meta, list } = reply(state, { task: undefined });

    expect(messages.some(({ content }) => content['type'] === 'resource_link')).toBe(false);
    expect(block).toMatchObject({ kept: false, done: [{ step: 'one', bytes: 200_002 }] });
    expect(meta[RELATED_TASK_KEY]).toBeUndefined();
    expect(list).toBe('Nothing of this is kept: there is no task. Every step is done.');
  });

  test('embeds attached resources that are small, and links to large ones [WF-9 WF-4]', () => {
    const state = stateOf([toolStep('one', 't')]);
    const small = { uri: 'a://small', text: 'small' };
    const { messages } = reply(state, {
      attached: new Map([
        ['a://small', [small]],
        ['a://large', [{ uri: 'a://large', text: 'x'.repeat(100_000), mimeType: 'text/plain' }]],
      ]),
    });

    const contents = messages.map(({ content }) => content);
    expect(contents).toContainEqual({ type: 'resource', resource: small });
    expect(contents).toContainEqual({
      type: 'resource_link',
      uri: 'a://large',
      name: 'a://large',
      mimeType: 'text/plain',
    });
  });

  test('says what was done with other arguments, and by whom [WF-5]', () => {
    const state = stateOf([toolStep('one', 't', { a: constant(1) })]);
    state.take({ kind: 'call', id: '1', tool: 't', arguments: { a: 2 }, result: said(1) }, null, {});

    expect(reply(state).words).toContain('The client did this, with other arguments than the workflow has. Result:');
  });

  test('names each item of a list that remains, with its own arguments and guidance [WF-11 WF-4]', () => {
    const each = toolStep(
      'each',
      't',
      { id: { from: 'item', path: 'id' } },
      { forEach: constant([{ id: 1 }, { id: 2 }]), guidance: 'Do {item.id}.' },
    );
    const unknown = toolStep('later', 't', { id: { from: 'item' } }, { forEach: output('each', 'none') });
    const state = stateOf([each, unknown]);
    state.expand('each');

    expect(reply(state).block['remaining']).toMatchObject([
      { step: 'each[0]', arguments: { id: 1 }, guidance: 'Do 1.' },
      { step: 'each[1]', arguments: { id: 2 }, guidance: 'Do 2.' },
      { step: 'later', unresolved: [{ argument: 'forEach' }, { argument: 'id', why: 'there is no item' }] },
    ]);
  });
});

describe('what does not fit', () => {
  const state = () => {
    const items = Array.from({ length: 1_000 }, (_, at) => at);
    const one = stateOf([toolStep('each', 't', { a: { from: 'item' } }, { forEach: constant(items) })]);
    one.expand('each');
    return one;
  };

  test('of steps that remain is counted [WF-4]', () => {
    const { block, list } = reply(state());
    const { remaining, furtherRemaining } = block as { remaining: JsonMap[]; furtherRemaining: number };

    expect([remaining.length, furtherRemaining]).toEqual([50, 950]);
    expect(remaining[0]).toMatchObject({ step: 'each[0]' });
    expect(list).toMatch(/\n… and \d+ more\.\n/u);
  });

  test('of what a step has done is counted, and linked to [WF-4]', () => {
    const one = state();
    const done = { arguments: {}, result: said(1), by: 'server', differs: false, kept: null } as const;
    for (let at = 0; at < 1_000; at += 1) one.settle('each', at, { status: 'completed', done });
    const { words, messages } = reply(one);

    expect(words).toContain('Step each was done 990 times more.');
    expect(messages.map(({ content }) => content['uri'])).toContain('durable-task://the-task/steps/each');
  });

  test('of a value within words is cut off there, and the words go on [WF-4]', () => {
    const steps = [toolStep('one', 't'), toolStep('two', 't', {}, { guidance: 'See {output.one}, and go on.' })];
    const { block } = reply(stateOf(steps, { one: said('w'.repeat(400_000)) }));

    expect(block['remaining']).toMatchObject([{ guidance: expect.stringMatching(/^See w{900,}…, and go on\.$/u) }]);
  });
});

describe('the block for programs', () => {
  test('can be read whatever values say, in fences too [WF-4]', () => {
    const text = 'a\n```\n{"b": "\\"}\u2028```json';
    const state = stateOf([toolStep('one', 't'), toolStep('two', 't', { text: constant(text) })], {
      one: said(text),
    });

    expect(reply(state).block).toMatchObject({
      done: [{ step: 'one', output: text }],
      remaining: [{ step: 'two', arguments: { text } }],
    });
  });
});

describe('a pause', () => {
  const PAUSES: readonly (readonly [PauseReason, string])[] = [
    [
      {
        type: 'unresolvableParams',
        blockedStep: 's',
        missingParam: 'a',
        missing: [
          { argument: 'a', why: 'so' },
          { argument: 'b', why: 'too' },
        ],
        suggestedTool: 't',
      },
      'Step s lacks a (so), b (too).',
    ],
    [
      { type: 'schemaMismatch', blockedStep: 's', missingFields: [], problem: 'a: no', suggestedTool: 't' },
      'The arguments of step s do not fit its tool: a: no.',
    ],
    [
      { type: 'toolError', failedStep: 's', error: 'No', retryable: true, suggestedTool: 't' },
      'Step s failed: No. It may be tried again.',
    ],
    [{ type: 'toolError', failedStep: 's', error: 'No', retryable: false, suggestedTool: 't' }, 'Step s failed: No.'],
    [
      {
        type: 'unresolvedDependency',
        blockedStep: 's',
        missingOutput: 'p.a',
        producingStep: 'p',
        suggestedTool: 't',
      },
      'Step s needs p.a, which step p did not give.',
    ],
    [{ type: 'clientStep', step: 's', suggestedTool: 't' }, 'Step s is yours.'],
  ];

  test.each(PAUSES)('%j is told in words [WF-3 WF-4]', (pause, words) => {
    expect(describePause(pause)).toBe(words);
    const { list, meta, block } = reply(stateOf([toolStep('s', 't')]), { pause });
    expect(list).toContain(words);
    expect(meta['pause_reason']).toEqual(pause);
    expect(block['pauseReason']).toEqual(pause);
  });
});

describe('the size of a reply', () => {
  const KIB = 1024;
  /** Bounded roughly: what is named of each step has a size of its own. */
  const SLACK = 1.5;
  const large: JsonValue = 'y'.repeat(50_000);

  test.each<[string, () => WorkflowState]>([
    [
      'with many large results',
      () => {
        const steps = Array.from({ length: 40 }, (_, at) => toolStep(`s${at}`, 't'));
        return stateOf(steps, Object.fromEntries(steps.map(({ name }) => [name, said(large)])));
      },
    ],
    [
      'with many results of middle size',
      () => {
        const steps = Array.from({ length: 100 }, (_, at) => toolStep(`s${at}`, 't'));
        return stateOf(steps, Object.fromEntries(steps.map(({ name }) => [name, said('z'.repeat(1_900))])));
      },
    ],
    [
      'with many steps that remain and large arguments',
      () => stateOf(Array.from({ length: 40 }, (_, at) => toolStep(`s${at}`, 't', { a: constant(large) }))),
    ],
    [
      'with a long list that remains',
      () => {
        const items = Array.from({ length: 1_000 }, (_, at) => at);
        const state = stateOf([toolStep('each', 't', { a: { from: 'item' } }, { forEach: constant(items) })]);
        state.expand('each');
        return state;
      },
    ],
    [
      'with a long list that is done',
      () => {
        const items = Array.from({ length: 1_000 }, (_, at) => at);
        const state = stateOf([toolStep('each', 't', { a: { from: 'item' } }, { forEach: constant(items) })]);
        state.expand('each');
        const done = {
          arguments: {},
          result: said('v'.repeat(300)),
          by: 'server',
          differs: false,
          kept: null,
        } as const;
        for (const at of items) state.settle('each', at, { status: 'completed', done });
        return state;
      },
    ],
    [
      'with a goal and guidance that tell a large result',
      () => {
        const steps = [
          toolStep('one', 't'),
          toolStep('two', 't', {}, { guidance: 'See {output.one}.' }),
          toolStep('three', 't', {}, { guidance: 'See {output.one}.' }),
        ];
        const state = stateOf(steps, { one: said('w'.repeat(400_000)) });
        return state;
      },
    ],
  ])('%s stays about its bound [WF-4]', (_what, make) => {
    expect(reply(make()).bytes).toBeLessThan(64 * KIB * SLACK);
  });
});
