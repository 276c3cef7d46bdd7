/** Which step gets what is reported, and what becomes of a step by it. */
import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '../../../src/domain/json.ts';
import { toolErrorText } from '../../../src/protocol/tool.ts';
import type { WorkflowStep } from '../../../src/workflow/workflow.ts';
import {
  MAX_ASIDE,
  outputOf,
  type Report,
  statusOf,
  valueOfResult,
  WorkflowState,
} from '../../../src/workflow/workflow-state.ts';
import { callReport, constant, failed, output, said, toolStep, workflowOf } from './sample-workflow.ts';

const begin = (...steps: WorkflowStep[]) => new WorkflowState(workflowOf(...steps), {});
const take = (state: WorkflowState, report: Report, faults: Readonly<Record<string, string>> = {}) =>
  state.take(report, report.id, faults);
const statuses = (state: WorkflowState) => state.steps.map(statusOf);
const outputs = (state: WorkflowState) => Object.fromEntries(state.outputs());
const asides = (state: WorkflowState) => state.aside.map(({ id, why }) => [id, why]);

const manual = (name: string): WorkflowStep => ({ name, kind: 'manual', by: 'client', guidance: 'Do it.' });
const stepReport = (id: string, step: string, value: JsonValue): Report => ({
  kind: 'step',
  id,
  step,
  result: said(value),
});

