// A passage of restored text as its letters settle, the surest first: the text, the surprise that is left, and where it hesitated.

import { chance, sayLetter, wordOf } from './restore-view.js';
import { short, words } from './words.js';

/** Characters after which a passage ends, with the piece they are in. */
const PASSAGE = 700;
const DOUBTS = 8;
const LEFT = 46, RIGHT = 14, TOP = 12, BOTTOM = 40;

const make = (name, className, text = '') => Object.assign(document.createElement(name), { className, textContent: text });
const draw = (name, attributes, text) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};

/**
 * The passage that begins with piece `first`: its letters in doubt in the order in which they settle, `{ i, at, piece, p }`, and
 * the surprise `left[k]` of those that are not settled after k of them.
 */
export function passageFrom(pieces, first) {
  let [end, length] = [first, 0];
  while (end < pieces.length && length < PASSAGE) {
    length += pieces[end].is.length + pieces[end].end.length;
    end += 1;
  }
  const order = [];
  for (let i = first; i < end; i++) {
    const piece = pieces[i];
    piece.p.forEach((p, at) => piece.inDoubt[at] === 1 && order.push({ i, at, piece, p }));
  }
  order.sort((a, b) => b.p - a.p);
  const left = new Float64Array(order.length + 1);
  for (let k = order.length - 1; k >= 0; k--) left[k] = left[k + 1] - Math.log(Math.max(order[k].p, 1e-30));
  return { first, end, length, order, left, pieces: pieces.slice(first, end) };
}

/** Whether a passage is in `pieces` as it is, and no shorter than it could be. */
export const isRight = ({ first, end, length, pieces: own }, pieces) =>
  own.every((piece, k) => piece === pieces[first + k]) && (length >= PASSAGE || end === pieces.length);

/** Lays the passage out in `node`; the function that draws it is given how many letters are settled. */
export function buildStage(node, { first, pieces, order }) {
  const nodes = new Map();
  node.replaceChildren(...pieces.flatMap((piece, i) => {
    const parts = [];
    let plain = '';
    for (let at = 0; at < piece.is.length; at++) {
      if (piece.inDoubt[at] !== 1) {
        plain += piece.is[at];
        continue;
      }
      const letter = make('span', 'tile');
      nodes.set(`${first + i} ${at}`, letter);
      parts.push(plain, letter);
      plain = '';
    }
    return [...parts, plain + piece.end].filter((part) => part !== '');
  }));
  const tiles = order.map(({ i, at }) => nodes.get(`${i} ${at}`));
  return (now) => tiles.forEach((tile, k) => {
    const { piece, at } = order[k];
    const changed = piece.is[at] !== piece.was[at] ? ' changed' : '';
    tile.className = k >= now ? 'tile covered' : `tile${changed}${k === now - 1 ? ' latest' : ''}`;
    tile.textContent = k >= now ? piece.was[at] : piece.is[at];
  });
}

/** Draws the surprise that is left, and returns it in words; what comes after `now` is faint. */
export function drawSurprise(svg, { order, left }, now, least) {
  const { width, height } = svg.getBoundingClientRect();
  const [WIDTH, HEIGHT] = [Math.max(200, width), Math.max(120, height)];
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  const n = order.length;
  const high = Math.max(left[0], 1e-3);
  const x = (k) => LEFT + ((WIDTH - LEFT - RIGHT) * k) / Math.max(1, n);
  const y = (surprise) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - surprise)) / high;
  const line = (from, to) => Array.from({ length: to - from + 1 }, (_, k) => `${x(from + k)} ${y(left[from + k])}`).join('L');
  const parts = [];
  for (const share of [0, 0.5, 1]) {
    parts.push(draw('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(share * high), y2: y(share * high) }));
    parts.push(draw('text', { x: LEFT - 8, y: y(share * high) + 4, 'text-anchor': 'end' }, short(share * high)));
  }
  const every = Math.max(1, Math.ceil(n / 5));
  for (let k = 0; k <= n; k += every) {
    parts.push(draw('text', { x: x(k), y: HEIGHT - 24, 'text-anchor': 'middle' }, String(k)));
  }
  parts.push(draw('text', { x: WIDTH - RIGHT, y: HEIGHT - 6, 'text-anchor': 'end' }, words().axisLetters));
  const sure = order.filter(({ p }) => p >= least).length;
  if (sure < n) parts.push(draw('line', { class: 'below', x1: x(sure), x2: x(sure), y1: TOP, y2: HEIGHT - BOTTOM }));
  parts.push(draw('path', { class: 'area', d: `M${x(0)} ${y(0)}L${line(0, now)}L${x(now)} ${y(0)}Z` }));
  parts.push(draw('path', { class: 'rest', d: `M${line(now, n)}` }));
  parts.push(draw('path', { class: 'settled', d: `M${line(0, now)}` }));
  parts.push(draw('circle', { class: 'now', cx: x(now), cy: y(left[now]), r: 5.5 }));
  svg.replaceChildren(...parts);
  const text = words().surpriseText(short(left[now]), short(left[0]), now);
  svg.setAttribute('aria-label', text);
  return text + (sure < n ? words().surpriseLeast : '');
}

/**
 * Lists the letters that settle last, the least certain first, with bars of their surprise, and returns how many there are. `chosen`
 * is marked, and so is what is not settled at `now`.
 */
export function drawDoubts(list, { order }, now, chosen) {
  const last = order.filter(({ p }) => p < 0.9995).slice(-DOUBTS).reverse();
  while (list.children.length > last.length) list.lastChild.remove();
  last.forEach((letter, row) => {
    let item = list.children[row];
    if (!item) {
      item = make('li', '');
      const button = Object.assign(make('button', 'doubt'), { type: 'button' });
      button.append(make('span', 'name'), make('span', 'track'), make('span', 'share'));
      button.children[0].lang = 'tr';
      button.children[1].append(make('span', 'bar'));
      for (const part of button.children) part.setAttribute('aria-hidden', 'true');
      item.append(button);
      list.append(item);
    }
    const [button] = item.children;
    const [name, track, share] = button.children;
    const { i, at, piece, p } = letter;
    const { before, after } = wordOf(piece, at);
    name.replaceChildren(before, make('b', '', piece.is[at]), after);
    track.firstChild.style.transform = `scaleX(${Math.log(p) / Math.log(last[0].p)})`;
    share.textContent = chance(p);
    Object.assign(button.dataset, { i: String(i), at: String(at) });
    button.title = sayLetter(piece, at);
    button.setAttribute('aria-label', button.title);
    button.setAttribute('aria-pressed', String(chosen?.i === i && chosen.at === at));
    button.classList.toggle('later', order.indexOf(letter) >= now);
  });
  return last.length;
}
