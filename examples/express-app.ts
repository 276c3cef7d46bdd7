/** The task server in an Express app that parses JSON bodies and has a sign-in of its own. */
// #region express
import express, { type Express, type RequestHandler } from 'express';
import { createNodeHandler, type TaskServer } from '../src/index.ts';

/** `signIn` sets `req.auth`, from credentials that it has verified: whose tasks these are. */
export function createExpressApp(server: TaskServer, signIn: RequestHandler): Express {
  const app = express();
  // Express itself stops at 100 kB; arguments and answers may be larger.
  app.use(express.json({ limit: '6mb' }));
  app.all('/mcp', signIn, createNodeHandler(server));
  return app;
}
// #endregion
