// The page: what is typed and chosen goes to the worker, what is thought comes back and is drawn.

import { drawEnergy, ends } from './energy.js';
import { drawTerrain } from './terrain.js';
import { currentLanguage, decimal, percent, rememberedLanguage, setLanguage, short, size, visible, words } from './words.js';

const $ = (id) => document.getElementById(id);
const still = matchMedia('(prefers-reduced-motion: reduce)');
const dark = matchMedia('(prefers-color-scheme: dark)');
const QUIET = 300; // milliseconds without a key before the next piece is thought of
const PLAY = 2400; // milliseconds of a played trajectory, at most

const worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
let info = null;
let job = 0;
/** Tokens of the generated text, and the one that is looked at: an index, -1 for the piece after the typed text. */
let tokens = [];
let preview = null;
let chosen = null;
let now = 1;
let surface = null;
let player = 0;
let typing = 0;
let busy = false;
let frame = 0;

const looked = () => (chosen === null ? null : chosen < 0 ? preview : tokens[chosen]);
const status = (text, problem = false) => {
  $('status').textContent = text;
  $('status').classList.toggle('problem', problem);
};

/** A setting within its limits, whatever was typed. */
function value(id) {
  const input = $(id);
  const typed = input.valueAsNumber;
  return Number.isFinite(typed) ? Math.min(Number(input.max), Math.max(Number(input.min), typed)) : Number(input.defaultValue);
}
const settings = () => ({
  seed: Math.trunc(value('seed')), steps: Math.trunc(value('steps')), candidates: Math.trunc(value('starts')),
  temperature: value('temperature'), stepSize: $('armijo').checked ? 'armijo' : 'model',
});
const send = (message) => worker.postMessage({ job: ++job, ...message });

// what is asked

function think() {
  clearTimeout(typing);
  if (!info) return;
  clear();
  send({ type: 'preview', text: $('text').value, settings: settings() });
}

function generate() {
  clearTimeout(typing);
  if (!info) return;
  clear();
  busy = true;
  $('prefix').textContent = $('text').value;
  status(words().thinking);
  send({ type: 'generate', text: $('text').value, settings: settings(), count: Math.trunc(value('tokens')) });
  buttons();
}

/** A word that completes the text when it is tapped. */
function chip({ word, ending, probability }) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'chip';
  button.textContent = word;
  button.setAttribute('aria-label', words().chip(word, percent(probability)));
  button.addEventListener('click', () => {
    $('text').value += `${ending} `;
    $('text').focus();
    think();
  });
  return button;
}

function clear() {
  stopPlaying();
  [tokens, preview, chosen, surface, busy] = [[], null, null, null, false];
  $('list').replaceChildren();
  $('chips').replaceChildren();
  $('prefix').textContent = '';
  $('spoken').textContent = '';
  buttons();
}

function buttons() {
  $('go').disabled = !info;
  $('stop').disabled = !busy;
  $('keep').disabled = busy || tokens.length === 0;
}

// what comes back

const ANSWERS = {
  ready({ vocabulary, bytes, version }) {
    info = { vocabulary, bytes, version };
    about();
    status(words().ready);
    buttons();
    think();
  },
  preview({ token }) {
    status(words().ready);
    preview = token;
    if (token) choose(-1, true, false);
  },
  words({ words: found }) {
    $('chips').replaceChildren(...found.map(chip));
    if (preview) surround(-1);
  },
  token({ index, token }) {
    tokens[index] = token;
    $('list').append(piece(token, index));
    // tokens come faster than frames: only the newest of a frame is drawn
    if (!frame) frame = requestAnimationFrame(() => {
      frame = 0;
      if (busy && tokens.length > 0) choose(tokens.length - 1, false);
    });
  },
  done({ count, ended, seconds }) {
    const stopped = busy === 'stopped';
    busy = false;
    buttons();
    const say = stopped ? words().stopped(count) : (ended ? words().ended : words().done)(count, decimal(seconds, 1));
    status(say);
    $('spoken').textContent = tokens.map((token) => token.text).join('');
    if (count > 0) choose(count - 1, true);
  },
  surface(answer) {
    if (answer.energies && looked() && answer.index === Math.max(0, chosen)) {
      surface = answer;
      terrain();
    }
  },
  problem({ message }) {
    busy = false;
    buttons();
    status(words().problem(message), true);
  },
};
worker.onmessage = ({ data }) => {
  // an answer to an older question is no longer wanted
  if (data.job === undefined || data.job === job) ANSWERS[data.type](data);
};
worker.onerror = (event) => status(words().problem(event.message || 'worker.js'), true);

