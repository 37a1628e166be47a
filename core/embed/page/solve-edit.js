// Writing into the board: keys, the digits below it, and what contradicts what among the given digits.

import { repeats } from './sudoku.js';
import { words } from './words.js';

/** Row and column of a cell, from 1. */
export const placeOf = (cell, { columns }) => [Math.floor(cell / columns) + 1, (cell % columns) + 1];

/** What contradicts what among the given digits: the cells, and a sentence; null if nothing does. */
export function contradiction(given, { grid, vocabulary }) {
  const [repeat] = repeats(given, grid);
  if (repeat) {
    const { unit, number, token, cells } = repeat;
    return { cells, text: words().repeat(unit, number + 1, token + 1, cells.map((cell) => placeOf(cell, grid))) };
  }
  const stands = (cell, token) => repeats(given.map((other, i) => (i === cell ? token : other)), grid).length === 0;
  const tokens = Array.from({ length: vocabulary }, (_, token) => token);
  const cell = given.findIndex((token, i) => token === null && !tokens.some((token) => stands(i, token)));
  return cell < 0 ? null : { cells: [cell], text: words().noDigit(...placeOf(cell, grid)) };
}

/** The buttons below the board: a digit each, and one that erases. */
export function buildPad(node, symbols) {
  const button = (value, textContent) =>
    Object.assign(document.createElement('button'), { type: 'button', className: 'quiet', textContent, value });
  const digits = Array.from({ length: symbols }, (_, token) => button(String(token), String(token + 1)));
  node.replaceChildren(...digits, button('', words().erase));
}

/** Lets cells be chosen and written to: `write(cell, token)` with null to erase. */
export function edit({ node, cells }, pad, { grid, vocabulary }, write) {
  let chosen = 0;
  const select = (cell) => {
    chosen = cell;
    mark();
    cells[cell].focus();
  };
  const mark = () => cells.forEach((cell, i) => {
    cell.setAttribute('aria-selected', String(i === chosen));
    cell.tabIndex = i === chosen ? 0 : -1;
  });
  cells.forEach((cell, i) => (cell.dataset.cell = String(i)));
  mark();
  node.addEventListener('click', ({ target }) => {
    const cell = target.closest('[data-cell]');
    if (cell) select(Number(cell.dataset.cell));
  });
  node.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = [Math.floor(chosen / grid.columns), chosen % grid.columns];
    const inside = (x, count) => Math.min(count - 1, Math.max(0, x));
    const to = (row, column) => select(inside(row, grid.rows) * grid.columns + inside(column, grid.columns));
    const moves = {
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      Home: [row, 0], End: [row, grid.columns - 1],
    };
    const digit = /^[1-9]$/.test(event.key) && Number(event.key) <= vocabulary;
    if (digit) write(chosen, Number(event.key) - 1);
    else if (['Backspace', 'Delete', '0', '.', ' '].includes(event.key)) write(chosen, null);
    else if (Object.hasOwn(moves, event.key)) to(...moves[event.key]);
    else return;
    event.preventDefault();
  });
  pad.addEventListener('click', ({ target }) => {
    if (target.tagName === 'BUTTON') write(chosen, target.value === '' ? null : Number(target.value));
  });
}
