// The model, beside the page, so that typing stays smooth. One job at a time; a newer one ends an older one between tokens.

import { Generator } from './ebt.js';
import { isWaiting, pause, serve } from './jobs.js';
import { center, project, softmax } from './slice.js';

const SHOWN = 8;
const SEARCH = { words: 5, evaluations: 48 };
const GRID = { columns: 45, rows: 33, left: -1.3, right: 0.45 };

let generator = null;
/** The text that was generated last: what it began with, its tokens, how they were thought of. */
let text = { prompt: '', ids: [], settings: {} };
/** The trajectory of the token that the generator thought of last. */
let trajectory = null;

const tell = (message) => postMessage(message);

serve({
  async open({ module, model }) {
    const answers = await Promise.all([fetch(module), fetch(model)]);
    for (const answer of answers) if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    const options = { steps: 32, prompt: 4096, rows: 8, trials: true };
    generator = await Generator.open(answers[0], await answers[1].arrayBuffer(), options);
    const { vocabulary, bytes, version } = generator;
    tell({ type: 'ready', vocabulary, bytes, version });
  },

  /** Thinks of the token after the text. */
  async preview(job) {
    begin(job);
    const token = think(job.settings);
    tell({ type: 'preview', job: job.job, token });
    // the words of a newer text are wanted, where there is one
    await pause();
    if (!isWaiting()) tell({ type: 'words', job: job.job, words: suggested(job.text) });
  },

  async generate(job) {
    const started = performance.now();
    begin(job);
    let count = 0, ended = false;
    while (count < job.count && !isWaiting()) {
      const token = think(job.settings);
      if ((ended = token === null)) break;
      text.ids.push(token.id);
      tell({ type: 'token', job: job.job, index: count, token });
      count += 1;
      await pause();
    }
    tell({ type: 'done', job: job.job, count, ended, seconds: (performance.now() - started) / 1000 });
  },

  /** The surface around the trajectory of token `index`; it is thought of again if others came after it. */
  async surface(job) {
    if (trajectory?.index !== job.index) {
      begin({ text: text.prompt, settings: text.settings }, text.ids);
      generator.accept(text.ids.slice(0, job.index));
      think(text.settings, job.index);
    }
    tell({ type: 'surface', job: job.job, index: job.index, ...(await surface(trajectory)) });
  },

  async stop() {},
});

/** Ways to finish the last word of a text, or words that may come next. */
function suggested(typed) {
  const finished = generator.finished(typed);
  generator.reset();
  generator.prompt(finished);
  trajectory = null;
  return generator.suggest(typed.slice(finished.length), SEARCH).words;
}

function begin(job, ids = []) {
  text = { prompt: job.text, ids, settings: job.settings };
  trajectory = null;
  generator.reset();
  generator.prompt(job.text);
}

/** The next token with its trajectory, or null at the end of the text. */
function think(settings, index = text.ids.length) {
  const states = new Map();
  const token = generator.next({ certify: true, ...settings }, (step) => {
    if (!states.has(step.candidate)) states.set(step.candidate, []);
    states.get(step.candidate)[step.step] = { logits: step.logits.slice(), probabilities: step.probabilities.slice() };
  });
  if (!token) return null;
  const path = (states.get(token.candidate) ?? []).slice(0, token.steps);
  const best = top(path.at(-1).probabilities, SHOWN);
  if (!best.includes(token.id)) best[SHOWN - 1] = token.id;
  const [landscapes, energies] = [token.landscapes, token.energies];
  trajectory = { index, path, landscape: landscapes.at(-1), pair: best.slice(0, 2), first: [landscapes[0], energies[0]] };
  const candidates = best.map((id) => ({
    id, text: generator.tokenText(id), shares: path.map((state) => state.probabilities[id]),
  }));
  return { ...token, shown: token.text === '' ? generator.tokenText(token.id) : token.text, candidates };
}

/** The `count` most probable tokens, most probable first. */
function top(probabilities, count) {
  const best = [];
  probabilities.forEach((p, id) => {
    if (best.length < count || p > probabilities[best.at(-1)]) {
      const place = best.findIndex((other) => p > probabilities[other]);
      best.splice(place < 0 ? best.length : place, 0, id);
      if (best.length > count) best.pop();
    }
  });
  return best;
}

/** Energies of softmax(Y + a u + b v) on a grid: u is the way from knowing nothing to Y, v favours one candidate over another. */
async function surface({ path, landscape, pair: [first, second], first: start }) {
  const last = center(path.at(-1).logits);
  const states = path.map((state) => center(state.logits));
  const spread = Math.max(2, ...states.map((y) => Math.abs(y[first] - y[second]))) * 1.25;
  const v = { [first]: spread / 2, [second]: -spread / 2 };
  const points = states.map((y) => project(y, last, first, second, spread / 2));
  // a descent that begins where all tokens are equally probable begins at a = -1, b = 0
  const even = generator.energies(start[0], new Float32Array(last.length).fill(1 / last.length))[0];
  const fromEven = Math.abs(even - start[1]) <= 1e-4 * Math.max(1, Math.abs(even));
  // the path is always inside
  const reach = (pick, low, high) => [Math.min(low, ...points.map(pick)) - 0.1, Math.max(high, ...points.map(pick)) + 0.1];
  const [left, right] = reach((p) => p.a, GRID.left, GRID.right);
  const [bottom, high] = reach((p) => p.b, -1.4, 1.4);
  const { columns, rows } = GRID;
  const energies = new Float32Array(columns * rows);
  const mixtures = new Float32Array(columns * last.length);
  for (let row = 0; row < rows && !isWaiting(); row++) {
    const b = high + ((bottom - high) * row) / (rows - 1);
    for (let column = 0; column < columns; column++) {
      const a = left + ((right - left) * column) / (columns - 1);
      softmax(last, 1 + a, v, b, mixtures.subarray(column * last.length, (column + 1) * last.length));
    }
    energies.set(generator.energies(landscape, mixtures), row * columns);
    if (row % 8 === 7) await pause();
  }
  if (isWaiting()) return { energies: null };
  const texts = [first, second].map((id) => generator.tokenText(id));
  return { columns, rows, left, right, bottom, top: high, energies, points, fromEven, texts };
}
