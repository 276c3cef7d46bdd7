/**
 * The command line of MCP's Inspector: a process for each call, so that nothing outlives one, and every connection is a new
 * one. The variant is its era: on 2026-07-28 it follows tasks.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { answerOf, driveFollowing, drivePlain, type PlainClient, target, variant } from './driver.ts';

const INSPECTOR = `${process.env['CLIENTS_FOLDER']}/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js`;
const server = 'url' in target ? ['--server-url', target.url, '--transport', 'http'] : [target.command, ...target.args];

const client: PlainClient = {
  call: async (name, args) => {
    const call = ['--method', 'tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)];
    const options = ['--protocol-era', variant, '--format', 'json', '--quiet', ...call];
    // The command of a server comes last, and takes what follows for its own.
    const line = 'url' in target ? [...options, ...server] : [...options, '--', ...server];
    return answerOf(JSON.parse(await printed([INSPECTOR, '--cli', ...line])).result);
  },
  close: async () => {},
};

await (variant === 'modern' ? driveFollowing(client) : drivePlain(async () => client));

/** A tool's own error is printed like a result, and an error of the protocol with the other errors. */
async function printed(line: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(process.execPath, line)).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    if (stdout !== undefined && stdout !== '') return stdout;
    throw new Error(stderr, { cause: error });
  }
}
