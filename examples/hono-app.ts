/** The task server in a Hono app that has a sign-in of its own. */
// #region hono
import { Hono } from 'hono';
import type { AuthInfo, TaskServer } from '../src/index.ts';

/** `signIn` throws, or says who it is by credentials that it has verified: whose tasks these are. */
export function createHonoApp(server: TaskServer, signIn: (request: Request) => Promise<AuthInfo>): Hono {
  const app = new Hono({ strict: false });
  app.all('/mcp', async (c) => server.fetch(c.req.raw, { authInfo: await signIn(c.req.raw) }));
  return app;
}
// #endregion
