/**
 * The configurations in docs/hosts.md: each is in the format of its host, and its command line is one that the program
 * understands. What a host does with it otherwise is the host's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse as parseToml } from 'smol-toml';
import { parse as parseYaml } from 'yaml';
import { readOptions } from '../../../bin/serve-options.ts';
import { REPOSITORY_ROOT } from '../../../scripts/syntax.ts';

const PACKAGE = 'mcp-durable-tasks';
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  json: JSON.parse,
  toml: parseToml,
  yaml: parseYaml,
};
/** Under which key each host looks for its servers. */
const SERVERS = ['mcpServers', 'servers', 'mcp_servers', 'extensions'];

interface Configuration {
  readonly host: string;
  readonly language: string;
  readonly text: string;
}

function configurations(): Configuration[] {
  const page = readFileSync(join(REPOSITORY_ROOT, 'docs/hosts.md'), 'utf8');
  return page
    .split(/^## /m)
    .slice(1)
    .flatMap((section) => {
      const host = section.slice(0, section.indexOf('\n'));
      const fences = section.matchAll(/^```(\w+)\n(.*?)^```$/gms);
      return [...fences].map(({ 1: language = '', 2: text = '' }) => ({ host, language, text }));
    });
}

/** The program, and what it is started with. */
function commandLine({ language, text }: Configuration): { command: string; args: string[] } {
  const root = PARSERS[language]?.(text) as Record<string, Record<string, Record<string, unknown>>>;
  const [key = '', ...more] = Object.keys(root);
  expect([SERVERS.includes(key), more]).toEqual([true, []]);
  const [server = {}, ...others] = Object.values(Object.values(root)[0] ?? {});
  expect(others).toEqual([]);
  return { command: (server['command'] ?? server['cmd']) as string, args: server['args'] as string[] };
}

describe('docs/hosts.md', () => {
  const all = configurations();

  test('has a configuration for each host [DX-4]', () => {
    expect(all).toHaveLength(7);
    expect(new Set(all.map(({ host }) => host)).size).toBe(7);
  });

  test.each(all)('$host starts the program with options that it has [DX-4]', (configuration) => {
    const { command, args } = commandLine(configuration);
    const at = args.findIndex((arg) => arg === PACKAGE || arg.endsWith('/bin/serve.ts'));
    // npx asks whether it may install, unless told so, and the answer would be a message of MCP.
    expect([command, args.slice(0, at)]).toEqual(command === 'npx' ? ['npx', ['-y']] : [command, []]);

    const options = readOptions(args.slice(at + 1));

    expect(options).toMatchObject({ stdio: true, tools: expect.stringMatching(/^[/$].*\/tools\.ts$/) });
  });

  test('names the files that the hosts read as JSON, TOML and YAML [DX-4]', () => {
    expect(new Set(all.map(({ language }) => language))).toEqual(new Set(['json', 'toml', 'yaml']));
  });
});

test('the program of the package is the one that the configurations start [DX-4]', () => {
  const manifest = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly bin: Readonly<Record<string, string>>;
    readonly files: readonly string[];
  };

  expect(manifest.name).toBe(PACKAGE);
  expect(manifest.bin).toEqual({ [PACKAGE]: './dist/bin/mcp-durable-tasks.js' });
  expect(manifest.files).toContain('dist');
});
