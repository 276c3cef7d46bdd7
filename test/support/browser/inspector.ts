/** The real MCP Inspector, with the page that it serves, fetched into the cache at an exact version. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached, freePort, run, startEngine } from '../engines/process.ts';

const VERSION = '2.12.0';

export interface Inspector {
  /** Of its page. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Its page lists one server, at `serverUrl`, spoken to in `era`. */
export async function startInspector(serverUrl: string, era: 'modern' | 'legacy'): Promise<Inspector> {
  const folder = await cached(`inspector-${VERSION}`, `the MCP Inspector ${VERSION} (110 MB)`, async (draft) => {
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', draft];
    await run('npm', ['install', ...flags, `@modelcontextprotocol/inspector@${VERSION}`]);
  });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const home = await mkdtemp(join(tmpdir(), 'inspector-'));
  const page = join(folder, 'node_modules/@modelcontextprotocol/inspector/clients/web/build/index.js');
  const engine = await startEngine({
    name: 'the MCP Inspector',
    command: process.execPath,
    args: [page, '--server-url', serverUrl, '--transport', 'http', '--protocol-era', era],
    env: {
      HOME: home,
      MCP_STORAGE_DIR: home,
      MCP_INSPECTOR_SECRET_STORE: 'memory',
      MCP_AUTO_OPEN_ENABLED: 'false',
      DANGEROUSLY_OMIT_AUTH: 'true',
      CLIENT_PORT: String(port),
      MCP_SANDBOX_PORT: '0',
      // Jest's own flags are not its.
      NODE_OPTIONS: '',
    },
    scratchFolder: home,
    answers: async () => (await fetch(url)).ok,
  });
  return { url, stop: () => engine.stop() };
}
