/** A task server inside a program of one's own, which has its own HTTP server and its own sign-in. */

import { SqliteBackend } from '../src/backends/sqlite.ts';
// #region embedded
import { createTaskServer, type TaskServer } from '../src/index.ts';
import tools from './tools.ts';

export async function startTasks(databaseFile: string): Promise<TaskServer> {
  const server = createTaskServer({
    name: 'my-host',
    version: '1.0.0',
    tools,
    backend: new SqliteBackend({ path: databaseFile }),
  });
  await server.start();
  return server;
}
// #endregion