// what is shown

function piece(token, index) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = token.allDecreased === false ? 'token rose' : 'token';
  button.tabIndex = index === 0 ? 0 : -1;
  button.dataset.index = String(index);
  button.lang = 'tr';
  name(button, token);
  return button;
}
function name(button, token) {
  button.textContent = token.text === '' ? '·' : token.text;
  button.title = words().token(visible(token.shown).trim(), token.steps, percent(token.probability));
  button.setAttribute('aria-label', button.title);
}

/** Asks for the energies around a token. */
function surround(index) {
  send({ type: 'surface', index: Math.max(0, index) });
}

/** Looks at a token. What was sent before goes unanswered once its surroundings are asked for. */
function choose(index, play, around = true) {
  stopPlaying();
  chosen = index;
  surface = null;
  for (const button of $('list').children) {
    const here = Number(button.dataset.index) === index;
    button.setAttribute('aria-pressed', String(here));
    button.tabIndex = here || (index < 0 && button === $('list').firstChild) ? 0 : -1;
  }
  const token = looked();
  $('step').max = String(token.steps);
  $('step').disabled = $('play').disabled = false;
  now = token.steps;
  if (around && !busy) surround(index);
  show();
  if (play && !still.matches) startPlaying();
}

function startPlaying() {
  const token = looked();
  if (!token || token.steps < 2) return;
  now = 1;
  show();
  player = setInterval(() => {
    now += 1;
    show();
    if (now >= token.steps) stopPlaying();
  }, Math.min(320, PLAY / token.steps));
}
function stopPlaying() {
  clearInterval(player);
  player = 0;
}

function show() {
  const token = looked();
  if (!token) return;
  $('chosen').textContent = chosen < 0 ? `${words().next}: ${visible(token.shown)}` : visible(token.shown);
  $('step').value = String(now);
  $('step').setAttribute('aria-valuetext', words().stepSpoken(now, token.steps));
  $('step-text').textContent = words().step(now, token.steps);
  candidates(token);
  $('energy-text').textContent = drawEnergy($('energy'), token, now);
  terrain();
  certificate(token);
}

function candidates(token) {
  const list = $('candidates');
  // bars are compared with the largest share of all steps; numbers say the shares
  const largest = Math.max(...token.candidates.flatMap((candidate) => [...candidate.shares]), 1e-6);
  while (list.children.length > token.candidates.length) list.lastChild.remove();
  token.candidates.forEach((candidate, i) => {
    let row = list.children[i];
    if (!row) {
      row = document.createElement('li');
      for (const part of ['name', 'track', 'share']) row.append(Object.assign(document.createElement('span'), { className: part }));
      row.children[1].setAttribute('aria-hidden', 'true');
      row.children[1].append(Object.assign(document.createElement('span'), { className: 'bar' }));
      list.append(row);
    }
    const share = candidate.shares[now - 1] ?? 0;
    row.className = candidate.id === token.id ? 'taken' : '';
    row.children[0].textContent = visible(candidate.text);
    row.children[0].lang = 'tr';
    row.children[0].title = visible(candidate.text);
    row.querySelector('.bar').style.transform = `scaleX(${share / largest})`;
    row.children[2].textContent = percent(share);
  });
}

