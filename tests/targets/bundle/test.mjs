// The package as npm installs it: test.mjs, beside node_modules/ebt. A program says the same in node and, put together by Vite, in headless
// Chromium; the browser gets the module and the models as files of their own.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { run } from './use.js';

const expected = await run();
const [restored, first, , board] = [...expected.split('|').slice(0, 3), expected.split('|').at(-1)];
assert.equal(restored, "Türkiye'nin başkenti");
assert.ok(first.length > 0);
assert.match(board, /^[1-6]{36}$/);

const root = dirname(fileURLToPath(import.meta.url));
const settings = { root, logLevel: 'warn', build: { target: 'es2022' } };
await build(settings);
const kinds = readdirSync(join(root, 'dist/assets')).map((name) => name.split('.').at(-1)).sort();
assert.deepEqual(kinds, ['ebp', 'ebp', 'ebp', 'js', 'wasm']);

const server = await preview({ ...settings, preview: { host: '127.0.0.1', port: 0 } });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update',
  ],
});
try {
  const page = await browser.newPage();
  page.on('pageerror', (error) => assert.fail(String(error)));
  await page.goto(server.resolvedUrls.local[0]);
  await page.waitForFunction(() => document.getElementById('said').textContent, null, { timeout: 120_000 });
  assert.equal(await page.textContent('#said'), expected);
} finally {
  await browser.close();
  await server.close();
}
console.log('the package of npm: the same in node and, by way of Vite, in a browser');