describe('the report of a call', () => {
  test('goes to the first open step of its tool, and to the next one then [WF-5]', () => {
    const state = begin(toolStep('a', 'put'), toolStep('x', 'other'), toolStep('b', 'put'));
    take(state, callReport('1', 'put', said(1)));
    expect(outputs(state)).toEqual({ a: 1 });

    take(state, callReport('2', 'put', said(2)));
    expect(outputs(state)).toEqual({ a: 1, b: 2 });
    expect(state.next?.step.name).toBe('x');
  });

  test('of a tool whose steps are all done replaces the newest result that nothing has used [WF-5]', () => {
    const state = begin(toolStep('a', 'put'), toolStep('b', 'put'));
    for (const [id, value] of Object.entries({ 1: 'a', 2: 'b', 3: 'c' }))
      take(state, callReport(id, 'put', said(value)));

    expect(outputs(state)).toEqual({ a: 'a', b: 'c' });
    expect(state.aside).toEqual([]);
  });

  test('is kept aside once a later step has begun with what was there [WF-5]', () => {
    const state = begin(toolStep('a', 'put'), toolStep('b', 'use', { of: output('a') }));
    take(state, callReport('1', 'put', said(1)));
    take(state, callReport('2', 'put', said(2)));
    take(state, callReport('3', 'use', said('used')));
    take(state, callReport('4', 'put', said(4)));

    expect(outputs(state)).toEqual({ a: 2, b: 'used' });
    expect(asides(state)).toEqual([['4', 'every step with this tool is done, and later steps have used it']]);
    expect(state.aside[0]).toMatchObject({ tool: 'put', kept: '4' });
  });

  test('is kept aside where a skipped step or a known list was made of what was there [WF-5 WF-11]', () => {
    const skipped = begin(toolStep('a', 'put'), toolStep('b', 'use', {}, { when: output('a') }));
    take(skipped, callReport('1', 'put', said(false)));
    skipped.skip('b');
    take(skipped, callReport('2', 'put', said(true)));
    expect(asides(skipped)).toHaveLength(1);

    const listed = begin(toolStep('a', 'put'), toolStep('b', 'use', {}, { forEach: output('a') }));
    take(listed, callReport('1', 'put', said([])));
    listed.expand('b');
    take(listed, callReport('2', 'put', said([1])));
    expect(asides(listed)).toHaveLength(1);
  });

  test('of a tool that no step has is kept aside [WF-5]', () => {
    const state = begin(toolStep('a', 'put'));
    take(state, callReport('1', 'other', said(1)));

    expect(statuses(state)).toEqual(['pending']);
    expect(asides(state)).toEqual([['1', 'no step has this tool']]);
  });

  test('that is an error makes its step fail, and a good one makes up for it [WF-5]', () => {
    const state = begin(toolStep('a', 'put'));
    take(state, callReport('1', 'put', failed('It fell.')));
    expect(statuses(state)).toEqual(['failed']);
    expect(state.steps[0]?.pieces).toEqual([{ status: 'failed', failure: { error: 'It fell.', retryable: true } }]);

    take(state, callReport('2', 'put', said(2)));
    expect(outputs(state)).toEqual({ a: 2 });
    expect(statuses(state)).toEqual(['completed']);
  });

  test('that is an error takes nothing from a step that is done [WF-5]', () => {
    const state = begin(toolStep('a', 'put'));
    take(state, callReport('1', 'put', said(1)));
    take(state, callReport('2', 'put', failed('It fell.')));

    expect(outputs(state)).toEqual({ a: 1 });
    expect(asides(state)).toEqual([['2', 'It fell.']]);
  });

  test('that is not what the step’s output must be counts as an error [WF-5 WF-3]', () => {
    const state = begin(toolStep('a', 'put'));
    take(state, callReport('1', 'put', said(1)), { a: 'It must not be 1.' });

    expect(state.steps[0]?.pieces[0]).toMatchObject({ status: 'failed', failure: { error: 'It must not be 1.' } });
  });

  test.each([
    ['the same', { what: 'box' }, false],
    ['the same in another order of members', { what: 'box', how: { b: 1, a: [1] } }, false],
    ['more than the workflow has a value for', { what: 'box', extra: 1 }, false],
    ['another value', { what: 'bag' }, true],
    ['fewer', {}, true],
  ])('notes arguments that differ: %s [WF-5]', (_what, args, differs) => {
    const how = 'how' in args ? { how: constant({ a: [1], b: 1 }) } : {};
    const state = begin(toolStep('a', 'put', { what: constant('box'), extra: output('a', 'x'), ...how }));
    take(state, callReport('1', 'put', said(1), args));

    expect(state.steps[0]?.pieces[0]?.done?.differs).toBe(differs);
    expect(state.steps[0]?.pieces[0]?.done?.by).toBe('client');
  });

  test('goes to the items of a list in order; one that is done stays as it is [WF-11 WF-5]', () => {
    const list = toolStep('each', 'put', { what: { from: 'item' } }, { forEach: constant(['x', 'y']) });
    const state = begin(list, toolStep('after', 'put'));
    for (const id of ['1', '2', '3', '4', '5']) take(state, callReport(id, 'put', said(id), { what: 'x' }));

    // The text is JSON itself.
    expect(outputs(state)).toEqual({ each: ['1', '2'], after: '5' });
    expect(state.steps[0]?.pieces.map(({ done }) => done?.differs)).toEqual([false, true]);
  });

  test('of a step whose list is not there yet is kept aside [WF-11 WF-5]', () => {
    const state = begin(toolStep('a', 'list'), toolStep('each', 'put', {}, { forEach: output('a') }));
    take(state, callReport('1', 'put', said(1)));

    expect(asides(state)).toEqual([
      ['1', 'the step with this tool is done for the items of a list, which is not there yet'],
    ]);
    expect(statuses(state)).toEqual(['pending', 'pending']);
    take(state, stepReport('2', 'each', 1));
    expect(asides(state)[1]).toEqual(['2', 'the step is done for the items of a list, which has none yet']);
  });

  test('is kept aside 50 times at most; the oldest go [WF-5]', () => {
    const state = begin(toolStep('a', 'put'));
    for (let index = 0; index < MAX_ASIDE + 2; index += 1) take(state, callReport(`${index}`, 'other', said(index)));

    expect(MAX_ASIDE).toBe(50);
    expect(asides(state)).toHaveLength(50);
    expect(state.aside[0]?.id).toBe('2');
  });
});

