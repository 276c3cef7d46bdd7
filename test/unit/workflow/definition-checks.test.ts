/** Every way in which a workflow can be defined wrongly: each is told when it is defined, or when its server starts. */
import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import type { AnyTool } from '../../../src/protocol/tool.ts';
import { defineTaskTool } from '../../../src/server/define-task-tool.ts';
import { defineWorkflow } from '../../../src/workflow/define-workflow.ts';
import { assertWorkflow, assertWorkflows } from '../../../src/workflow/definition-checks.ts';
import { defineResource, ResourceRegistry } from '../../../src/workflow/resources.ts';
import type { Source, ToolStep, Workflow, WorkflowStep } from '../../../src/workflow/workflow.ts';
import { holdServer } from '../../support/mcp-server.ts';
import { json } from '../../support/workflow-tools.ts';
import { constant, output, toolStep, workflowOf } from './sample-workflow.ts';

const first = toolStep('first', 'put', { what: constant('x') });
const second = (more: Partial<ToolStep>): ToolStep => ({ ...toolStep('second', 'put'), ...more });
const argument = (name: string, path?: string): Source => ({
  from: 'argument',
  name,
  ...(path === undefined ? {} : { path }),
});

/** Wrong by itself: what is wrong with the second step, or with the whole. */
const BY_ITSELF: readonly (readonly [string, Partial<Workflow> | WorkflowStep, string])[] = [
  ['a name that is none', { name: 'a b' }, 'Workflow "a b": a name has 1 to 128 letters'],
  ['no description', { description: '' }, 'Workflow "sample": it needs a description'],
  ['arguments that are no object', { arguments: z.string() }, 'arguments must be a Standard Schema'],
  ['no steps', { steps: [] }, 'it has 0 steps, not 1 to 200'],
  [
    'too many steps',
    { steps: Array.from({ length: 201 }, (_, at) => toolStep(`s${at}`, 'put')) },
    'it has 201 steps, not 1 to 200',
  ],
  ['a version that is no whole number', { version: 1.5 }, 'version must be a positive whole number'],
  ['a deadline that is none', { runDeadlineMs: 0 }, 'runDeadlineMs must be a positive whole number'],
  ['a retention that is none', { retentionMs: -1 }, 'retentionMs must be a positive whole number'],
  ['a goal of nothing', { goal: 'Do {argument.none}' }, 'in goal, the placeholder {argument.none} cannot be filled'],
  ['instructions of an item', { instructions: '{item}' }, 'in instructions, the placeholder {item} cannot be filled'],
  ['a step name that is none', second({ name: 'a.b' }), 'the name of a step has 1 to 64 letters'],
  ['a step name that is taken', second({ name: 'first' }), 'step "first": the name is taken by an earlier step'],
  [
    'an argument that the prompt lacks',
    second({ arguments: { what: argument('none') } }),
    'argument "what": the prompt has no argument "none"',
  ],
  [
    'the output of a step that there is not',
    second({ arguments: { what: output('none') } }),
    'argument "what": there is no step "none"',
  ],
  [
    'the output of the step itself',
    second({ arguments: { what: output('second') } }),
    'step "second" comes later, or is the step itself',
  ],
  ['the output of a later step', second({ arguments: { what: output('third') } }), 'step "third" comes later'],
  [
    'a later step within something computed',
    second({ arguments: { what: { from: 'computed', of: { a: output('third') }, compute: () => 1 } } }),
    'argument "what": step "third" comes later',
  ],
  ['a path that is none', second({ arguments: { what: output('first', 'a..b') } }), '"a..b" is no path such as'],
  [
    'a path through a prototype',
    second({ arguments: { what: argument('file', 'a.__proto__') } }),
    '"a.__proto__" goes through "__proto__"',
  ],
  [
    'an item outside of forEach',
    second({ arguments: { what: { from: 'item' } } }),
    'argument "what": there is no item in a step without forEach',
  ],
  [
    'an item in the list itself',
    second({ forEach: { from: 'item' } }),
    'Workflow "sample", step "second": there is no item in a step without forEach',
  ],
  [
    'an item in the condition',
    second({ forEach: constant([]), when: { from: 'item' } }),
    'there is no item in a step without forEach',
  ],
  ['a condition of a later step', second({ when: output('third') }), 'step "third" comes later'],
  ['a list of no step', second({ forEach: output('none') }), 'there is no step "none"'],
  ['guidance of no step', second({ guidance: 'See {output.none}.' }), 'the placeholder {output.none} cannot be filled'],
  ['guidance of nothing', second({ guidance: 'See {output}.' }), 'the placeholder {output} cannot be filled: it names'],
  ['guidance by a bad path', second({ guidance: '{output.first.a..b}' }), 'cannot be filled: "a..b" is no path'],
  ['a form for an argument that the step lacks', second({ askFor: { message: '?', fields: { how: {} } } }), 'askFor: '],
  [
    'a form with a bad message',
    second({ askFor: { message: '{argument.none}', fields: {} } }),
    'the placeholder {argument.none}',
  ],
  ['no tries', second({ retry: { maxAttempts: 0 } }), 'retry.maxAttempts must be from 1 to 20'],
  ['too many tries', second({ retry: { maxAttempts: 21 } }), 'retry.maxAttempts must be from 1 to 20'],
  ['parts of tries', second({ retry: { maxAttempts: 1.5 } }), 'retry.maxAttempts must be from 1 to 20'],
  [
    'a step without a tool and without guidance',
    { name: 'second', kind: 'manual', by: 'client', guidance: '' },
    'a step without a tool needs guidance',
  ],
  [
    'a binding of a later step',
    second({ attach: [{ uri: 'page://{id}', bindings: { id: output('third') } }] }),
    '"id" of page://{id}: step "third" comes later',
  ],
];

