// The page of letters: they are put back as the restorer does it, marked, counted, copied, played, and put back without a network.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const SAMPLE = "Turkiye'nin baskenti Ankara'dir.";
const RESTORED = "Türkiye'nin başkenti Ankara'dır.";

/** The page answered: every line is there, and the time it took is said. */
const answered = (page, text) => page.waitForFunction((text) => {
  const shown = document.getElementById('restored').textContent;
  return (text === undefined || [...shown].length === [...text].length) && /\d ms/.test(document.querySelector('#counts .time')?.textContent);
}, text, { timeout: 120_000 });
const shown = (page) => page.textContent('#restored');
const status = (page) => page.textContent('#status');
const type = async (page, text) => {
  await page.fill('#text', text);
  await answered(page, text);
};
const set = (page, id, value) => page.$eval(`#${id}`, (input, value) => {
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}, value);
const counts = (page) => page.$$eval('#counts div', (nodes) => Object.fromEntries(nodes.map((node) => [node.className, node.lastChild.textContent])));

/** What a restorer of its own gives for every line, and what became of its letters. */
const direct = (page, text) => page.evaluate(async (text) => {
  const { Restorer } = await import('./ebt.js');
  const model = await (await fetch('restorer.packed')).arrayBuffer();
  const restorer = await Restorer.open(await fetch('ebt.wasm'), model);
  const lines = text.split('\n').map((line) => restorer.restore(line));
  const letters = lines.flatMap(({ letters }) => letters);
  return {
    text: lines.map((line) => line.text).join('\n'), letters, whole: letters.map(({ is }) => is).join(''),
    model: model.byteLength, bytes: restorer.bytes,
  };
}, text);
/** Letters that are marked, as they are in the page. */
const marked = (page, kind) => page.$$eval(`#restored .${kind}`, (nodes) => nodes.map((node) => node.textContent));

