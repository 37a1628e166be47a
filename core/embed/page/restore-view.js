// Restored text as it is seen: changed letters are coloured, letters of which the model is unsure are dotted and can be reached.

import { currentLanguage, words } from './words.js';

const SLICE = 40; // milliseconds of drawing before others have their turn

const formats = new Map();
/** Making a format takes long: one is kept for every language and number of decimals. */
function format(digits) {
  const key = `${currentLanguage()} ${digits}`;
  const options = { style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits };
  if (!formats.has(key)) formats.set(key, new Intl.NumberFormat(currentLanguage(), options));
  return formats.get(key);
}

/** A probability in percent, with a decimal where it is near certainty. */
export const chance = (p) => (p >= 0.9995 ? `> ${format(1).format(0.999)}` : format(p < 0.9 ? 0 : 1).format(p));

/** A piece of the worker as its characters; `text` and `end` say whether two pieces are the same. */
export const readPiece = ({ text, end, restored, probabilities, inDoubt }) =>
  ({ text, end, was: [...text], is: [...restored], p: probabilities, inDoubt });

/** The restored text of a piece, with its line break. */
export const textOf = ({ is, end }) => is.join('') + end;

/** The restored word around a letter, and where the letter stands in it. */
export function wordOf({ is }, at) {
  const inside = (i) => i >= 0 && i < is.length && /[\p{L}\p{M}'’]/u.test(is[i]);
  let [from, to] = [at, at + 1];
  while (inside(from - 1)) from -= 1;
  while (inside(to)) to += 1;
  return { word: is.slice(from, to).join(''), before: is.slice(from, at).join(''), after: is.slice(at + 1, to).join('') };
}

/** A letter in words, with its probability. */
export const sayLetter = (piece, at) => words().letter(wordOf(piece, at).word, piece.was[at], piece.is[at], chance(piece.p[at]));

/** How many letters were in doubt, changed, and are less probable than `least`. */
export function count(pieces, least) {
  const sums = { inDoubt: 0, changed: 0, unsure: 0 };
  for (const { was, is, p, inDoubt } of pieces) {
    for (let i = 0; i < is.length; i++) {
      sums.changed += Number(is[i] !== was[i]);
      sums.inDoubt += inDoubt[i];
      sums.unsure += Number(inDoubt[i] === 1 && p[i] < least);
    }
  }
  return sums;
}

function letterNode(piece, at, changed, unsure) {
  const node = document.createElement('span');
  node.className = [changed ? 'changed' : '', unsure ? 'unsure' : ''].join(' ').trim();
  node.textContent = piece.is[at];
  node.title = sayLetter(piece, at);
  if (unsure) {
    node.dataset.at = String(at);
    node.tabIndex = -1;
    node.setAttribute('role', 'button');
    node.setAttribute('aria-pressed', 'false');
    node.setAttribute('aria-label', node.title);
  }
  return node;
}

function fill(node, piece, least) {
  const parts = [];
  let plain = '';
  for (let at = 0; at < piece.is.length; at++) {
    const changed = piece.is[at] !== piece.was[at];
    const unsure = piece.inDoubt[at] === 1 && piece.p[at] < least;
    if (!changed && !unsure) {
      plain += piece.is[at];
      continue;
    }
    parts.push(plain, letterNode(piece, at, changed, unsure));
    plain = '';
  }
  node.replaceChildren(...parts.filter((part) => part !== ''), plain + piece.end);
}

/**
 * The text in `box`. `set(i, piece)` puts a piece in its place, `keep(n)` drops those behind the first n, `draw(least)` draws what is
 * new at once, and what another threshold or language makes old a part at a time, `press(i, at)` marks a letter as chosen.
 * `choose(i, at)` is called where an unsure letter is chosen or reached.
 */
export function buildText(box, choose) {
  const lines = [];
  let wanted = '';
  let pressed = { i: null, at: null, node: null };
  let timer = 0;
  const placeOf = (node) => [[...box.children].indexOf(node.parentNode), Number(node.dataset.at)];
  const press = (i, at) => {
    pressed.node?.setAttribute('aria-pressed', 'false');
    pressed = { i, at, node: i === null ? null : box.children[i]?.querySelector(`[data-at="${at}"]`) };
    pressed.node?.setAttribute('aria-pressed', 'true');
    // one letter is reached by the tab key: the chosen one, else the first
    box.querySelectorAll('[tabindex="0"]').forEach((other) => (other.tabIndex = -1));
    const reached = pressed.node ?? box.querySelector('.unsure');
    if (reached) reached.tabIndex = 0;
  };
  function work(least) {
    const began = performance.now();
    clearTimeout(timer);
    lines.forEach((line, i) => {
      if (line.drawn === wanted || (line.drawn !== null && performance.now() - began > SLICE)) return;
      line.drawn = wanted;
      fill(box.children[i], line.piece, least);
    });
    press(pressed.i, pressed.at);
    if (lines.some(({ drawn }) => drawn !== wanted)) timer = setTimeout(work, 0, least);
  }
  box.addEventListener('click', ({ target }) => target.dataset.at && choose(...placeOf(target)));
  box.addEventListener('focusin', ({ target }) => target.dataset.at && choose(...placeOf(target)));
  box.addEventListener('keydown', (event) => {
    if (!event.target.dataset.at || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...box.querySelectorAll('.unsure')];
    const here = all.indexOf(event.target);
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: all.length - 1, Enter: here, ' ': here }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to === here) choose(...placeOf(event.target));
    else all[to]?.focus();
  });
  return {
    set(i, piece) {
      if (box.children.length <= i) box.append(document.createElement('span'));
      const { [i]: old } = lines;
      if (!old || old.piece.text !== piece.text || old.piece.end !== piece.end) lines[i] = { piece, drawn: null };
    },
    keep(n) {
      lines.length = Math.min(lines.length, n);
      while (box.children.length > n) box.lastChild.remove();
    },
    draw(least) {
      wanted = `${least} ${currentLanguage()}`;
      work(least);
    },
    press,
    pieces: () => lines.map(({ piece }) => piece),
  };
}