function terrain() {
  const canvas = $('terrain');
  drawTerrain(canvas, surface, now, dark.matches);
  const token = looked();
  if (!surface || !token) {
    $('terrain-text').textContent = busy ? words().terrainNone : words().terrainWait;
    canvas.setAttribute('aria-label', $('terrain-text').textContent);
    return;
  }
  const [first, second] = surface.texts.map((text) => visible(text).trim());
  const [from, to] = ends(token);
  $('terrain-text').textContent = words().terrainText(first, second);
  canvas.setAttribute('aria-label', words().terrainLabel(surface.points.length, short(from), short(to)));
}

function certificate(token) {
  const w = words();
  const sizes = [token.stepSizes[0], token.stepSizes.at(-1)].map(short);
  const [from, to] = ends(token);
  const fell = token.allDecreased;
  const rows = [
    [w.stepsSpent, decimal(token.steps, 0)],
    [w.stopWhy, w.why[token.stop]],
    [w.dropped, fell === null ? w.unknown : fell ? w.yes : w.no, fell === null ? '' : fell ? 'yes' : 'no'],
    [w.drop, short(from - to)],
    [w.size, sizes.join(' → ')],
    [w.landscapes, [...new Set(token.landscapes)].map((s) => s + 1).join(' → ')],
    [w.chance, percent(token.probability)],
  ];
  $('certificate').replaceChildren(...rows.flatMap(([term, text, kind = '']) => [
    Object.assign(document.createElement('dt'), { textContent: term }),
    Object.assign(document.createElement('dd'), { textContent: text, className: kind }),
  ]));
}

function about() {
  if (!info) return;
  const { vocabulary, bytes, version } = info;
  $('about').textContent = words().about(decimal(vocabulary, 0), size(bytes.model), size(bytes.memory), version);
}

// what is touched

$('text').addEventListener('input', () => {
  $('chips').replaceChildren();
  clearTimeout(typing);
  typing = setTimeout(think, QUIET);
});
$('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    generate();
  }
});
for (const id of ['steps', 'starts', 'temperature', 'seed', 'armijo']) $(id).addEventListener('change', think);
$('go').addEventListener('click', generate);
$('stop').addEventListener('click', () => {
  busy = 'stopped';
  $('stop').disabled = true;
  worker.postMessage({ type: 'stop' });
});
$('keep').addEventListener('click', () => {
  $('text').value += tokens.map((token) => token.text).join('');
  $('text').focus();
  think();
});
$('list').addEventListener('click', ({ target }) => {
  if (target.dataset.index) choose(Number(target.dataset.index), true);
});
$('list').addEventListener('keydown', (event) => {
  const to = { ArrowLeft: chosen - 1, ArrowRight: chosen + 1, Home: 0, End: tokens.length - 1 }[event.key];
  if (to === undefined || !tokens[to]) return;
  event.preventDefault();
  choose(to, false);
  $('list').children[to].focus();
});
$('step').addEventListener('input', () => {
  stopPlaying();
  now = Number($('step').value);
  show();
});
$('play').addEventListener('click', startPlaying);
$('language').addEventListener('click', () => language(currentLanguage() === 'tr' ? 'en' : 'tr'));
dark.addEventListener('change', terrain);
new ResizeObserver(show).observe($('terrain'));

function language(name) {
  setLanguage(name);
  tokens.forEach((token, i) => name_(i, token));
  about();
  show();
  if (info && !busy) status(words().ready);
}
const name_ = (i, token) => name($('list').children[i], token);

if (rememberedLanguage() === 'en') language('en');
status(words().loading);
buttons();
worker.postMessage({ type: 'open', module: new URL('ebt.wasm', location.href).href, model: new URL('model.packed', location.href).href });
// works without a network from the second visit on, where the browser allows it
if ('serviceWorker' in navigator) navigator.serviceWorker.register('offline.js').catch(() => {});