export async function letters({ open, picture, named }) {
  const { context, page, problems } = await open({ colorScheme: 'light', reducedMotion: 'reduce' }, 'restore.html', '#counts .time');
  await answered(page);
  assert.equal((await shown(page)).split('\n')[0], RESTORED);

  // what is shown is what the restorer gives, to the byte, also with signs of four bytes, marks, empty lines and none at the end
  await type(page, SAMPLE);
  assert.equal(await shown(page), RESTORED);
  const odd = `${SAMPLE}\n\n  yarin\tgorusuruz 😀 https://ornek.com/sis\nILIK bir sis; s\u0327imdi, ögle ıSIK\n`;
  await type(page, odd);
  const given = await direct(page, odd);
  assert.equal(await shown(page), given.text);
  assert.equal(given.whole, given.text.replaceAll('\n', ''));
  assert.deepEqual(given.bytes.model, given.model);

  // paragraphs of news, law, chat and poetry, and a line of a thousand characters, are those of the program, of C and of node
  const paragraphs = readFileSync(process.env.EBT_PARAGRAPHS, 'utf8');
  const lines = `${paragraphs}${paragraphs.replaceAll('\n', ' ')}`;
  await type(page, lines);
  assert.equal(await shown(page), (await direct(page, lines)).text);

  // every example, its letters and its counts
  for (const name of ['Haber', 'Hukuk', 'Sohbet', 'Şiir']) {
    const button = `#examples button:text-is("${name}")`;
    const typed = await page.getAttribute(button, 'data-text');
    assert.match(typed, /^[\x00-\x7f]+$/);
    await page.click(button);
    await answered(page, typed);
    const { text, letters } = await direct(page, typed);
    assert.equal(await shown(page), text);
    assert.notEqual(text, typed);
    const wanted = (least) => letters.filter(({ inDoubt, probability }) => inDoubt && probability < least).map(({ is }) => is);
    assert.deepEqual(await marked(page, 'changed'), letters.filter(({ was, is }) => was !== is).map(({ is }) => is));
    for (const [value, least] of [['100', 1], ['50', 0.5], ['90', 0.9]]) {
      await set(page, 'least', value);
      await page.waitForFunction((n) => document.querySelectorAll('#restored .unsure').length === n, wanted(least).length);
      assert.deepEqual(await marked(page, 'unsure'), wanted(least), `${name}, ${least}`);
    }
    const said = await counts(page);
    const sums = [letters.filter(({ inDoubt }) => inDoubt), await marked(page, 'changed'), wanted(0.9)].map(({ length }) => String(length));
    assert.deepEqual([said.inDoubt, said.changed, said.unsure], sums);
    assert.equal(await status(page), `${sums[1]} harf değişti, ${sums[2]} harf eşiğin altında.`);
  }
  await named(page);
  await picture(page, 'letters-light');

  // with threshold 1 every letter of which it is not certain is dotted, says how probable it is, and is reached by the keyboard
  await set(page, 'least', '100');
  await page.waitForFunction(() => document.querySelectorAll('#restored .unsure').length > 8);
  const titles = await page.$$eval('#restored .unsure', (nodes) => nodes.map((node) => [node.title, node.getAttribute('aria-label'), getComputedStyle(node).borderBottomStyle]));
  for (const [title, label, line] of titles) assert.deepEqual([/olasılık (> )?%\d/.test(title), label, line], [true, title, 'dotted']);
  assert.equal(await page.$$eval('#restored [tabindex="0"]', (nodes) => nodes.length), 1);
  await page.focus('#restored');
  await page.keyboard.press('Tab');
  const focused = () => page.evaluate(() => [...document.querySelectorAll('#restored .unsure')].indexOf(document.activeElement));
  assert.equal(await focused(), 0);
  assert.equal(await page.textContent('#letter'), titles[0][0]);
  await page.keyboard.press('ArrowRight');
  assert.equal(await focused(), 1);
  assert.equal(await page.getAttribute('#restored .unsure >> nth=1', 'aria-pressed'), 'true');
  await picture(page, 'letters-doubted');
  // the player stands where that letter settles
  assert.ok(Number(await page.inputValue('#step')) > 0);
  assert.equal(await page.$$eval('#stage .latest', (nodes) => nodes.length), 1);

  // played from the surest letter on: nothing is left at the end, and the text is then the restored one
  const most = Number(await page.getAttribute('#step', 'max'));
  assert.equal(String(most), (await counts(page)).inDoubt);
  const typed = await page.inputValue('#text');
  await page.focus('#step');
  await page.keyboard.press('Home');
  assert.equal(await page.textContent('#stage'), typed);
  assert.equal(await page.$$eval('#stage .covered', (nodes) => nodes.length), most);
  let last = 1;
  const left = [];
  for (let step = 1; step <= most; step++) {
    await page.keyboard.press('ArrowRight');
    const [covered, text, chosen] = await page.evaluate(() =>
      [document.querySelectorAll('#stage .covered').length, document.getElementById('surprise-text').textContent, document.getElementById('chosen').textContent]);
    assert.equal(covered, most - step);
    const p = Number(/%([\d,]+)/.exec(chosen)[1].replace(',', '.')) / 100;
    assert.ok(p <= last + 1e-9, `${p} after ${last}`);
    last = p;
    left.push(Number(/natt?an ([\d,.E-]+) nat/.exec(text)[1].replace(',', '.')));
    assert.ok(step === 1 || left.at(-1) <= left.at(-2), `${left}`);
  }
  assert.equal(left.at(-1), 0);
  assert.equal(await page.textContent('#stage'), await shown(page));
  assert.match(await page.getAttribute('#surprise', 'aria-label'), /nattan 0 nat/);
  // where it hesitated most stands first, and leads to its letter
  await page.click('.doubt >> nth=1');
  assert.equal(Number(await page.inputValue('#step')), most - 1);
  assert.equal(await page.textContent('#letter'), await page.getAttribute('.doubt >> nth=1', 'title'));

  // copied as it is shown
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.click('#copy');
  await page.waitForFunction(() => document.getElementById('status').textContent === 'Kopyalandı');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await shown(page));

  // English, and nothing typed
  await page.click('#language');
  assert.equal(await page.textContent('h1'), 'Putting letters back');
  assert.match(await status(page), /^\d+ letters changed, \d+ below the threshold\.$/);
  await page.waitForFunction(() => /probability/.test(document.querySelector('#restored .unsure').title));
  await type(page, '');
  assert.equal(await status(page), 'The text is empty.');
  await type(page, '123, a b d e');
  assert.equal(await status(page), 'No letter of this text could have been another one.');
  await page.click('#language');

  // a long text and a long line come piece by piece while the page answers; a newer text replaces them
  const long = Array.from({ length: 24 }, (_, i) => `${i}. satirda guzel bir soz soyledi, ucuncu gun isik sondu.`);
  await page.fill('#text', long.join(' ').repeat(70));
  await page.waitForFunction(() => /%/.test(document.querySelector('#counts .time').textContent), null, { timeout: 60_000 });
  const busy = await page.evaluate(async () => {
    const started = performance.now();
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 0));
    return performance.now() - started;
  });
  assert.ok(busy < 1500, `the page answered after ${busy} ms`);
  await type(page, long.join('\n'));
  assert.equal(await shown(page), (await direct(page, long.join('\n'))).text);
  assert.match(await page.textContent('#stage-hint'), /karakterlik bir parçası/);
  await set(page, 'least', '100');
  await page.waitForFunction(() => document.querySelector('#restored span:last-child > .unsure'));
  await page.click('#restored .unsure >> nth=-1');
  assert.match(await page.textContent('#stage'), /23\. satırda/);
  await set(page, 'least', '90');
  await type(page, long.slice(0, 8).join(' '));
  const line = await shown(page);
  assert.equal(line.length, long.slice(0, 8).join(' ').length);
  assert.match(line, /7\. satırda güzel bir söz söyledi, üçüncü gün/);

  // the other pages and back, then without a network
  await page.click('.pages a >> nth=1');
  await page.waitForSelector('.start', { timeout: 60_000 });
  await page.click('.pages a >> nth=2');
  await answered(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await answered(page);
  assert.equal((await shown(page)).split('\n')[0], RESTORED);
  assert.deepEqual(problems.filter((p) => !/ERR_INTERNET_DISCONNECTED|Failed to fetch/.test(p)), []);
  await context.close();

  // played to the end where motion is welcome, and nothing is wider than a narrow screen
  const narrow = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark', deviceScaleFactor: 2 }, 'restore.html', '#counts .time');
  await narrow.page.click('#examples button:text-is("Şiir")');
  await narrow.page.waitForFunction(() => document.querySelectorAll('#stage .covered').length > 0);
  await narrow.page.waitForFunction(() => document.getElementById('step').value === document.getElementById('step').max && document.getElementById('step').max > 1);
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling at 360 pixels');
  await picture(narrow.page, 'letters-narrow-dark');
  await narrow.page.click('#language');
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'nor in English');
  await picture(narrow.page, 'letters-narrow-english');
  assert.deepEqual(narrow.problems, []);
  await narrow.context.close();
  const wide = await open({ colorScheme: 'dark', reducedMotion: 'reduce' }, 'restore.html', '#counts .time');
  await wide.page.click('#examples button:text-is("Sohbet")');
  await answered(wide.page, await wide.page.getAttribute('#examples button:text-is("Sohbet")', 'data-text'));
  await set(wide.page, 'step', String(Math.round(0.8 * Number(await wide.page.getAttribute('#step', 'max')))));
  await picture(wide.page, 'letters-dark');
  await wide.context.close();
}
