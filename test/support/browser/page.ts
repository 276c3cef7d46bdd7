/** A web page of this machine, on an origin of its own, with the guide's client in it: `host.callTool(…)`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { REPOSITORY_ROOT } from '../../../scripts/syntax.ts';

export interface ServedPage {
  readonly port: number;
  close(): Promise<void>;
}

export async function servePageWithClient(): Promise<ServedPage> {
  const { outputFiles } = await build({
    entryPoints: [join(REPOSITORY_ROOT, 'examples/official-client.ts')],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'host',
    platform: 'browser',
    target: 'es2022',
  });
  const script = outputFiles[0]?.text ?? '';
  const server = createServer((request, response) => {
    if (request.url === '/host.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    else response.writeHead(200, { 'content-type': 'text/html' }).end('<script src="/host.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
