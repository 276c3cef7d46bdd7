/** The task server in a Fastify app that has a sign-in of its own. */
// #region fastify
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { type AuthInfo, createNodeHandler, type TaskServer } from '../src/index.ts';

/** `signIn` throws, or says who it is by credentials that it has verified: whose tasks these are. */
export function createFastifyApp(
  server: TaskServer,
  signIn: (request: FastifyRequest) => Promise<AuthInfo>,
): FastifyInstance {
  // Fastify itself stops at 1 MB; arguments and answers may be larger.
  const app = Fastify({ bodyLimit: 6 * 1024 * 1024, routerOptions: { ignoreTrailingSlash: true } });
  const handle = createNodeHandler(server);
  app.all('/mcp', async (request, reply) => {
    const auth = await signIn(request);
    reply.hijack();
    await handle(Object.assign(request.raw, { auth }), reply.raw, request.body);
  });
  return app;
}
// #endregion
