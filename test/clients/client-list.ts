/** The clients, with what each is driven by, where it comes from, and what it cannot do for a reason of its own. */
import type { Installation } from './installation.ts';

export const BEHAVIOURS = ['short', 'long', 'question', 'cancel', 'failure', 'restart'] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export const SETTINGS = ['http', 'stdio', 'turns'] as const;
/** `turns`: two instances on DynamoDB that get each other request. */
export type Setting = (typeof SETTINGS)[number];

export interface TestedClient {
  readonly id: string;
  /** As the table names it. */
  readonly name: string;
  readonly version: string;
  /** The revision of the protocol. */
  readonly speaks: string;
  readonly installation: Installation;
  /** A file of `drivers/`, or the program of Go. */
  readonly driver: string;
  /** For drivers of several clients. */
  readonly variant?: string;
  /** Whether it follows tasks; else its calls are answered after a short time. */
  readonly followsTasks: boolean;
  readonly settings: readonly Setting[];
  /** More of the command line of `bin/serve.ts`. */
  readonly serverArgs?: readonly string[];
  /** What a reader of the table should know of it. */
  readonly remark?: string;
  /** Why it does not complete what others do, for a reason of the client's. */
  readonly cannot?: Partial<Readonly<Record<Behaviour, string>>>;
}

