/** The fixtures that answer at once with one kind of content, or take arguments of one kind. */
import { fromJsonSchema } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { type AnyTool, type CallToolResult, defineTaskTool } from '../../src/index.ts';
import { PNG, WAV } from './samples.ts';

interface Answering {
  readonly name: string;
  readonly description: string;
  readonly content: CallToolResult['content'];
}

const ANSWERING: readonly Answering[] = [
  {
    name: 'test_simple_text',
    description: 'Answers with a text.',
    content: [{ type: 'text', text: 'This is a simple text response for testing.' }],
  },
  {
    name: 'test_image_content',
    description: 'Answers with an image.',
    content: [{ type: 'image', ...PNG }],
  },
  {
    name: 'test_audio_content',
    description: 'Answers with a sound.',
    content: [{ type: 'audio', ...WAV }],
  },
  {
    name: 'test_embedded_resource',
    description: 'Answers with a resource.',
    content: [
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ],
  },
  {
    name: 'test_multiple_content_types',
    description: 'Answers with a text, an image and a resource.',
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      { type: 'image', ...PNG },
      {
        type: 'resource',
        resource: {
          uri: 'test://mixed-content-resource',
          mimeType: 'application/json',
          text: '{"test":"data","value":123}',
        },
      },
    ],
  },
];

const errorHandling = defineTaskTool({
  name: 'test_error_handling',
  description: 'Always fails.',
  taskSupport: 'forbidden',
  inputSchema: z.object({}),
  run: () => Promise.reject(new Error('This tool intentionally returns an error for testing')),
});

const headerParameter = defineTaskTool({
  name: 'test_header_parameter',
  description: 'Takes an argument that is repeated in a header (SEP-2243).',
  taskSupport: 'forbidden',
  inputSchema: z.object({ region: z.string().meta({ 'x-mcp-header': 'Region' }) }),
  run: async ({ region }) => ({ content: [{ type: 'text', text: `Region: ${region}` }] }),
});

/** What must come out of `tools/list` as it went in. */
const richSchema = fromJsonSchema({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema; nobody awaits this object.
  then: { required: ['phone'] }, // oxlint-disable-line unicorn/no-thenable
  else: { required: ['email'] },
  additionalProperties: false,
});

const jsonSchema = defineTaskTool({
  name: 'json_schema_2020_12_tool',
  description: 'Tool with JSON Schema 2020-12 features',
  taskSupport: 'forbidden',
  inputSchema: richSchema,
  run: async (args) => ({ content: [{ type: 'text', text: JSON.stringify(args) }] }),
});

export const contentTools: readonly AnyTool[] = [
  ...ANSWERING.map(({ name, description, content }) =>
    defineTaskTool({
      name,
      description,
      taskSupport: 'forbidden',
      inputSchema: z.object({}),
      run: async () => ({ content }),
    }),
  ),
  errorHandling,
  headerParameter,
  jsonSchema,
];