describe('a workflow by itself', () => {
  test.each(BY_ITSELF)('is refused for %s [WF-1]', (_what, wrong, message) => {
    const workflow: Workflow =
      'kind' in wrong
        ? workflowOf(first, wrong, toolStep('third', 'put'))
        : { ...workflowOf(first, toolStep('third', 'put')), ...wrong };
    const assert = () => assertWorkflow(workflow);

    expect(assert).toThrow(expect.objectContaining({ code: 'invalid_definition' }));
    expect(assert).toThrow(expect.objectContaining({ message: expect.stringContaining(message) }));
    if ('kind' in wrong) expect(assert).toThrow(`Workflow "sample", step "${wrong.name}": `);
  });

  test('is refused for a delay that is none, naming the step [WF-1]', () => {
    const wrong = second({ retry: { maxAttempts: 2, delay: { seconds: -1 } } });
    expect(() => assertWorkflow(workflowOf(first, wrong))).toThrow(/step "second": retry\.delay takes/u);
  });

  test('is taken with all that may be in it [WF-1 WF-9 WF-11]', () => {
    const whole: Workflow = {
      ...workflowOf(
        first,
        second({
          when: argument('file'),
          forEach: output('first', 'list[0].of'),
          arguments: { what: { from: 'computed', of: { a: { from: 'item' } }, compute: ({ a }) => a } },
          guidance: 'For {item.name}: {output.first.a}, {variable.x.y}, {argument.file}; {"not": "a placeholder"}.',
          attach: [{ uri: 'page://{id}', bindings: { id: { from: 'item' } } }],
          askFor: { message: 'What for {item}?', fields: { what: {} } },
          retry: { maxAttempts: 20, delay: { seconds: 1 } },
        }),
      ),
      goal: 'Do {argument.file}',
      retentionMs: null,
      version: 1,
    };
    expect(() => assertWorkflow(whole)).not.toThrow();
  });
});

