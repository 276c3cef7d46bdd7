/** A word that infrastructure and functions must agree on is written once: in lambda/shared/words.ts. */
import { describe, expect, test } from '@jest/globals';
import {
  CACHE_KEY_PREFIX,
  MCP_PATH,
  METADATA_PATHS,
  METRICS,
  METRICS_NAMESPACE,
  SERVICE,
  VARIABLES,
} from '../../lambda/shared/words.ts';
import {
  isNode,
  nameOf,
  REPOSITORY_ROOT,
  readSources,
  type SourceFile,
  syntaxOf,
  textOf,
} from '../../scripts/syntax.ts';
import { TABLE_KEYS, TTL_ATTRIBUTE } from '../../src/backends/dynamodb-attributes.ts';

const HOME = 'lambda/shared/words.ts';

/** Those that mean nothing else. What a setting may say, such as `none`, is held by its type. */
const WORDS = [
  MCP_PATH,
  ...METADATA_PATHS,
  SERVICE,
  METRICS_NAMESPACE,
  CACHE_KEY_PREFIX,
  ...Object.values(METRICS),
  ...Object.values(VARIABLES),
  ...Object.values(TABLE_KEYS),
  TTL_ATTRIBUTE,
];

function wordComplaints(file: SourceFile): string[] {
  const nodes = [...syntaxOf(file)];
  // An alarm may be called what its metric is called: the id is the alarm's own.
  const ids = new Set(nodes.flatMap((node) => (nameOf(node.key) === 'id' && isNode(node.value) ? [node.value] : [])));
  const texts = nodes.flatMap((node) => (ids.has(node) ? [] : (textOf(node) ?? [])));
  return WORDS.filter((word) => texts.some((text) => holds(text, word))).map(
    (word) => `${file.path} writes "${word}". Instead: import it from ${HOME}.`,
  );
}

function holds(text: string, word: string): boolean {
  const at = text.indexOf(word);
  if (at < 0) return false;
  const [before = '', after = ''] = [text.slice(0, at).at(-1), text[at + word.length]];
  return !/[\w-]/.test(before) && !/[\w./-]/.test(after);
}

describe('a word that lib/ and lambda/ share', () => {
  test('is written in one file [AES-4]', () => {
    const files = readSources(REPOSITORY_ROOT, 'lib', 'lambda').filter(({ path }) => path !== HOME);

    expect(files.length).toBeGreaterThan(20);
    expect(files.flatMap(wordComplaints)).toEqual([]);
  });

  test.each([
    ["const path = '/mcp';", '/mcp'],
    ['const url = `https://${host}/mcp`;', '/mcp'],
    ["metric('TasksFailed')", 'TasksFailed'],
    ["const access = 'on ~mcp-tasks:* -@all';", 'mcp-tasks:'],
    ["const name = 'TASKS_QUEUE_URL';", 'TASKS_QUEUE_URL'],
    ["const key = { name: 'PK' };", 'PK'],
  ])('is found where it stands a second time: %s', (text, word) => {
    expect(wordComplaints({ path: 'lib/a.ts', text })).toEqual([expect.stringContaining(`"${word}"`)]);
  });

  test.each(["const alarm = { id: 'TasksParked' };", "import '../mcp.ts';", '// at /mcp', 'process.env.TASKS_BACKEND'])(
    'is not seen in %s',
    (text) => {
      expect(wordComplaints({ path: 'lib/a.ts', text })).toEqual([]);
    },
  );
});
