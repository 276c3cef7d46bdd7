/** Resources as workflows and clients read them: found by URI or template, and what they say. */
import { describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../../src/runtime/logger.ts';
import {
  defineResource,
  ResourceRegistry,
  resultOfContents,
  type TaskResource,
  valueOfContents,
} from '../../../src/workflow/resources.ts';

const CALL = { owner: undefined, signal: new AbortController().signal, logger: silentLogger };
const resource = (uri: string, read: TaskResource['read'], more: Partial<TaskResource> = {}): TaskResource =>
  defineResource({ name: uri, uri, read, ...more });
const told = resource('page://{chapter}/{id}', async (uri, variables) => ({ uri, ...variables }));

describe('reading', () => {
  const registry = new ResourceRegistry([
    resource('note://one', async () => 'words', { mimeType: 'text/plain' }),
    resource('note://{id}', async (_uri, { id }) => (id === 'none' ? undefined : `of ${id}`)),
    told,
    resource('raw://one', async () => [{ uri: 'raw://one', blob: 'AAAA', mimeType: 'image/png' }]),
  ]);

  test('finds a plain URI before a template [WF-9]', async () => {
    expect(await registry.read('note://one', CALL)).toEqual([
      { uri: 'note://one', text: 'words', mimeType: 'text/plain' },
    ]);
    expect(await registry.read('note://two', CALL)).toEqual([{ uri: 'note://two', text: 'of two' }]);
  });

  test('tells a template’s variables, and gives JSON and contents as they are [WF-9]', async () => {
    expect(await registry.read('page://1/2', CALL)).toEqual([
      { uri: 'page://1/2', text: '{"uri":"page://1/2","chapter":"1","id":"2"}', mimeType: 'application/json' },
    ]);
    expect(await registry.read('raw://one', CALL)).toEqual([{ uri: 'raw://one', blob: 'AAAA', mimeType: 'image/png' }]);
  });

  test.each(['note://none', 'other://one', 'page://1'])('rejects where there is nothing: %s [WF-9]', async (uri) => {
    await expect(registry.read(uri, CALL)).rejects.toMatchObject({
      name: 'UnknownResourceError',
      message: `There is no resource ${uri}.`,
    });
  });
});

test.each<[string, Partial<TaskResource>, string]>([
  ['no name', { name: '' }, 'Resource "(unnamed)": it needs a name'],
  ['a URI that is none', { uri: 'page' }, 'Resource "n": "page" is no URI with a scheme'],
  ['a URI that is no text', { uri: 7 as never }, 'Resource "n": its uri must be text'],
  ['a template that is none', { uri: 'page://{id' }, 'Resource "n": "page://{id" is no'],
  ['nothing that reads', { read: undefined as never }, 'Resource "n": it needs a read function'],
])('a resource with %s is refused [WF-9]', (_what, wrong, message) => {
  const define = () => defineResource({ name: 'n', uri: 'page://1', read: async () => '', ...wrong });
  expect(define).toThrow(expect.objectContaining({ code: 'invalid_definition' }));
  expect(define).toThrow(message);
});

test('what contents say is their text, as JSON where it is, and a list where there are several [WF-9]', () => {
  const blob = { uri: 'a://3', blob: 'AAAA' };
  const contents = [{ uri: 'a://1', text: '{"a":1}' }, { uri: 'a://2', text: 'words' }, blob];

  expect(valueOfContents(contents.slice(0, 1))).toEqual({ a: 1 });
  expect(valueOfContents(contents)).toEqual([{ a: 1 }, 'words', blob]);
  expect(resultOfContents(contents.slice(1, 2))).toEqual({
    content: [{ type: 'resource', resource: { uri: 'a://2', text: 'words' } }],
    structuredContent: { value: 'words' },
  });
});