describe('a workflow beside its server', () => {
  const put = defineTaskTool({
    name: 'put',
    description: 'Puts.',
    inputSchema: z.object({ what: z.string(), how: z.string().optional() }),
    run: async () => json(1),
  });
  const loose = defineTaskTool({
    name: 'loose',
    description: 'Takes all.',
    inputSchema: z.looseObject({}),
    run: async () => json(1),
  });
  const page = defineResource({ name: 'page', uri: 'page://{id}', read: async () => '' });
  const registry = new ResourceRegistry([page]);
  const server = (tool: string, args: ToolStep['arguments'] = {}): ToolStep =>
    toolStep('s', tool, args, { by: 'server' });
  const check = (step: WorkflowStep, tools: readonly AnyTool[] = [put, loose]) =>
    assertWorkflows([workflowOf(step)], tools, registry);

  test.each<[string, WorkflowStep, string]>([
    ['a tool that there is not', server('none'), 'the server has no tool "none"'],
    [
      'an argument that the tool lacks',
      server('put', { what: constant(''), who: constant('') }),
      'tool "put" has no argument "who"; it has what, how',
    ],
    ['a required argument without a source', server('put', { how: constant('') }), 'needs the argument "what"'],
    ['an argument that a client’s tool lacks', toolStep('s', 'put', { who: constant('') }), 'has no argument "who"'],
    [
      'a resource that there is not',
      { name: 's', kind: 'resources', by: 'server', resources: [{ uri: 'other://1' }] },
      'the server has no resource other://1',
    ],
    [
      'a template whose variable is bound to nothing',
      { name: 's', kind: 'resources', by: 'server', resources: [{ uri: 'page://{id}' }] },
      '"id" of page://{id} is bound to nothing',
    ],
    [
      'a binding that the template lacks',
      {
        name: 's',
        kind: 'resources',
        by: 'server',
        resources: [{ uri: 'page://{id}', bindings: { id: constant('1'), no: constant('1') } }],
      },
      'page://{id} has no variable "no"',
    ],
    ['an attached resource that there is not', { ...server('loose'), attach: [{ uri: 'other://1' }] }, 'no resource'],
    ['an attached URI that is none', { ...server('loose'), attach: [{ uri: 'nothing' }] }, '"nothing" is no URI'],
  ])('is refused for %s [WF-1 WF-9]', (_what, step, message) => {
    expect(() => check(step)).toThrow(expect.objectContaining({ code: 'invalid_definition' }));
    expect(() => check(step)).toThrow(`Workflow "sample", step "s": `);
    expect(() => check(step)).toThrow(message);
  });

  test('may leave to the client a tool of another server, and what a tool needs [WF-1]', () => {
    expect(() => check(toolStep('s', 'elsewhere', { any: constant(1) }))).not.toThrow();
    expect(() => check(toolStep('s', 'put'))).not.toThrow();
  });

  test('may give a tool that takes any argument any [WF-1]', () => {
    expect(() => check(server('loose', { any: constant(1) }))).not.toThrow();
  });

  test('is refused where its name is taken, but for another version [WF-1]', () => {
    const workflow = workflowOf(toolStep('s', 'put'));
    const both = (other: Partial<Workflow>) => () =>
      assertWorkflows([workflow, { ...workflow, ...other }], [put], registry);

    expect(both({})).toThrow('Workflow "sample": the name is taken by another workflow');
    expect(both({ version: 2 })).not.toThrow();
    expect(both({ name: 'other' })).not.toThrow();
  });

  test.each(['task_complete', 'task_report'])('is not served beside a tool of the name %s [WF-1 WF-6]', (name) => {
    const taken = defineTaskTool({ name, description: '?', inputSchema: z.object({}), run: async () => json(1) });
    const workflow = workflowOf(toolStep('s', 'put', { what: constant('') }));

    expect(() => holdServer([put, taken], { workflows: [workflow] })).toThrow(
      `Tool "${name}": the name is that of a tool for workflows`,
    );
    expect(() => holdServer([put, taken])).not.toThrow();
  });

  test('is refused when the server starts, with its settings [WF-1 WF-4]', () => {
    const workflow = workflowOf(server('put', { what: constant('') }));
    const start = (options: object) => () => holdServer([put], { workflows: [workflow], ...options });

    expect(start({})).not.toThrow();
    expect(() => holdServer([], { workflows: [workflow] })).toThrow('the server has no tool "put"');
    expect(start({ promptBudgetMs: 0 })).toThrow('promptBudgetMs must be a whole number from 1 to 3600000, not 0');
    expect(start({ promptBudgetMs: 3_600_001 })).toThrow('promptBudgetMs');
    expect(start({ maxPromptBytes: 4_095 })).toThrow('maxPromptBytes must be a whole number from 4096, not 4095');
    expect(start({ resources: [page, page] })).toThrow('Resource "page": the name is taken by another resource');
    expect(start({ resources: [page, { ...page, name: 'other' }] })).toThrow('another resource has page://{id}');
  });
});

