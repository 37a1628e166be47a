// The restorer, beside the page, so that typing stays smooth: puts letters back piece by piece, and tells of pieces as they come. A piece is a
// line, restored as by every other way to the restorer; of lines beyond 2,000 characters it is a part, so that a newer text waits a second. One job at a time; a newer one ends an older one between pieces.

import { Restorer } from './ebt.js';
import { isWaiting, pause, serve } from './jobs.js';

/** Most characters of a piece; of a report, most pieces, and milliseconds, about. */
const MOST = 2000, PIECES = 60, REPORT = 40;
const SENTENCE = /[.!?…:;]["'”’)]*\s+/g, SPACE = /\s+/g;

let restorer = null;
/** What is known of pieces, by their text: of those of the last job that ended, and of later ones. */
let known = new Map();

serve({
  async open({ module, model }) {
    const answers = await Promise.all([fetch(module), fetch(model)]);
    for (const answer of answers) if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    restorer = await Restorer.open(answers[0], await answers[1].arrayBuffer());
    const { bytes, version } = restorer;
    postMessage({ type: 'ready', bytes, version });
  },

  async restore({ job, text }) {
    const began = performance.now();
    const parts = cut(text);
    const used = new Map();
    let pieces = [], first = 0, told = began;
    const tell = () => {
      postMessage({ type: 'pieces', job, first, pieces, of: parts.length });
      [first, pieces, told] = [first + pieces.length, [], performance.now()];
    };
    for (const part of parts) {
      if (!known.has(part.text)) known.set(part.text, restored(part.text));
      used.set(part.text, known.get(part.text));
      pieces.push({ ...used.get(part.text), text: part.text, end: part.end });
      if (pieces.length < PIECES && performance.now() - told < REPORT) continue;
      tell();
      await pause();
      if (isWaiting()) return;
    }
    if (pieces.length > 0) tell();
    known = used;
    postMessage({ type: 'done', job, milliseconds: performance.now() - began });
  },
});

/** What the restorer makes of a piece: the text, and of every character how probable it is and whether it was in doubt. */
function restored(text) {
  const result = restorer.restore(text);
  return {
    restored: result.text,
    probabilities: Float32Array.from(result.letters, ({ probability }) => probability),
    inDoubt: Uint8Array.from(result.letters, ({ inDoubt }) => Number(inDoubt)),
  };
}

/** The pieces of a text in order, with the line break behind them: together they are the text. Long lines are cut behind sentences. */
function cut(text) {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    const parts = [];
    for (let rest = line; rest.length > 0 || parts.length === 0;) {
      const length = rest.length > MOST ? lengthOf(rest.slice(0, MOST)) : rest.length;
      parts.push({ text: rest.slice(0, length), end: '' });
      rest = rest.slice(length);
    }
    parts.at(-1).end = i + 1 < lines.length ? '\n' : '';
    return parts;
  });
}

/** How much of the beginning of a long line is a piece; never half a character. */
function lengthOf(beginning) {
  for (const sign of [SENTENCE, SPACE]) {
    const last = [...beginning.matchAll(sign)].at(-1);
    if (last && last.index > beginning.length / 2) return last.index + last[0].length;
  }
  return beginning.length - (/[\uD800-\uDBFF]$/.test(beginning) ? 1 : 0);
}
