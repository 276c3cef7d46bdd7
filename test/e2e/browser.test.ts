/**
 * Clients in a real browser: the page of the real MCP Inspector, which reaches the server through its own process (it has no
 * other way since its second version), and a page of another origin that speaks to the server itself.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Browser, Page } from 'puppeteer-core';
import * as z from 'zod';
import { MemoryBackend } from '../../src/backends/memory.ts';
import {
  createNodeHandler,
  defineTaskTool,
  type LocalServer,
  silentLogger,
  startLocalServer,
} from '../../src/index.ts';
import { onlyOrigins, withOrigins } from '../../src/protocol/cross-origin.ts';
import { findChromium, startBrowser } from '../support/browser/chromium.ts';
import { type Inspector, startInspector } from '../support/browser/inspector.ts';
import { type ServedPage, servePageWithClient } from '../support/browser/page.ts';
import { PATIENCE_MS } from '../support/until.ts';

const chromium = await findChromium();
const inBrowser = chromium === undefined ? describe.skip : describe;

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] });
const tools = [
  defineTaskTool({
    name: 'steep',
    description: 'Waits a second.',
    inputSchema: z.object({ tea: z.string() }),
    async run({ tea }, task) {
      await task.wait('steeping', { seconds: 1 });
      return text(`${tea} is ready`);
    },
  }),
  defineTaskTool({
    name: 'approve',
    description: 'Asks a person.',
    inputSchema: z.object({ release: z.string() }),
    async run({ release }, task) {
      const properties = { approver: { type: 'string', title: 'Approver' } };
      const answer = await task.elicit({
        message: `Approve ${release}?`,
        requestedSchema: { type: 'object', properties, required: ['approver'] },
      });
      return text(`${release} approved by ${String(answer.content?.['approver'])}`);
    },
  }),
];

const OPEN_TOOLS = `(() => {
  if (document.body.innerText.includes('Tools (')) return true;
  [...document.querySelectorAll('label')].find(({ innerText }) => innerText === 'Tools')?.click();
  return false;
})()`;

let browser: Browser;
let server: LocalServer;
let page: Page;

inBrowser('in a browser', () => {
  beforeAll(async () => {
    if (chromium === undefined) throw new Error('There is no browser.');
    browser = await startBrowser(chromium);
    server = await startLocalServer({
      name: 'browsed',
      version: '1',
      tools,
      backend: new MemoryBackend(),
      logger: silentLogger,
      allowAnonymous: true,
      port: 0,
    });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  beforeEach(async () => {
    page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.setViewport({ width: 1400, height: 900 });
  });
  afterEach(() => page.close());

  describe.each(['modern', 'legacy'] as const)('the MCP Inspector, in the %s era,', (era) => {
    let inspector: Inspector;
    beforeAll(async () => {
      inspector = await startInspector(server.url, era);
    });
    afterAll(() => inspector?.stop());

    test('lists the tools, calls one and shows its result [DX-1 MOD-1]', async () => {
      await openTool('steep');
      await fill('tea', 'Assam');
      await press('Execute Tool');

      await shows('Assam is ready');
    });

    async function openTool(name: string): Promise<void> {
      await page.goto(inspector.url, { waitUntil: 'domcontentloaded' });
      await page.locator('::-p-aria([role="switch"])').click();
      // The tabs are drawn anew while the page learns of the server, and a click may be lost.
      await page.waitForFunction(OPEN_TOOLS, { polling: 500 });
      await page.locator(`button ::-p-text(${name})`).click();
    }

    test('shows a question, hands in the answer and shows the result [DX-1 MOD-1 LEG-7]', async () => {
      await openTool('approve');
      await fill('release', `v7 ${era}`);
      await press('Execute Tool');
      await shows(`Approve v7 ${era}?`);
      await fill('Approver', 'Ada');
      await press('Submit');

      await shows(`v7 ${era} approved by Ada`);
    });
  });

  describe('a page of another origin', () => {
    let served: ServedPage;
    beforeAll(async () => {
      served = await servePageWithClient();
    });
    afterAll(() => served.close());

    const call = (url: string) =>
      `host.callTool(${JSON.stringify(url)}, {}, 'approve', { release: 'v8' },
        async () => ({ action: 'accept', content: { approver: 'Grace' } }))`;

    test('of this machine calls a tool, answers its question and reads the result [SEC-6 DX-3]', async () => {
      await page.goto(`http://localhost:${served.port}`);

      expect(await page.evaluate(call(server.url))).toMatchObject(text('v8 approved by Grace'));
    });

    test('of another name learns nothing, though it is on this machine [SEC-6]', async () => {
      await page.goto(`http://elsewhere.localhost:${served.port}`);

      await expect(page.evaluate(call(server.url))).rejects.toThrow('the server did not offer');
      await expect(page.evaluate(`fetch(${JSON.stringify(server.url)})`)).rejects.toThrow('Failed to fetch');
    });

    test('sends and reads the headers of sessions and of streams that go on [SEC-6]', async () => {
      const heard: Record<string, unknown> = {};
      const serve = async ({ method, headers }: Request) => {
        heard[method] = [headers.get('mcp-session-id'), headers.get('last-event-id')];
        return new Response('{}', { headers: { 'mcp-session-id': 'of the server' } });
      };
      const policy = onlyOrigins((origin) => origin === `http://localhost:${served.port}`);
      const handle = createNodeHandler({ fetch: withOrigins(serve, policy) });
      const listener = createServer((request, response) => void handle(request, response));
      await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
      await using _ = {
        [Symbol.asyncDispose]: async () => {
          listener.closeAllConnections();
          await new Promise((resolve) => listener.close(resolve));
        },
      };
      const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`;

      await page.goto(`http://localhost:${served.port}`);
      const read = await page.evaluate(`Promise.all(['GET', 'POST', 'DELETE'].map(async (method) => {
        const headers = { 'mcp-session-id': 'of the page', 'last-event-id': '7', 'mcp-protocol-version': '2025-11-25' };
        const response = await fetch(${JSON.stringify(url)}, { method, headers });
        return response.headers.get('mcp-session-id');
      }))`);

      const sent = ['of the page', '7'];
      expect(read).toEqual(['of the server', 'of the server', 'of the server']);
      expect(heard).toEqual({ GET: sent, POST: sent, DELETE: sent });
    });
  });
});

async function fill(label: string, value: string): Promise<void> {
  await page.locator(`::-p-aria([name="${label}"][role="textbox"])`).fill(value);
}

async function press(label: string): Promise<void> {
  await page.locator(`button ::-p-text(${label})`).click();
}

/** Resolves once the text is to be seen. */
async function shows(wanted: string): Promise<void> {
  await page.waitForFunction(`document.body.innerText.includes(${JSON.stringify(wanted)})`);
}