describe('the builder', () => {
  const begin = { name: 'typed', description: 'Typed.', arguments: z.object({ file: z.string(), rows: z.number() }) };
  const measured = z.object({ rows: z.number(), columns: z.array(z.object({ name: z.string() })) });

  test('refuses what it cannot type when it is run, too [WF-1]', () => {
    expect(() =>
      defineWorkflow({
        ...begin,
        steps: (steps) =>
          // @ts-expect-error: the prompt has no such argument
          steps.tool('a', ({ argument: given }) => ({ tool: 't', arguments: { x: given('fyle') } })),
      }),
    ).toThrow('Workflow "typed", step "a": argument "x": the prompt has no argument "fyle".');
    expect(() =>
      defineWorkflow({
        ...begin,
        steps: (steps) =>
          steps
            // @ts-expect-error: there is no such step before it
            .tool('a', ({ output: of }) => ({ tool: 't', arguments: { x: of('b') } }))
            .tool('b', () => ({ tool: 't' })),
      }),
    ).toThrow('step "b" comes later');
    expect(() =>
      defineWorkflow({
        ...begin,
        steps: (steps) =>
          steps
            .tool('a', () => ({ tool: 't' }))
            // @ts-expect-error: the name is taken
            .tool('a', () => ({ tool: 't' })),
      }),
    ).toThrow('the name is taken by an earlier step');
  });

  test('knows the paths into outputs and arguments that have a schema [WF-1]', () => {
    const workflow = defineWorkflow({
      ...begin,
      steps: (steps) =>
        steps
          .tool('measure', () => ({ tool: 't', output: measured }))
          .client('unknown', () => ({ tool: 't' }))
          .tool('use', ({ output: of, argument: given }) => ({
            tool: 't',
            arguments: {
              a: of('measure', 'rows'),
              b: of('measure', 'columns[0].name'),
              c: of('measure', 'columns'),
              d: of('unknown', 'anything.at[0].all'),
              e: given('file'),
              // @ts-expect-error: there is no such part
              f: of('measure', 'cols'),
              // @ts-expect-error: there is no such part of an item
              g: of('measure', 'columns[0].title'),
              // @ts-expect-error: a number has no parts
              h: of('measure', 'rows.count'),
            },
          })),
    });

    expect(workflow.steps.map(({ name, kind, by }) => [name, kind, by])).toEqual([
      ['measure', 'tool', 'server'],
      ['unknown', 'tool', 'client'],
      ['use', 'tool', 'server'],
    ]);
  });

  test('makes a step of the client’s with a tool or without, and uses of plain URIs [WF-1]', () => {
    const workflow = defineWorkflow({
      ...begin,
      steps: (steps) =>
        steps
          .client('a', () => ({ tool: 't' }))
          .client('b', () => ({ guidance: 'Think.' }))
          // @ts-expect-error: no tool has such a name
          .client('c', () => ({ guidance: 'Think.', tool: 7 }))
          .resources('d', () => ({ resources: ['page://1', { uri: 'page://{id}', bindings: { id: constant('2') } }] })),
    });

    expect(workflow.steps[1]).toEqual({ name: 'b', kind: 'manual', by: 'client', guidance: 'Think.' });
    expect(workflow.steps[3]).toMatchObject({ resources: [{ uri: 'page://1' }, { uri: 'page://{id}' }] });
  });
});
