#!/usr/bin/env node
/**
 * The program of the package: `serve` runs a server on this machine, `tasks` looks into what servers keep and steps in.
 * Options alone mean `serve`, as in the configurations of hosts. Each command is loaded when it is asked for.
 */
const HELP = `Usage: npx mcp-durable-tasks <command> [options]

  serve    a server on this machine, over HTTP or stdio; the default where only options are given
  tasks    for operators: list, show, watch, answer, cancel, wake, retry, export and erase tasks, find what is stuck

npx mcp-durable-tasks serve --help and npx mcp-durable-tasks tasks --help say more.
`;

const [command, ...args] = process.argv.slice(2);

switch (command) {
  case 'tasks': {
    const { tasksCommand } = await import('./tasks-command.ts');
    process.exitCode = await tasksCommand(args);
    break;
  }
  case 'serve': {
    const { serveCommand } = await import('./serve-command.ts');
    await serveCommand(args);
    break;
  }
  case 'help':
    process.stdout.write(HELP);
    break;
  default:
    if (command === undefined || command.startsWith('-')) {
      const { serveCommand } = await import('./serve-command.ts');
      await serveCommand(process.argv.slice(2));
    } else {
      process.stderr.write(`mcp-durable-tasks: there is no command "${command}": use serve or tasks\n`);
      process.exitCode = 2;
    }
}