describe('the report of a step', () => {
  test('counts for it, whatever does it, until a later step has used it [WF-5]', () => {
    const state = begin(manual('a'), toolStep('b', 'put', { of: output('a') }));
    take(state, stepReport('1', 'a', 1));
    take(state, stepReport('2', 'a', 2));
    expect(outputs(state)).toEqual({ a: 2 });

    take(state, stepReport('3', 'b', 3));
    take(state, stepReport('4', 'a', 4));
    expect(outputs(state)).toEqual({ a: 2, b: 3 });
    expect(asides(state)).toEqual([['4', 'later steps have used what was there']]);
  });

  test('that there is not, or that was skipped, is kept aside [WF-5]', () => {
    const state = begin(manual('a'));
    state.skip('a');
    take(state, stepReport('1', 'a', 1));
    take(state, stepReport('2', 'none', 1));

    expect(asides(state)).toEqual([
      ['1', 'the step was skipped'],
      ['2', 'there is no such step'],
    ]);
  });

  test('over an empty list is kept aside: there is nothing to do [WF-5 WF-11]', () => {
    const state = begin({ ...manual('a'), forEach: constant([]) });
    take(state, stepReport('1', 'a', 1));

    expect(outputs(state)).toEqual({ a: [] });
    expect(asides(state)).toHaveLength(1);
  });
});

describe('going on', () => {
  test('fills in arguments that are missing, and changes none that is there [WF-7]', () => {
    const state = new WorkflowState(workflowOf(manual('a')), { file: 'a.csv', empty: null });
    take(state, { kind: 'continue', id: '1', arguments: { file: 'b.csv', count: 2, empty: 1 } });

    expect(state.arguments).toEqual({ file: 'a.csv', count: 2, empty: 1 });
  });

  test('opens what failed of the server’s own and may be tried again, and nothing else [WF-7]', () => {
    const state = begin(
      toolStep('a', 'x', {}, { by: 'server' }),
      toolStep('b', 'y', {}, { by: 'server' }),
      toolStep('c', 'z'),
    );
    state.settle('a', 0, { status: 'failed', failure: { error: 'e', retryable: true } });
    state.settle('b', 0, { status: 'failed', failure: { error: 'e', retryable: false } });
    state.settle('c', 0, { status: 'failed', failure: { error: 'e', retryable: true } });
    take(state, { kind: 'continue', id: '1', arguments: {} });

    expect(statuses(state)).toEqual(['pending', 'failed', 'failed']);
  });
});

describe('a list', () => {
  test('is expanded once, to at most 1000 items [WF-11]', () => {
    const over = (items: number) => {
      const state = begin(toolStep('a', 'put', {}, { forEach: constant(Array.from({ length: items }, () => 1)) }));
      state.expand('a');
      return state.steps[0]?.pieces.length;
    };

    expect([over(0), over(1000), over(1001)]).toEqual([0, 1000, 0]);
  });

  test('that is empty is done at once; one that is unknown is not [WF-11]', () => {
    const state = begin(
      toolStep('a', 'put', {}, { forEach: constant([]) }),
      toolStep('b', 'put', {}, { forEach: output('none') }),
    );
    for (const { step } of state.steps) state.expand(step.name);

    expect(statuses(state)).toEqual(['completed', 'pending']);
    expect(state.steps.map(outputOf)).toEqual([[], null]);
  });
});

describe('what a result says', () => {
  const text = (words: string) => ({ type: 'text', text: words });

  test.each([
    [{ structuredContent: { a: 1 }, content: [text('other')] }, { a: 1 }],
    [{ content: [text('{"a":[1]}')] }, { a: [1] }],
    [{ content: [text('plain words')] }, 'plain words'],
    [{ content: [text('1'), text('2')] }, [text('1'), text('2')]],
    [
      { content: [{ type: 'image', data: '', mimeType: 'image/png' }] },
      [{ type: 'image', data: '', mimeType: 'image/png' }],
    ],
    [{ content: [] }, []],
    [{}, []],
  ])('of %j is %j [WF-1]', (result, value) => {
    expect(valueOfResult(result)).toEqual(value);
  });

  test('is an error where it says so, in its own words [WF-3]', () => {
    expect(toolErrorText({ content: [text('fine')] })).toBeUndefined();
    expect(toolErrorText({ isError: true, content: [text('one'), text('two')] })).toBe('one\ntwo');
    expect(toolErrorText({ isError: true, content: [] })).toBe('The tool failed.');
  });
});
