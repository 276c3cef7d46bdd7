/**
 * `research_topic` looks for answers to several questions side by side and keeps what it finds in the
 * task's variables; `research_notes` reads them, also while the research goes on. The sources are the
 * Markdown files of one folder.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { type CallToolResult, defineTaskTool, type PlainTool, type TaskTool } from '../src/index.ts';

const MAX_QUOTE_CHARACTERS = 600;

export function createResearchTopic(folder: string): TaskTool {
  return defineTaskTool({
    name: 'research_topic',
    title: 'Research a topic',
    description: 'Looks for passages about a topic in a folder of Markdown files, for several questions at once.',
    inputSchema: z.object({
      topic: z.string().min(1).max(100),
      questions: z.array(z.string().min(1).max(200)).min(1).max(8).default(['what', 'when', 'limits', 'failure']),
    }),
    // #region research-topic
    async run({ topic, questions }, task) {
      await task.variables.merge({ topic, questions });
      const findings = await task.map('questions', questions, async (branch, question, index) => {
        const passage = await branch.step('search', () => bestPassage(folder, `${topic} ${question}`));
        await branch.variables.set(`finding-${index + 1}`, { question, ...passage });
        task.progress(`answered: ${question}`);
        return `${question}: ${passage.text} (${passage.source})`;
      });
      return text(findings.getResults().join('\n\n'));
    },
    // #endregion
  });
}

// #region research-notes
export const researchNotes: PlainTool = defineTaskTool({
  name: 'research_notes',
  title: 'Notes of a research task',
  description: 'The findings so far of the research task that this call is bound to by its _meta.',
  inputSchema: z.object({}),
  taskSupport: 'forbidden',
  async run(_args, call) {
    if (call.related === undefined) {
      return {
        ...text('Bind this call to a task: _meta["io.modelcontextprotocol/related-task"] = { taskId }'),
        isError: true,
      };
    }
    const variables = await call.related.variables.all();
    return { ...text(JSON.stringify(variables, null, 2)), structuredContent: variables };
  },
});
// #endregion

export const researchTopic = createResearchTopic(
  process.env['RESEARCH_ROOT'] ?? fileURLToPath(new URL('../docs/', import.meta.url)),
);

// A type, not an interface: variables take JSON, which an interface is not assignable to.
type Passage = { readonly source: string; readonly text: string };

/** The paragraph that has most of the words, the shortest of those where several do. */
async function bestPassage(folder: string, query: string): Promise<Passage> {
  const words = query.toLowerCase().match(/\p{L}{3,}/gu) ?? [];
  const names = (await readdir(folder)).filter((name) => name.endsWith('.md')).sort();
  let best: Passage & { readonly score: number; readonly length: number } = {
    source: 'none',
    text: 'nothing found',
    score: 0,
    length: 0,
  };
  for (const name of names) {
    const paragraphs = (await readFile(join(folder, name), 'utf8')).split(/\n\s*\n/);
    for (const paragraph of paragraphs) {
      const lower = paragraph.toLowerCase();
      const score = words.filter((word) => lower.includes(word)).length;
      const isShorter = score === best.score && paragraph.length < best.length;
      if (score > 0 && (score > best.score || isShorter))
        best = { source: name, text: paragraph.trim().slice(0, MAX_QUOTE_CHARACTERS), score, length: paragraph.length };
    }
  }
  return { source: best.source, text: best.text };
}

function text(content: string): CallToolResult {
  return { content: [{ type: 'text', text: content }] };
}
