/**
 * docs/clients.md, from what a run has seen. Rows of clients that could not be run here stay as they are in the committed
 * file; everything else is written anew.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BEHAVIOURS, type Behaviour, CLIENTS, SETTINGS, type Setting, type TestedClient } from './client-list.ts';
import type { ClientRun, Outcome } from './runner.ts';

export const DOCUMENT = fileURLToPath(new URL('../../docs/clients.md', import.meta.url));

const HEADINGS: Readonly<Record<Setting, string>> = {
  http: 'Over HTTP',
  stdio: 'Over stdio',
  turns: 'Two instances taking turns',
};

const EXPLANATIONS: Readonly<Record<Setting, string>> = {
  http: 'One server on SQLite; the restart is `kill -9`.',
  stdio: 'The client starts the server itself, `npx mcp-durable-tasks --stdio`; the restart is the host’s.',
  turns:
    'Two servers on one DynamoDB table; requests, answers to questions among them, go to each in turn, whatever task they\n' +
    'are for. The restart is `kill -9` of both.',
};

const WORDS: Readonly<Record<Outcome, string>> = { call: 'call', task: 'task', tools: 'tools', error: '**no**' };

const HEAD = `# Clients

Real MCP clients, at these versions, against this server: \`npm run clients\` installs them into \`.cache/\`, drives each, and
writes this file; \`npm test\` does the same and fails if a client no longer completes what it did, or if this file is
another one than the run gives. It takes some minutes, and 650 MB in \`.cache/\` the first time. Python and Go are used where
they are installed.

| | the client |
| --- | --- |
| short | calls a tool that answers at once |
| long | calls a tool that takes three seconds, in steps |
| question | calls a tool that asks its user for a form, and is given the answer |
| cancel | ends a task that would go on for ever |
| failure | learns why a tool failed: by an error of its own, and by an error of the protocol |
| restart | calls a tool that ends only after the server was ended and started anew in between |

How it got there: **task**, it followed a task by itself; **call**, by the answer of the call; **tools**, its model was
handed a task id and used \`task_status\`, \`task_respond\` and \`task_cancel\`. Calls of clients without tasks are kept open for
one second here, not 25, so that what takes longer is seen.
`;

export function readDocument(): string {
  return existsSync(DOCUMENT) ? readFileSync(DOCUMENT, 'utf8') : '';
}

export function documentOf(runs: readonly ClientRun[], committed: string): string {
  const parts = SETTINGS.map((setting) => {
    const kept = rowsOf(committed, HEADINGS[setting]);
    const rows = CLIENTS.filter(({ settings }) => settings.includes(setting)).flatMap((client) => {
      const run = runs.find((candidate) => candidate.client === client && candidate.setting === setting);
      const row = run === undefined ? kept.get(firstCells(client)) : rowOf(run);
      return row === undefined ? [] : [row];
    });
    const head = `| client | version | speaks | ${BEHAVIOURS.join(' | ')} |\n| ---${' | ---'.repeat(2 + BEHAVIOURS.length)} |`;
    return `## ${HEADINGS[setting]}\n\n${EXPLANATIONS[setting]}\n\n${head}\n${rows.join('\n')}\n`;
  });
  return `${HEAD}\n${parts.join('\n')}${notesOf()}`;
}

function rowOf({ client, seen }: ClientRun): string {
  const cells = BEHAVIOURS.map((behaviour) => cellOf(client, behaviour, seen[behaviour].outcome));
  return `${firstCells(client)} ${cells.join(' | ')} |`;
}

function cellOf(client: TestedClient, behaviour: Behaviour, outcome: Outcome): string {
  const why = client.cannot?.[behaviour];
  return why === undefined ? WORDS[outcome] : `no[^${client.id}-${behaviour}]`;
}

function firstCells({ id, name, version, speaks, remark }: TestedClient): string {
  const note = remark === undefined ? '' : `[^${id}]`;
  return `| ${name}${note} | ${version} | ${speaks} |`;
}

/** Of the table below a heading, by its first cells. */
function rowsOf(document: string, heading: string): ReadonlyMap<string, string> {
  const [, section = ''] = document.split(`## ${heading}\n`);
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| '));
  return new Map(rows.map((row) => [`${row.split(' | ').slice(0, 3).join(' | ')} |`, row]));
}

function notesOf(): string {
  const notes = CLIENTS.flatMap(({ id, remark, cannot = {} }) => [
    ...(remark === undefined ? [] : [`[^${id}]: ${remark}`]),
    ...Object.entries(cannot).map(([behaviour, why]) => `[^${id}-${behaviour}]: ${why}`),
  ]);
  return notes.length === 0 ? '' : `\n${notes.join('\n')}\n`;
}
