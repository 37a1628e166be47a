// The page of boards: they are solved while the energy falls, typed, refused in words, and solved without a network.

import assert from 'node:assert/strict';

const DIGITS = [1, 2, 3, 4, 5, 6];
const answered = (page) => page.waitForFunction(() => document.querySelectorAll('.start').length > 0 && /[1-9]/.test(document.getElementById('status').textContent), null, { timeout: 60_000 });
/** What the cells of the board are said to hold: digits, and which are given. */
const cells = (page) => page.$$eval('#board .cell', (nodes) => nodes.map((node) => {
  const [, digit] = /: (\d)/.exec(node.getAttribute('aria-label')) ?? [null, '0'];
  return { digit: Number(digit), given: node.classList.contains('given') };
}));
const status = (page) => page.textContent('#status');
/** Free energies of all starts, as they are shown. */
const energies = (page) => page.$$eval('.start .value', (nodes) => nodes.map((node) => Number(node.textContent.replace('.', '').replace(',', '.'))));
/** The start that is marked as chosen. */
const leastOf = (page) => page.$eval('.start.least', (node) => Number(node.dataset.start));

/** Whether rows, columns and boxes of 2 x 3 hold every digit once. */
function solved(board) {
  const unit = [(i) => Math.floor(i / 6), (i) => i % 6, (i) => Math.floor(i / 12) * 2 + Math.floor((i % 6) / 3)];
  return unit.every((of) => DIGITS.every((_, u) => new Set(board.filter((_, i) => of(i) === u)).size === 6)) && !board.includes(0);
}

export async function boards({ open, picture, named }) {
  const { context, page, problems } = await open({ colorScheme: 'light', reducedMotion: 'reduce' }, 'solve.html', '.start');

  // an example is solved by the start of least free energy, and what is given stays
  for (const name of ['Kolay', 'Orta']) {
    await page.click(`#examples button:text-is("${name}")`);
    await answered(page);
    const written = await page.getAttribute(`#examples button:text-is("${name}")`, 'data-board');
    const board = await cells(page);
    assert.ok(solved(board.map(({ digit }) => digit)), `${name}: ${await status(page)}`);
    assert.match(await status(page), /^Çözüldü/);
    [...written].forEach((c, i) => assert.deepEqual([board[i].given, c === '.' ? true : board[i].digit === Number(c)], [c !== '.', true]));
    const ends = await energies(page);
    assert.equal(ends[await leastOf(page)], Math.min(...ends));
  }
  await named(page);
  await picture(page, 'board-light');

  // the energy falls from step to step, and the digits come with it; the first step knows what is given only
  const chosen = await leastOf(page);
  const most = Number(await page.getAttribute('#step', 'max'));
  assert.ok(most > 1 && most <= 12, `${most} steps`);
  await page.focus('#step');
  await page.keyboard.press('Home');
  assert.ok((await cells(page)).every(({ digit, given }) => given === (digit > 0)));
  const path = [(await energies(page))[chosen]];
  for (let step = 1; step <= most; step++) {
    await page.keyboard.press('ArrowRight');
    path.push((await energies(page))[chosen]);
    assert.ok(path[step] <= path[step - 1], `step ${step}: ${path}`);
  }
  assert.ok(path[most] < path[0] - 1, `${path}`);
  const falls = await page.$$eval('#energy .fall', (lines) => lines.length);
  assert.ok(falls > 0 && falls <= most);
  assert.equal(await page.$$eval('#energy .other', (lines) => lines.length), 7);
  // another start shows its own way
  await page.click(`.start >> nth=${chosen === 0 ? 1 : 0}`);
  assert.notEqual(await page.textContent('#chosen'), `${chosen + 1}. başlangıç`);

  // the keyboard writes a board; what contradicts what is said, with its cells, and nothing is solved until it is mended
  await page.click('#examples button:text-is("Boş")');
  await answered(page);
  await page.click('#board .cell >> nth=0');
  for (const key of ['5', 'ArrowRight', '3', 'ArrowDown', '4', 'Home', '1', 'End', '5', 'ArrowUp', '5']) await page.keyboard.press(key);
  await page.waitForFunction(() => document.getElementById('status').classList.contains('problem'));
  assert.equal(await status(page), 'Çelişki: 1. satırda 5 iki kez var, 1. satır 1. sütunda ve 1. satır 6. sütunda.');
  const wrong = () => page.$$eval('#board .cell', (nodes) => nodes.flatMap((node, i) => (node.classList.contains('wrong') ? [i] : [])));
  assert.deepEqual([await wrong(), await page.$$eval('.start', (nodes) => nodes.length)], [[0, 5], 0]);
  await picture(page, 'board-contradiction');
  await page.keyboard.press('Backspace');
  await answered(page);
  const typed = (await cells(page)).flatMap(({ digit, given }, i) => (given ? [[i, digit]] : []));
  assert.deepEqual(typed, [[0, 5], [1, 3], [6, 1], [7, 4], [11, 5]]);
  // so do the buttons; a cell that no digit fits is named
  await page.click('#examples button:text-is("Boş")');
  for (let digit = 1; digit <= 5; digit++) {
    await page.click(`#board .cell >> nth=${digit}`);
    await page.click(`#pad button:text-is("${digit}")`);
  }
  await page.click('#board .cell >> nth=6');
  await page.click('#pad button:text-is("6")');
  await page.waitForFunction(() => /hiçbir rakam/.test(document.getElementById('status').textContent));
  assert.equal(await status(page), 'Çelişki: 1. satır 1. sütuna hiçbir rakam gelemez.');
  assert.deepEqual(await wrong(), [0]);

  // English, and the other page and back
  await page.click('#language');
  assert.equal(await page.textContent('h1'), 'Solving with energy');
  assert.match(await status(page), /^Contradiction: no digit can stand in row 1, column 1/);
  await page.click('#language');
  await page.click('.pages a >> nth=0');
  await page.waitForSelector('#candidates li', { timeout: 60_000 });
  await page.click('.pages a >> nth=1');
  await page.waitForSelector('.start', { timeout: 60_000 });

  // without a network
  await page.evaluate(() => navigator.serviceWorker.ready);
  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector('.start', { timeout: 60_000 });
  assert.match(await status(page), /^Çözüldü/);
  assert.deepEqual(problems.filter((p) => !/ERR_INTERNET_DISCONNECTED|Failed to fetch/.test(p)), []);
  await context.close();

  // played from the first step to the last where motion is welcome, and nothing is wider than a narrow screen
  const narrow = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark', deviceScaleFactor: 2 }, 'solve.html', '.start');
  await narrow.page.waitForFunction(() => document.getElementById('step').value === document.getElementById('step').max);
  assert.ok(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling at 360 pixels');
  await picture(narrow.page, 'board-narrow-dark');
  assert.deepEqual(narrow.problems, []);
  await narrow.context.close();
}
