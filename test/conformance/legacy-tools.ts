/**
 * The fixtures that the suite calls in the revisions before 2026-07-28: plain tools that ask their client within the call,
 * which the client is asked on the call's own stream, and resources that can be watched.
 */
import type { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { type AnyTool, defineTaskTool, inputRequired, type JsonObject } from '../../src/index.ts';

type Requests = NonNullable<Parameters<typeof inputRequired>[0]['inputRequests']>;

const KEY = 'asked';

interface AskingTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: z.ZodObject;
  readonly request: (args: Readonly<Record<string, string>>) => Requests[string];
  readonly reply: (answer: unknown) => string;
}

const ELICITED = (answer: unknown): string => {
  const { action, content } = answer as { readonly action: string; readonly content?: unknown };
  return `action=${action}, content=${JSON.stringify(content ?? {})}`;
};

const form = (message: string, properties: JsonObject, required: readonly string[] = []): Requests[string] =>
  inputRequired.elicit({ message, requestedSchema: { type: 'object', properties, required: [...required] } as never });

const ASKING: readonly AskingTool[] = [
  {
    name: 'test_sampling',
    description: 'Asks the client’s model.',
    inputSchema: z.object({ prompt: z.string() }),
    request: ({ prompt = '' }) =>
      inputRequired.createMessage({
        messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
        maxTokens: 100,
      }),
    reply: (answer) => `LLM response: ${JSON.stringify((answer as { readonly content: unknown }).content)}`,
  },
  {
    name: 'test_elicitation',
    description: 'Asks the person.',
    inputSchema: z.object({ message: z.string() }),
    request: ({ message = '' }) =>
      form(
        message,
        {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        },
        ['username', 'email'],
      ),
    reply: (answer) => `User response: ${ELICITED(answer)}`,
  },
  {
    name: 'test_elicitation_sep1034_defaults',
    description: 'Asks with a default for each kind of field.',
    inputSchema: z.object({}),
    request: () =>
      form('Please review', {
        name: { type: 'string', default: 'John Doe' },
        age: { type: 'integer', default: 30 },
        score: { type: 'number', default: 95.5 },
        status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
        verified: { type: 'boolean', default: true },
      }),
    reply: (answer) => `Elicitation completed: ${ELICITED(answer)}`,
  },
  {
    name: 'test_elicitation_sep1330_enums',
    description: 'Asks with each kind of choice.',
    inputSchema: z.object({}),
    request: () =>
      form('Please choose', {
        untitledSingle: { type: 'string', enum: ['option1', 'option2', 'option3'] },
        titledSingle: { type: 'string', oneOf: titled('Option') },
        legacyEnum: {
          type: 'string',
          enum: ['opt1', 'opt2', 'opt3'],
          enumNames: ['Option One', 'Option Two', 'Option Three'],
        },
        untitledMulti: { type: 'array', items: { type: 'string', enum: ['option1', 'option2', 'option3'] } },
        titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
      }),
    reply: (answer) => `Elicitation completed: ${ELICITED(answer)}`,
  },
];

function titled(what: string): JsonObject[] {
  return ['First', 'Second', 'Third'].map((nth, index) => ({ const: `value${index + 1}`, title: `${nth} ${what}` }));
}

export const legacyTools: readonly AnyTool[] = ASKING.map(({ name, description, inputSchema, request, reply }) =>
  defineTaskTool({
    name,
    description,
    taskSupport: 'forbidden',
    inputSchema,
    run: async (args, call) => {
      const answer = call.inputResponses?.[KEY];
      if (answer === undefined) {
        return inputRequired({ inputRequests: { [KEY]: request(args as Record<string, string>) } });
      }
      return { content: [{ type: 'text', text: reply(answer) }] };
    },
  }),
);

/** The fixtures never change, so nobody who watches one is ever to be told. */
export function registerWatching(mcp: McpServer): void {
  mcp.server.registerCapabilities({ resources: { subscribe: true, listChanged: false } });
  mcp.server.setRequestHandler('resources/subscribe', () => ({}));
  mcp.server.setRequestHandler('resources/unsubscribe', () => ({}));
}
