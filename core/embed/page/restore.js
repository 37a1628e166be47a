// The page of letters: what is typed goes to the worker, restored pieces come back and are drawn.

import { buildPlayer } from './restore-player.js';
import { buildText, count, readPiece, textOf } from './restore-view.js';
import { LETTER_WORDS } from './restore-words.js';
import { addWords, currentLanguage, decimal, percent, rememberedLanguage, setLanguage, size, words } from './words.js';

const $ = (id) => document.getElementById(id);
const still = matchMedia('(prefers-reduced-motion: reduce)');
const least = () => $('least').valueAsNumber / 100;
const QUIET = 150; // milliseconds without a key before letters are put back

addWords(LETTER_WORDS);
const worker = new Worker(new URL('restore-worker.js', import.meta.url), { type: 'module' });
const text = buildText($('restored'), (i, at) => player.choose({ i, at }));
const player = buildPlayer(text, least);
let info = null;
let job = 0;
/** How long the last job took, in milliseconds; null while one is under way. */
let took = null;
let share = 0;
let playNext = true;
let typing = 0;
let frame = 0;

const status = (message, problem = false) => {
  if ($('status').textContent !== message) $('status').textContent = message;
  $('status').classList.toggle('problem', problem);
};

// what is asked

/** Has the text restored, once nothing was typed for `quiet` milliseconds. */
function restore(quiet = 0, play = false) {
  if (!info) return;
  clearTimeout(typing);
  player.stop();
  [took, playNext, share] = [null, play, 0];
  job += 1;
  typing = setTimeout(() => worker.postMessage({ type: 'restore', job, text: $('text').value }), quiet);
}

// what comes back

const ANSWERS = {
  ready(answer) {
    info = answer;
    about();
    restore(0, true);
  },
  pieces({ first, pieces, of }) {
    if (first === 0) player.forget();
    pieces.forEach((piece, k) => text.set(first + k, readPiece(piece)));
    text.keep(of);
    share = (first + pieces.length) / of;
    text.draw(least());
    player.refresh();
    // a reader is not told of every hundredth
    if (share < 1) status(words().working(percent(Math.floor(share * 10) / 10)));
    counts();
  },
  done({ milliseconds }) {
    took = milliseconds;
    player.refresh();
    judge();
    counts();
    if (playNext && !still.matches) player.start();
  },
  problem({ message }) {
    status(words().problem(message), true);
  },
};
worker.onmessage = ({ data }) => {
  // an answer to an older text is no longer wanted
  if (data.job === undefined || data.job === job) ANSWERS[data.type](data);
};
worker.onerror = (event) => status(words().problem(event.message || 'restore-worker.js'), true);

function judge() {
  const { inDoubt, changed, unsure } = count(text.pieces(), least());
  const empty = $('text').value === '';
  const said = inDoubt === 0 ? words().nothingInDoubt : words().restoredText(decimal(changed, 0), decimal(unsure, 0));
  status(empty ? words().nothing : said);
}

// what is shown

function counts() {
  const sums = count(text.pieces(), least());
  const values = {
    ...Object.fromEntries(Object.entries(sums).map(([name, n]) => [name, decimal(n, 0)])),
    time: took === null ? percent(share) : words().milliseconds(decimal(took, took < 10 ? 1 : 0)),
    model: size(info.bytes.model), memory: size(info.bytes.memory),
  };
  $('counts').replaceChildren(...Object.entries(values).map(([name, value]) => {
    const pair = document.createElement('div');
    pair.className = name;
    pair.append(...[['dt', words().counts[name]], ['dd', value]].map(([kind, textContent]) =>
      Object.assign(document.createElement(kind), { textContent })));
    return pair;
  }));
  $('copy').disabled = took === null && share < 1;
  $('least-text').textContent = percent(least());
}

function about() {
  if (info) $('about').textContent = words().about(info.version);
}

// what is touched

$('text').addEventListener('input', () => restore(QUIET));
$('examples').addEventListener('click', ({ target }) => {
  if (!target.dataset.text) return;
  $('text').value = target.dataset.text;
  restore(0, true);
});
$('least').addEventListener('input', () => {
  if (!frame) frame = requestAnimationFrame(() => {
    frame = 0;
    redraw();
  });
});
$('copy').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(text.pieces().map(textOf).join(''));
    status(words().copied);
  } catch {
    getSelection().selectAllChildren($('restored'));
    status(words().copyFailed, true);
  }
});
$('language').addEventListener('click', () => language(currentLanguage() === 'tr' ? 'en' : 'tr'));

/** Draws everything again, for another threshold or language. */
function redraw() {
  if (!info) return;
  text.draw(least());
  counts();
  if (took !== null) judge();
  player.show();
}
function language(name) {
  setLanguage(name);
  about();
  redraw();
}

language(rememberedLanguage() === 'en' ? 'en' : 'tr');
$('letter').textContent = words().letterHint;
status(words().loading);
worker.postMessage({ type: 'open', module: new URL('ebt.wasm', location.href).href, model: new URL('restorer.packed', location.href).href });
// works without a network from the second visit on, where the browser allows it
if ('serviceWorker' in navigator) navigator.serviceWorker.register('offline.js').catch(() => {});
