// The page in a browser: test.mjs FOLDER [PICTURES]. Serves FOLDER, opens it in headless Chromium, types, generates, has
// boards solved (boards.mjs) and letters put back (letters.mjs), goes offline, and checks what a reader is promised. With PICTURES it
// leaves screenshots there.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { chromium } from 'playwright-core';
import { boards } from './boards.mjs';
import { letters } from './letters.mjs';

const [folder, pictures] = process.argv.slice(2);
const TYPES = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.wasm': 'application/wasm' };
const asked = [];
const server = createServer(async (request, answer) => {
  const path = normalize(new URL(request.url, 'http://x').pathname);
  asked.push(path);
  try {
    const bytes = await readFile(join(folder, path === '/' ? 'index.html' : path));
    answer.writeHead(200, { 'content-type': TYPES[path === '/' ? '.html' : extname(path)] ?? 'application/octet-stream' });
    answer.end(bytes);
  } catch {
    answer.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const home = `http://127.0.0.1:${server.address().port}/`;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update',
  ],
});

/** A page with what went wrong in it, once `ready` is to be seen there. */
async function open(options = {}, path = '', ready = '#candidates li') {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'tr-TR', ...options });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => request.url().startsWith(home) || request.url().startsWith('data:') || problems.push(`asked for ${request.url()}`));
  await page.goto(home + path);
  await page.waitForSelector(ready, { timeout: 60_000 });
  return { context, page, problems };
}
const picture = async (page, name, options = {}) => pictures && page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true, ...options });
const drawn = (page) => page.waitForFunction(() => {
  const canvas = document.getElementById('terrain');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(data).size > 40;
}, null, { timeout: 120_000 });
/** Every control has a name, every id one element. */
async function named(page) {
  const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, textarea, canvas, svg[role], output, [role=gridcell]')]
    .filter((node) => !(node.getAttribute('aria-label') || node.textContent.trim() || node.labels?.length || node.tagName === 'OUTPUT'))
    .map((node) => node.outerHTML));
  assert.deepEqual(nameless, []);
  assert.equal(await page.evaluate(() => new Set([...document.querySelectorAll('[id]')].map((n) => n.id)).size === document.querySelectorAll('[id]').length), true);
}
const numbers = (page, selector) => page.$$eval(selector, (nodes) => nodes.map((node) => node.textContent));

