// The page of boards: what is given goes to the worker, every state of every start comes back and is drawn.

import { drawEnergy } from './energy.js';
import { buildPad, contradiction, edit, placeOf } from './solve-edit.js';
import { buildStarts, drawCertificate, stateOf, undecided, wrongOf } from './solve-starts.js';
import { answerOf, buildBoard } from './solve-view.js';
import { BOARD_WORDS } from './solve-words.js';
import { addWords, currentLanguage, decimal, percent, rememberedLanguage, setLanguage, size, words } from './words.js';

const $ = (id) => document.getElementById(id);
const still = matchMedia('(prefers-reduced-motion: reduce)');
const QUIET = 250; // milliseconds without a key before the board is solved
const PLAY = 4000; // milliseconds of a played descent, at most
const FIRST = '5...2...236.......2.1.3.4...1.....43';

addWords(BOARD_WORDS);
const worker = new Worker(new URL('solve-worker.js', import.meta.url), { type: 'module' });
const readGiven = (text) => [...text].map((c) => (c === '.' ? null : Number(c) - 1));
let info = null;
let board = null;
/** Tokens that are given, null where none is. */
let given = readGiven(FIRST);
let job = 0;
/** What the worker found, the start that is looked at, its step: 0 is before the first. */
let found = null;
let looked = 0;
let now = 0;
let drawStarts = () => {};
let player = 0;
let typing = 0;

const status = (text, problem = false) => {
  $('status').textContent = text;
  $('status').classList.toggle('problem', problem);
};

/** A setting within its limits, whatever was typed. */
function value(id) {
  const { valueAsNumber: typed, min, max, defaultValue } = $(id);
  return Math.trunc(Number.isFinite(typed) ? Math.min(Number(max), Math.max(Number(min), typed)) : Number(defaultValue));
}
const settings = () => ({
  seed: value('seed'), steps: value('steps'), candidates: value('starts'), ...($('armijo').checked ? { eta: 0 } : {}),
});

// what is asked

/** Has the board solved, once nothing was typed for `quiet` milliseconds, unless its digits contradict each other. */
function solve(quiet = 0) {
  if (!info) return;
  clearTimeout(typing);
  stopPlaying();
  [found, job] = [null, job + 1];
  const wrong = contradiction(given, info);
  show(new Set(wrong?.cells));
  if (wrong) return status(wrong.text, true);
  status(words().solving);
  typing = setTimeout(() => worker.postMessage({ type: 'solve', job, cells: given, settings: settings() }), quiet);
}

// what comes back

const ANSWERS = {
  ready(answer) {
    info = answer;
    board = buildBoard($('board'), info.grid, info.vocabulary, false);
    edit(board, $('pad'), info, (cell, token) => {
      given[cell] = token;
      solve(QUIET);
    });
    buildPad($('pad'), info.vocabulary);
    about();
    solve();
  },
  solved(answer) {
    found = answer;
    drawStarts = buildStarts($('list'), found, given, info);
    judge();
    look(found.solution.candidate, true);
  },
  problem({ message }) {
    status(words().problem(message), true);
  },
};
worker.onmessage = ({ data }) => {
  // an answer to an older board is no longer wanted
  if (data.job === undefined || data.job === job) ANSWERS[data.type](data);
};
worker.onerror = (event) => status(words().problem(event.message || 'solve-worker.js'), true);

function judge() {
  const chosen = found.starts[found.solution.candidate];
  const [unsure, wrong] = [undecided(chosen, given, info), wrongOf(chosen, given, info).pairs];
  if (wrong > 0) status(words().wrong(wrong), true);
  else if (unsure > 0) status(words().undecided(unsure), true);
  else status(words().solved(found.starts.length, decimal(found.seconds, 1)));
}

// what is shown

function look(start, play) {
  stopPlaying();
  looked = start;
  now = Math.max(...found.starts.map(({ steps }) => steps));
  $('step').max = String(now);
  show();
  if (play && !still.matches) startPlaying();
}

function startPlaying() {
  if (!found) return;
  stopPlaying();
  const most = Number($('step').max);
  now = 0;
  show();
  player = setInterval(() => {
    now += 1;
    show();
    if (now >= most) stopPlaying();
  }, Math.min(320, PLAY / most));
}
function stopPlaying() {
  clearInterval(player);
  player = 0;
}

/** Draws everything; before anything was found, `wrong` are cells that contradict each other. */
function show(wrong) {
  if (!board) return;
  $('play').disabled = $('step').disabled = !found;
  const start = found?.starts[looked];
  const state = start ? stateOf(start, now) : null;
  board.draw(given, state, start && now >= start.steps ? wrongOf(start, given, info).cells : wrong);
  name(state);
  if (!start) {
    for (const id of ['chosen', 'step-text', 'energy-text', 'list', 'energy', 'certificate']) $(id).replaceChildren();
    return;
  }
  const most = Number($('step').max);
  $('chosen').textContent = words().start(looked + 1);
  $('step').value = String(now);
  $('step').setAttribute('aria-valuetext', words().stepSpoken(now, most));
  $('step-text').textContent = words().step(now, most);
  drawStarts(looked, now);
  const others = found.starts.filter((other) => other !== start);
  $('energy-text').textContent = drawEnergy($('energy'), start, Math.min(now, start.steps), others);
  drawCertificate($('certificate'), found, given, info);
}

/** Says every cell in words. */
function name(state) {
  const answer = state && answerOf(given, state, info.vocabulary);
  board.cells.forEach((cell, i) => {
    const place = placeOf(i, info.grid);
    const likely = () => words().likely(...place, answer[i] + 1, percent(state[i * info.vocabulary + answer[i]]));
    const says = given[i] !== null ? words().given(...place, given[i] + 1) : answer ? likely() : words().unknownCell(...place);
    cell.setAttribute('aria-label', says);
  });
}

function about() {
  if (info) $('about').textContent = words().about(decimal(info.cells, 0), size(info.bytes.model), size(info.bytes.memory), info.version);
}

// what is touched

$('examples').addEventListener('click', ({ target }) => {
  if (!target.dataset.board) return;
  given = readGiven(target.dataset.board);
  solve();
});
for (const id of ['starts', 'steps', 'seed', 'armijo']) $(id).addEventListener('change', () => solve());
$('list').addEventListener('click', ({ target }) => {
  const start = target.closest('[data-start]');
  if (start) look(Number(start.dataset.start), true);
});
$('step').addEventListener('input', () => {
  stopPlaying();
  now = Number($('step').value);
  show();
});
$('play').addEventListener('click', startPlaying);
$('language').addEventListener('click', () => language(currentLanguage() === 'tr' ? 'en' : 'tr'));
new ResizeObserver(() => found && show()).observe($('energy'));

function language(name) {
  setLanguage(name);
  if (!info) return;
  about();
  buildPad($('pad'), info.vocabulary);
  if (!found) return solve();
  judge();
  show();
}

language(rememberedLanguage() === 'en' ? 'en' : 'tr');
status(words().loading);
worker.postMessage({ type: 'open', module: new URL('ebt.wasm', location.href).href, model: new URL('solver.packed', location.href).href });
// works without a network from the second visit on, where the browser allows it
if ('serviceWorker' in navigator) navigator.serviceWorker.register('offline.js').catch(() => {});
