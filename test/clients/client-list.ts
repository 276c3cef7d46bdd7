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
    settings: ['http', 'stdio'],
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
    settings: ['http', 'stdio'],
  },
];