try {
  const { context, page, problems } = await open({ colorScheme: 'light' });

  // typing thinks of the next piece
  await page.fill('#text', 'Bu yasa');
  await page.waitForFunction(() => /sonraki parça/.test(document.getElementById('chosen').textContent));
  assert.equal(await page.$$eval('#candidates li', (rows) => rows.length), 8);
  await drawn(page);

  // words that finish the text stand below it, and one that is tapped does
  await page.fill('#text', "Ankara'd");
  await page.waitForSelector('.chip');
  const chips = await numbers(page, '.chip');
  assert.ok(chips.length === 5 && chips.includes("Ankara'da"), chips.join());
  await picture(page, 'words');
  await page.click(`.chip >> text="Ankara'da"`);
  assert.equal(await page.inputValue('#text'), "Ankara'da ");
  await page.waitForSelector('.chip');
  await page.fill('#text', 'Bu yasa');
  await page.waitForSelector('.chip');

  // generating: tokens come, the last is looked at, its steps are drawn
  await page.click('summary');
  await page.fill('#tokens', '12');
  await page.fill('#steps', '6');
  await page.check('#armijo');
  await page.click('#go');
  await page.waitForFunction(() => !document.getElementById('stop').disabled || document.querySelectorAll('.token').length > 0);
  await page.waitForFunction(() => document.getElementById('stop').disabled && document.querySelectorAll('.token').length > 0, null, { timeout: 120_000 });
  const count = await page.$$eval('.token', (nodes) => nodes.length);
  assert.ok(count > 0 && count <= 12, `${count} tokens`);
  assert.equal(await page.textContent('#prefix'), 'Bu yasa');
  const written = (await numbers(page, '.token')).join('');
  await drawn(page);
  assert.ok(await page.$$eval('#energy .fall', (lines) => lines.length) > 0);
  assert.match(await page.getAttribute('#energy', 'aria-label'), /adımda/);

  // another token: its own steps; the slider moves the bars
  await page.click('.token >> nth=0');
  await drawn(page);
  assert.equal(await page.getAttribute('.token >> nth=0', 'aria-pressed'), 'true');
  const most = Number(await page.getAttribute('#step', 'max'));
  assert.equal(most, 6, 'as many steps as were asked for');
  assert.ok(most >= 1);
  if (most > 1) {
    const share = () => page.$$eval('#candidates .share', (nodes) => nodes.map((node) => node.textContent).join());
    await page.focus('#step');
    await page.keyboard.press('End');
    const end = await share();
    await page.keyboard.press('Home');
    assert.notEqual(await share(), end, 'the candidates change with the steps');
    await page.keyboard.press('End');
  }
  // the keyboard moves between tokens
  await page.focus('.token >> nth=0');
  if (count > 1) {
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => document.activeElement.dataset.index), '1');
  }
  await drawn(page);
  await picture(page, 'wide-light');

  // English, and back
  await page.click('#language');
  assert.equal(await page.textContent('h1'), 'Thinking with energy');
  assert.equal(await page.getAttribute('html', 'lang'), 'en');
  await picture(page, 'wide-english');
  await page.click('#language');
  assert.equal(await page.getAttribute('html', 'lang'), 'tr');

  // the same settings generate the same text
  await page.click('#go');
  await page.waitForFunction((n) => document.getElementById('stop').disabled && document.querySelectorAll('.token').length === n, count, { timeout: 120_000 });
  assert.equal((await numbers(page, '.token')).join(''), written);
  // what was generated can be added to the text
  await page.click('#keep');
  assert.ok((await page.inputValue('#text')).startsWith('Bu yasa') && (await page.inputValue('#text')).length > 7);

  // stopping ends a long text early, and typing stays possible while the model works
  await page.fill('#tokens', '256');
  await page.click('#go');
  await page.waitForFunction(() => document.querySelectorAll('.token').length > 0);
  const typed = await page.evaluate(async () => {
    const started = performance.now();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
    return performance.now() - started;
  });
  assert.ok(typed < 1500, `the page answered after ${typed} ms`);
  if (await page.isEnabled('#stop')) await page.click('#stop');
  await page.waitForFunction(() => document.getElementById('stop').disabled, null, { timeout: 120_000 });

  await named(page);

  // without a network
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.waitForFunction(async () => (await (await caches.open('ebt-3')).keys()).length >= 34);
  await context.setOffline(true);
  await page.reload();
  await page.waitForFunction(() => document.querySelectorAll('#candidates li').length > 0, null, { timeout: 60_000 });
  assert.deepEqual(problems.filter((p) => !/ERR_INTERNET_DISCONNECTED|Failed to fetch/.test(p)), []);
  await context.close();

  // narrow and dark, without motion: nothing is wider than the screen
  const narrow = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark', reducedMotion: 'reduce', deviceScaleFactor: 2 });
  await narrow.page.click('summary');
  await narrow.page.fill('#tokens', '8');
  await narrow.page.click('#go');
  await narrow.page.waitForFunction(() => document.getElementById('stop').disabled && document.querySelectorAll('.token').length > 0, null, { timeout: 120_000 });
  await drawn(narrow.page);
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling at 360 pixels');
  await picture(narrow.page, 'narrow-dark');
  assert.deepEqual(narrow.problems, []);
  await narrow.context.close();
  const wide = await open({ colorScheme: 'dark' });
  await drawn(wide.page);
  await picture(wide.page, 'wide-dark');
  await wide.context.close();
  await boards({ open, picture, named });
  await letters({ open, picture, named });
  assert.ok(asked.every((path) => !path.includes('..')));
  console.log(`the page: ${count} tokens, boards, letters, offline, 360 to 1280 pixels, ${asked.length} requests, all to itself`);
} finally {
  await browser.close();
  server.close();
}
