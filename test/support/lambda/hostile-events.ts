/**
 * HTTP requests that no well-behaved client sends, as API Gateway hands them to the function, as data. Each is meant
 * for both kinds of event; what is expected of each is spelled out.
 */
import { PROTOCOL_VERSION } from '../mcp-requests.ts';
import type { EventParts } from './events.ts';

export interface HostileEvent {
  readonly name: string;
  readonly parts: EventParts;
  /** Over the event's own members. */
  readonly changes?: Readonly<Record<string, unknown>>;
  readonly status: number;
}

const shown = (text: string) => JSON.stringify(text).slice(0, 80);

const methods: readonly HostileEvent[] = [
  ...[
    'TRACE',
    'CONNECT',
    'TRACK',
    '',
    ' ',
    'PO ST',
    ' POST',
    'POST ',
    'post',
    'POST\r\n',
    'POST /x',
    'FOO',
    'PROPFIND',
    'M-SEARCH',
    '😀',
    '\u0000',
    'ÄÖ',
    '__proto__',
    'constructor',
    'x'.repeat(5_000),
  ].map((method) => ({ name: `the method ${shown(method)}`, parts: { method }, status: 405 })),
  ...['GET', 'DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD'].map((method) => ({
    name: `the method ${method}`,
    parts: { method },
    status: 405,
  })),
];

const UNREADABLE_VALUES = [
  '😀',
  'a\r\nb',
  'a\nb',
  'a\rb',
  'a\r\n',
  '\r\na',
  'a\u0000b',
  'a\u0001b',
  '\u007f',
  '\u0100',
  '\ud800',
  '\u2028',
  'a\r\nx-other: b',
  '日本語',
];
const UNREADABLE_NAMES = [
  'a b',
  '',
  ' ',
  'ü',
  'a:b',
  'a\r\nb',
  'a\n',
  '😀',
  '(x)',
  'a\u0000',
  'a/b',
  '"x"',
  'a,b',
  '[x]',
  '{x}',
  '\ud800',
];
const headers: readonly HostileEvent[] = [
  ...['x-any', 'authorization', 'mcp-method'].flatMap((header) =>
    UNREADABLE_VALUES.map((value) => ({
      name: `the header ${header} with ${shown(value)}`,
      parts: { rawHeaders: [header, value] },
      status: 400,
    })),
  ),
  ...UNREADABLE_NAMES.map((name) => ({
    name: `a header called ${shown(name)}`,
    parts: { rawHeaders: [name, 'x'] },
    status: 400,
  })),
];

const paths: readonly HostileEvent[] = [
  ...[
    '/',
    '//mcp',
    '/mcp//',
    '/mcp%2f',
    '/mcp%00',
    '/MCP',
    '/mcp;x',
    '/mcp/../etc',
    '/😀',
    '/%ff',
    '/%',
    '/\ud800',
    '/x\r\ny',
    `/${'a/'.repeat(4_000)}`,
    '/.well-known/oauth-protected-resource',
    '/.well-known/openid-configuration',
    'mcp2',
    '',
  ].map((path) => ({ name: `the path ${shown(path)}`, parts: {}, changes: { path, rawPath: path }, status: 404 })),
];

const JSON_HEADERS = [
  ...['content-type', 'application/json', 'accept', 'application/json, text/event-stream'],
  ...['mcp-protocol-version', PROTOCOL_VERSION, 'mcp-method', 'server/discover'],
];
const DEEP = 20_000;
const bodies: readonly HostileEvent[] = [
  ...[
    '',
    'null',
    '5',
    '"x"',
    'true',
    '[]',
    '{}',
    '{',
    '[{}]',
    '\u0000',
    '\ufeff',
    '<xml/>',
    'a=b',
    `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
    `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
    '{"jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","id":{},"method":"server/discover"}',
    '{"jsonrpc":"2.0","id":1,"method":5}',
    '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":5}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
    '{"__proto__":{"jsonrpc":"2.0","id":1,"method":"server/discover"}}',
    `{"jsonrpc":"2.0","id":1,"method":"${'x'.repeat(100_000)}"}`,
  ].map((body) => ({
    name: `the body ${shown(body)}`,
    parts: { rawHeaders: JSON_HEADERS, body },
    status: 400,
  })),
  {
    name: 'a body that is no base64',
    parts: { rawHeaders: JSON_HEADERS },
    changes: { body: '😀 not base64', isBase64Encoded: true },
    status: 400,
  },
  { name: 'no body', parts: { rawHeaders: JSON_HEADERS }, changes: { body: null }, status: 400 },
  { name: 'no content type', parts: { body: '{}' }, status: 415 },
  {
    name: 'a content type that comes twice',
    parts: { rawHeaders: [...JSON_HEADERS, 'Content-Type', 'text/plain'], body: '{}' },
    status: 415,
  },
];

export const HOSTILE_EVENTS: readonly HostileEvent[] = [...methods, ...headers, ...paths, ...bodies];