export const CLIENTS: readonly TestedClient[] = [
  {
    id: 'ext-tasks-modern',
    name: '`@modelcontextprotocol/ext-tasks`',
    version: '0.2.2',
    speaks: '2026-07-28',
    installation: 'npm',
    driver: 'ext-tasks.ts',
    variant: 'modern',
    followsTasks: true,
    settings: ['http', 'stdio', 'turns'],
  },
  {
    id: 'ext-tasks-legacy',
    name: '`@modelcontextprotocol/ext-tasks`',
    version: '0.2.2',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'ext-tasks.ts',
    variant: 'legacy',
    followsTasks: true,
    settings: ['http', 'stdio', 'turns'],
  },
  {
    id: 'vscode',
    name: 'VS Code (a script that behaves so)',
    version: 'from its source',
    speaks: '2025-11-25',
    installation: 'none',
    driver: 'vscode.ts',
    followsTasks: true,
    settings: ['http', 'stdio', 'turns'],
    remark:
      'VS Code itself sends no tasks/cancel: here its model found the task with task_list and ended it with task_cancel.',
  },
  {
    id: 'sdk-v1-tasks',
    name: '`@modelcontextprotocol/sdk`, `experimental.tasks`',
    version: '1.32.2',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'sdk-v1.ts',
    variant: 'tasks',
    followsTasks: true,
    settings: ['http', 'stdio', 'turns'],
    remark: 'Why a task failed is in the status message that comes before its error, which only says that it failed.',
  },
  {
    id: 'fastmcp-tasks',
    name: 'FastMCP, `fastmcp-tasks`',
    version: '4.1.4',
    speaks: '2026-07-28',
    installation: 'fastmcp-tasks',
    driver: 'fastmcp-tasks.py',
    followsTasks: true,
    settings: ['http', 'stdio'],
    serverArgs: ['--headers', 'lenient'],
    remark: 'It sends no Mcp-Name with tasks/…: over HTTP it needs a server with --headers lenient.',
  },
  {
    id: 'sdk-v2-modern',
    name: '`@modelcontextprotocol/client`',
    version: '2.4.0',
    speaks: '2026-07-28',
    installation: 'npm',
    driver: 'sdk-v2.ts',
    variant: 'modern',
    followsTasks: false,
    settings: ['http', 'stdio', 'turns'],
  },
  {
    id: 'sdk-v2-legacy',
    name: '`@modelcontextprotocol/client`',
    version: '2.4.0',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'sdk-v2.ts',
    variant: 'legacy',
    followsTasks: false,
    settings: ['http', 'stdio', 'turns'],
  },
  {
    id: 'sdk-v1',
    name: '`@modelcontextprotocol/sdk`',
    version: '1.32.2',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'sdk-v1.ts',
    variant: 'plain',
    followsTasks: false,
    settings: ['http', 'stdio'],
  },
  {
    id: 'mcp-remote',
    name: '`mcp-remote` under that client',
    version: '0.15.1',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'sdk-v1.ts',
    variant: 'bridge',
    followsTasks: false,
    settings: ['http'],
  },
  {
    id: 'inspector-modern',
    name: 'MCP Inspector, command line',
    version: '2.12.0',
    speaks: '2026-07-28',
    installation: 'npm',
    driver: 'inspector.ts',
    variant: 'modern',
    followsTasks: true,
    settings: ['http'],
    cannot: {
      question: 'It follows tasks, but declares no elicitation: the tool is told at once that nobody can be asked.',
      cancel: 'It follows a task until it ends, and has no command that ends one.',
    },
  },
  {
    id: 'inspector-legacy',
    name: 'MCP Inspector, command line',
    version: '2.12.0',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'inspector.ts',
    variant: 'legacy',
    followsTasks: false,
    settings: ['http'],
  },
  {
    id: 'ai-sdk',
    name: '`@ai-sdk/mcp`',
    version: '2.0.99',
    speaks: '2026-07-28',
    installation: 'npm',
    driver: 'ai-sdk.ts',
    followsTasks: false,
    settings: ['http', 'stdio'],
  },
  {
    id: 'langchain',
    name: '`@langchain/mcp-adapters`',
    version: '1.1.4',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'langchain.ts',
    followsTasks: false,
    settings: ['http', 'stdio'],
    remark: 'It answers no questions: its model does, by task_respond.',
  },
  {
    id: 'mastra-modern',
    name: '`@mastra/mcp`',
    version: '2.0.0',
    speaks: '2026-07-28',
    installation: 'npm',
    driver: 'mastra.ts',
    variant: 'modern',
    followsTasks: false,
    settings: ['http', 'stdio'],
    remark: 'Its model is shown the structured content only.',
  },
  {
    id: 'mastra-legacy',
    name: '`@mastra/mcp`',
    version: '2.0.0',
    speaks: '2025-11-25',
    installation: 'npm',
    driver: 'mastra.ts',
    variant: 'legacy',
    followsTasks: false,
    settings: ['http'],
    remark: 'Its model is shown the structured content only; of this revision it answers no questions.',
  },
  {
    id: 'python-sdk-modern',
    name: 'Python SDK, `mcp`',
    version: '2.3.0',
    speaks: '2026-07-28',
    installation: 'python-sdk',
    driver: 'python-sdk.py',
    variant: 'modern',
    followsTasks: false,
    settings: ['http', 'stdio'],
  },
  {
    id: 'python-sdk-legacy',
    name: 'Python SDK, `mcp`',
    version: '2.3.0',
    speaks: '2025-11-25',
    installation: 'python-sdk',
    driver: 'python-sdk.py',
    variant: 'legacy',
    followsTasks: false,
    settings: ['http', 'stdio'],
  },
  {
    id: 'fastmcp-modern',
    name: 'FastMCP',
    version: '4.2.3',
    speaks: '2026-07-28',
    installation: 'fastmcp',
    driver: 'fastmcp-plain.py',
    variant: 'modern',
    followsTasks: false,
    settings: ['http', 'stdio'],
  },
  {
    id: 'fastmcp-legacy',
    name: 'FastMCP',
    version: '4.2.3',
    speaks: '2025-11-25',
    installation: 'fastmcp',
    driver: 'fastmcp-plain.py',
    variant: 'legacy',
    followsTasks: false,
    settings: ['http'],
  },
  {
    id: 'go-sdk-modern',
    name: 'Go SDK',
    version: '1.8.0',
    speaks: '2026-07-28',
    installation: 'go',
    driver: 'client',
    variant: 'modern',
    followsTasks: false,
    settings: ['http', 'stdio'],
  },
  {
    id: 'go-sdk-legacy',
    name: 'Go SDK',
    version: '1.8.0',
    speaks: '2025-11-25',
    installation: 'go',
    driver: 'client',
    variant: 'legacy',
    followsTasks: false,
    settings: ['http'],
  },
];
