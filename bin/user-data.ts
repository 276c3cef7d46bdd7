/**
 * Where tasks are kept that a host's server makes, unless told otherwise. Not in the working directory: hosts start their
 * servers in one that they choose (a project, a home folder, the root), and another one the next time. Not one file for
 * all: whoever opens a file runs the tasks in it, and needs their tools.
 */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { basename, extname, isAbsolute, join, resolve } from 'node:path';

const FOLDER = 'mcp-durable-tasks';
const DIGITS = 8;

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The same for the same module of tools, wherever the host starts the program. */
export function userDataFile(tools: string, machine: Machine = thisMachine()): string {
  const module = resolve(tools);
  const digest = createHash('sha256').update(module).digest('hex').slice(0, DIGITS);
  return join(userDataFolder(machine), FOLDER, `${basename(module, extname(module))}-${digest}.sqlite`);
}

function userDataFolder({ platform, home, env }: Machine): string {
  switch (platform) {
    case 'win32':
      return env.LOCALAPPDATA ?? join(home, 'AppData', 'Local');
    case 'darwin':
      return join(home, 'Library', 'Application Support');
    default: {
      // https://specifications.freedesktop.org/basedir-spec/latest/: relative ones are to be passed over.
      const { XDG_DATA_HOME: data } = env;
      return data !== undefined && isAbsolute(data) ? data : join(home, '.local', 'share');
    }
  }
}

function thisMachine(): Machine {
  return { platform: process.platform, home: homedir(), env: process.env };
}
