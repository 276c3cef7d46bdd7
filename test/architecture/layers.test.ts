/**
 * The house's shape, held by tests: layers, vendor homes, file names and sizes, one source of
 * time. The rules are data (`layer-rules.ts`); each is also shown to refuse a violation, so
 * that a rule which no longer bites fails here.
 */
import { describe, expect, test } from '@jest/globals';
import { REPOSITORY_ROOT, readSources } from '../../scripts/syntax.ts';
import {
  clockComplaints,
  cycles,
  headerComplaints,
  layerComplaints,
  nameComplaints,
  sizeComplaints,
  splitComplaints,
} from './source-checks.ts';

const library = readSources(REPOSITORY_ROOT, 'src');
const shipped = [...library, ...readSources(REPOSITORY_ROOT, 'lambda', 'lib', 'bin')];
const everything = [...shipped, ...readSources(REPOSITORY_ROOT, 'examples', 'test', 'bench', 'scripts')];

describe('the repository', () => {
  test('has sources to check', () => {
    expect(library.length).toBeGreaterThan(3);
  });

  test('imports only downwards, and each vendor only at home', () => {
    expect(layerComplaints(shipped)).toEqual([]);
  });

  test('has no import cycle [AES-3]', () => {
    expect(cycles(shipped).map((cycle) => cycle.join(' → '))).toEqual([]);
  });

  test('names files after what lives in them', () => {
    expect(nameComplaints(everything.map(({ path }) => path))).toEqual([]);
  });

  test('has no file over 400 lines without a stated reason', () => {
    expect(sizeComplaints(everything)).toEqual([]);
  });

  test('opens every source file with a comment', () => {
    expect(headerComplaints(shipped)).toEqual([]);
  });

  test('never splits a joined key', () => {
    expect(splitComplaints(library)).toEqual([]);
  });

  test('takes time and randomness from src/clock.ts only', () => {
    expect(clockComplaints(library)).toEqual([]);
  });
});

describe('a layer violation is refused', () => {
  const cases: readonly (readonly [from: string, specifier: string, because: string])[] = [
    ['src/domain/task.ts', '../clock.ts', 'the domain is pure'],
    ['src/domain/task.ts', 'node:crypto', 'any layer but src/domain'],
    ['src/domain/task.ts', 'zod', 'src/protocol/ and src/workflow/'],
    ['src/clock.ts', './domain/task.ts', 'is a leaf'],
    ['src/present.ts', './clock.ts', 'is a leaf'],
    ['src/backends/backend.ts', '../domain/task.ts', 'knows neither engines nor tasks'],
    ['src/backends/backend.ts', './sqlite.ts', 'knows neither engines nor tasks'],
    ['src/backends/redis.ts', './memory.ts', 'no other driver'],
    ['src/backends/redis.ts', '../store/codec.ts', 'a driver sees the seam'],
    ['src/store/codec.ts', '../backends/sqlite.ts', 'never a driver'],
    ['src/store/codec.ts', '../backends/validation.ts', 'never a driver'],
    ['src/store/codec.ts', '../runtime/running/runner.ts', 'never a driver'],
    ['src/runtime/running/runner.ts', '../../protocol/wire.ts', 'the runtime joins engine and store'],
    ['src/runtime/running/runner.ts', '../../backends/backend.ts', 'the runtime joins engine and store'],
    ['src/protocol/wire.ts', '../server/assembly.ts', 'the protocol stands on the runtime'],
    ['src/protocol/wire.ts', '../backends/backend.ts', 'knows no backend'],
    ['src/operations/stuck.ts', '../server/open-backend.ts', 'operations stand on the store'],
    ['src/operations/stuck.ts', '../backends/sqlite.ts', 'operations stand on the store'],
    ['src/operations/stuck.ts', '../workflow/workflow.ts', 'operations stand on the store'],
    ['src/server/assembly.ts', '../backends/memory.ts', 'only src/server/local-engines.ts'],
    ['src/index.ts', './backends/sqlite.ts', 'sub-path exports'],
    ['src/index.ts', './testing/index.ts', 'sub-path exports'],
    ['src/testing/index.ts', '../store/codec.ts', 'people who write a backend'],
    ['src/server/local-engines.ts', '../../lambda/mcp.ts', 'a composition root wires everything in src'],
    ['lambda/mcp.ts', '../lib/stack.ts', 'knows neither CDK'],
    ['lambda/shared/storage.ts', '../endpoint/http-event.ts', 'knows none of them'],
    ['lambda/shared/storage.ts', '../mcp.ts', 'knows none of them'],
    ['lib/stack.ts', '../lambda/mcp.ts', 'only as entry paths'],
    ['lib/stack.ts', '../src/index.ts', 'only as entry paths'],
    ['bin/serve.ts', '../src/domain/task.ts', 'a command line'],
    ['src/odd/thing.ts', '../domain/task.ts', 'is in no layer'],
    ['src/runtime/running/runner.ts', '@modelcontextprotocol/server', 'its home is src/protocol/'],
    ['src/runtime/running/runner.ts', '@modelcontextprotocol/node', 'its home is src/server/'],
    ['src/server/assembly.ts', '@modelcontextprotocol/server', 'its home is src/protocol/'],
    ['src/engine/branch.ts', '../store/codec.ts', 'the engine knows handlers'],
    ['src/engine/branch.ts', '../runtime/running/runner.ts', 'the engine knows handlers'],
    ['src/backends/redis.ts', '@aws-sdk/client-dynamodb', 'its home is src/backends/dynamodb*.ts'],
    ['src/backends/dynamodb.ts', 'ioredis', 'its home is src/backends/redis*.ts'],
    ['src/runtime/running/runner.ts', 'bullmq', 'its home is src/runtime/queues/bullmq-queue.ts'],
    ['src/runtime/queues/sqs-queue.ts', 'sqs-consumer', 'its home is src/runtime/queues/sqs-consumer.ts'],
    ['src/runtime/queues/bullmq-queue.ts', '@aws-sdk/client-sqs', 'its home is src/runtime/queues/sqs-*.ts'],
    ['src/store/codec.ts', 'node:sqlite', 'its home is src/backends/sqlite.ts'],
    ['src/server/assembly.ts', '@middy/core', 'its home is lambda/'],
    ['lambda/shared/storage.ts', 'jose', 'its home is lambda/authentication/'],
    ['lambda/mcp.ts', 'aws-cdk-lib/aws-sqs', 'its home is lib/ and bin/'],
    ['src/testing/index.ts', '@jest/globals', 'each package has one home'],
  ];

  test.each(cases)('%s importing %s', (path, specifier, because) => {
    const complaints = layerComplaints([{ path, text: `import '${specifier}';` }]);

    expect(complaints).toEqual([expect.stringContaining(because)]);
    expect(complaints[0]).toContain('Instead: ');
  });

  test.each([
    ['a type import', `import type { A } from '../clock.ts';`],
    ['a re-export', `export * from '../clock.ts';`],
    ['a named re-export', `export { a } from '../clock.ts';`],
    ['a dynamic import', `await import('../clock.ts');`],
    ['an import type', `type A = import('../clock.ts').A;`],
    ['a require', `require('../clock.ts');`],
  ])('in the form of %s', (_form, text) => {
    expect(layerComplaints([{ path: 'src/domain/task.ts', text }])).toHaveLength(1);
  });
});

