// Sudokus in writing, and what contradicts what in them.

import { EbtError } from './instance.js';

const PROBLEM = -18;
const SYMBOLS = '123456789ABCDEFGHIJKLMNOP';

/** Row, column and box of a cell. */
const place = (cell, { columns, boxRows, boxColumns }) => {
  const [row, column] = [Math.floor(cell / columns), cell % columns];
  return { row, column, box: Math.floor(row / boxRows) * (columns / boxColumns) + Math.floor(column / boxColumns) };
};

/** Every pair of cells of a unit that are given the same token. Cells are tokens, or null where none is given. */
export function repeats(cells, grid) {
  const found = [];
  for (const unit of ['row', 'column', 'box']) {
    const first = new Map();
    cells.forEach((token, cell) => {
      if (token === null) return;
      const number = place(cell, grid)[unit];
      const key = `${number} ${token}`;
      if (first.has(key)) found.push({ unit, number, token, cells: [first.get(key), cell] });
      else first.set(key, cell);
    });
  }
  return found;
}

/** The given tokens of a board of `symbols` symbols, null where none is given. */
export function readBoard(text, grid, symbols) {
  const expected = grid.rows * grid.columns;
  const written = [...text].filter((c) => !/\s/.test(c));
  if (written.length !== expected) throw new EbtError(`the board has ${written.length} cells, and the model takes ${expected}`, PROBLEM);
  const says = ({ row, column }) => `row ${row + 1}, column ${column + 1}`;
  const cells = written.map((c, cell) => {
    if ('.0_'.includes(c)) return null;
    const token = SYMBOLS.indexOf(c.toUpperCase());
    if (token < 0 || token >= symbols) {
      throw new EbtError(`${says(place(cell, grid))} holds '${c}': a symbol is one of 1 to ${SYMBOLS[symbols - 1]}`, PROBLEM);
    }
    return token;
  });
  const [repeat] = repeats(cells, grid);
  if (repeat) {
    const places = repeat.cells.map((cell) => says(place(cell, grid)));
    throw new EbtError(`${repeat.unit} ${repeat.number + 1} has ${SYMBOLS[repeat.token]} twice, in ${places.join(' and in ')}`, PROBLEM);
  }
  return cells;
}
