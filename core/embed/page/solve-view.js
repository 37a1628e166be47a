// A board as it is seen: what is given, and of every other cell how probable its digits are.

const make = (name, className) => Object.assign(document.createElement(name), { className });

/** How far from the middle of its cell a candidate stands, in its own size, by place. */
const offset = (place, places) => (places - 1) / 2 - place;

/** A cell that shows one digit: the most probable, as clearly as it is probable. */
function smallCell() {
  const node = make('span', 'cell');
  return {
    node,
    draw(given, digit, shares) {
      node.textContent = given ?? (shares ? digit : '');
      node.style.setProperty('--sure', given !== null || !shares ? '100%' : `${15 + 85 * Math.max(...shares)}%`);
    },
  };
}

/** A cell that shows all digits, as large as they are probable; a certain one stands in the middle. */
function largeCell(grid, symbols) {
  const node = make('span', 'cell');
  node.setAttribute('role', 'gridcell');
  const digit = make('span', 'digit');
  const candidates = make('span', 'candidates');
  for (const part of [digit, candidates]) part.setAttribute('aria-hidden', 'true');
  const digits = Array.from({ length: symbols }, (_, token) => Object.assign(make('i', ''), { textContent: String(token + 1) }));
  candidates.append(...digits);
  node.append(digit, candidates);
  return {
    node,
    draw(given, _, shares) {
      digit.textContent = given ?? '';
      digits.forEach((node, token) => {
        const p = given !== null || !shares ? 0 : shares[token];
        const [x, y] = [offset(token % grid.boxColumns, grid.boxColumns), offset(Math.floor(token / grid.boxColumns), grid.boxRows)];
        node.style.opacity = String(p < 0.002 ? 0 : 0.2 + 0.8 * p);
        node.style.transform = `translate(${100 * x * p * p}%, ${100 * y * p * p}%) scale(${0.7 + 1.6 * p})`;
      });
    },
  };
}

/** The most probable digit of every cell, null where none is as probable as `least`; of given cells what is given. */
export const answerOf = (given, state, symbols, least = 0) => given.map((token, cell) => {
  if (token !== null) return token;
  const shares = state.subarray(cell * symbols, (cell + 1) * symbols);
  const most = Math.max(...shares);
  return most < least ? null : shares.indexOf(most);
});

/**
 * Builds a board in `node`: its cells, and the function that draws them, which is passed the tokens that are given, a state or
 * null, and the cells that are wrong.
 */
export function buildBoard(node, grid, symbols, small) {
  node.style.setProperty('--columns', String(grid.columns));
  node.style.setProperty('--box-columns', String(grid.boxColumns));
  const cells = Array.from({ length: grid.rows * grid.columns }, () => (small ? smallCell() : largeCell(grid, symbols)));
  for (let row = 0; row < grid.rows; row++) {
    const line = make('span', 'row');
    if (!small) line.setAttribute('role', 'row');
    for (let column = 0; column < grid.columns; column++) {
      const cell = cells[row * grid.columns + column].node;
      cell.classList.toggle('right', column + 1 < grid.columns && (column + 1) % grid.boxColumns === 0);
      cell.classList.toggle('bottom', row + 1 < grid.rows && (row + 1) % grid.boxRows === 0);
      line.append(cell);
    }
    node.append(line);
  }
  const draw = (given, state, wrong = new Set()) => {
    const answer = state && answerOf(given, state, symbols);
    cells.forEach(({ node, draw }, i) => {
      node.classList.toggle('given', given[i] !== null);
      node.classList.toggle('wrong', wrong.has(i));
      const shares = state && state.subarray(i * symbols, (i + 1) * symbols);
      draw(given[i] === null ? null : String(given[i] + 1), answer && String(answer[i] + 1), shares);
    });
  };
  return { node, cells: cells.map(({ node }) => node), draw };
}