test('what the layers allow is not refused', () => {
  const allowed = [
    ['src/store/codec.ts', '../backends/errors.ts'],
    ['src/store/codec.ts', '../clock.ts'],
    ['src/domain/task.ts', '../present.ts'],
    ['lib/storage.ts', '../src/present.ts'],
    ['src/runtime/running/runner.ts', '../../domain/task.ts'],
    ['src/backends/dynamodb.ts', './dynamodb-retries.ts'],
    ['src/backends/dynamodb.ts', './dynamodb-table.ts'],
    ['src/backends/dynamodb-retries.ts', '@aws-sdk/client-dynamodb'],
    ['src/server/local-engines.ts', '../backends/sqlite.ts'],
    ['src/server/http.ts', '@modelcontextprotocol/node'],
    ['lib/storage.ts', '../src/backends/dynamodb-attributes.ts'],
    ['lib/service.ts', '../lambda/shared/environment.ts'],
    ['lib/service.ts', '../lambda/shared/words.ts'],
  ] as const;

  expect(layerComplaints(allowed.map(([path, to]) => ({ path, text: `import '${to}';` })))).toEqual([]);
});

describe('a house rule refuses its violation', () => {
  test('an import cycle, with the files on it', () => {
    const files = [
      { path: 'src/store/a.ts', text: `import './b.ts';` },
      { path: 'src/store/b.ts', text: `import type { C } from './c.ts';` },
      { path: 'src/store/c.ts', text: `export * from './b.ts';` },
    ];

    expect(cycles(files)).toEqual([['src/store/b.ts', 'src/store/c.ts', 'src/store/b.ts']]);
  });

  test('an empty name', () => {
    const paths = ['src/store/task-helpers.ts', 'src/types.ts', 'test/utils/a.ts', 'src/domain/common.test.ts'];

    expect(nameComplaints(paths)).toHaveLength(3);
  });

  test('a long file, unless it says why', () => {
    const long = '// x\n'.repeat(401);
    const excused = `/* oxlint-disable max-lines -- Long because one table is read as a whole. */\n${long}`;

    expect(sizeComplaints([{ path: 'src/a.ts', text: long }])).toHaveLength(1);
    expect(sizeComplaints([{ path: 'src/a.ts', text: excused }])).toEqual([]);
    expect(sizeComplaints([{ path: 'src/a.ts', text: '// x\n'.repeat(400) }])).toEqual([]);
  });

  test('a file without an opening comment', () => {
    expect(headerComplaints([{ path: 'src/a.ts', text: `import './b.ts';\n// late` }])).toHaveLength(1);
    expect(headerComplaints([{ path: 'bin/a.ts', text: '#!/usr/bin/env node\n/** ok */' }])).toEqual([]);
  });

  test('a split key', () => {
    expect(splitComplaints([{ path: 'src/a.ts', text: `key.split(":")` }])).toHaveLength(1);
    expect(splitComplaints([{ path: 'src/a.ts', text: `// split(':')\nline.split('\\n')` }])).toEqual([]);
  });

  test.each([
    'Date.now()',
    'const now = Date.now;',
    'new Date()',
    'Date()',
    'setTimeout(f, 1)',
    'globalThis.setInterval(f, 1)',
    'Math.random()',
    'crypto.randomUUID()',
    'globalThis.crypto.getRandomValues(a)',
    `import { randomBytes as r } from 'node:crypto';`,
    `import { setTimeout as later } from 'node:timers/promises';`,
  ])('an ambient source: %s', (text) => {
    expect(clockComplaints([{ path: 'src/store/a.ts', text }])).toHaveLength(1);
  });

  test.each(['new Date(0)', 'clock.now()', `import { createHash } from 'node:crypto';`, '// Date.now()'])(
    'but not %s',
    (text) => {
      expect(clockComplaints([{ path: 'src/store/a.ts', text }])).toEqual([]);
    },
  );
});
