#!/usr/bin/env node
/** The local server alone: `mcp-durable-tasks serve`, for who starts it by its file. */
import { serveCommand } from './serve-command.ts';

await serveCommand(process.argv.slice(2));
