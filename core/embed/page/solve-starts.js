// The starts of a board side by side, and the certificate of the one that was chosen.

import { repeats } from './sudoku.js';
import { answerOf, buildBoard } from './solve-view.js';
import { decimal, words } from './words.js';

/** A cell is decided where a digit is at least as probable as this. */
const DECIDED = 0.5;

/** The cells of a start's answer that contradict each other, and how many pairs do; those of undecided cells do not count. */
export function wrongOf(start, given, { grid, vocabulary }) {
  const pairs = repeats(answerOf(given, start.states.at(-1), vocabulary, DECIDED), grid);
  return { cells: new Set(pairs.flatMap(({ cells }) => cells)), pairs: pairs.length };
}

/** How many cells of a start's answer are undecided. */
export const undecided = (start, given, { vocabulary }) =>
  answerOf(given, start.states.at(-1), vocabulary, DECIDED).filter((token) => token === null).length;

/** The state of a start after `step` steps; null before the first. */
export const stateOf = ({ steps, states }, step) => (step === 0 ? null : states[Math.min(step, steps) - 1]);

/** Free energy of a start after `step` steps. */
function free({ steps, energies, energiesAfter }, step) {
  const at = Math.min(step, steps);
  return at === 0 ? energies[0] : energiesAfter[at - 1] ?? energies[at] ?? energies[at - 1];
}

/** Builds a small board for every start in `list`; the function that draws them is given the start looked at, and a step. */
export function buildStarts(list, { starts, solution }, given, info) {
  const make = (name, className) => Object.assign(document.createElement(name), { className });
  const small = starts.map((start, i) => {
    const least = i === solution.candidate;
    const button = Object.assign(make('button', least ? 'start least' : 'start'), { type: 'button' });
    const [node, label, name, value] = ['board', 'label', 'name', 'value'].map((className) => make('span', className));
    node.setAttribute('aria-hidden', 'true');
    label.append(name, value);
    button.append(node, label);
    button.dataset.start = String(i);
    const wrong = wrongOf(start, given, info).cells;
    return { start, least, button, name, value, wrong, draw: buildBoard(node, info.grid, info.vocabulary, true).draw };
  });
  list.replaceChildren(...small.map(({ button }) => button));
  return (looked, step) => small.forEach(({ start, least, button, name, value, wrong, draw }, i) => {
    draw(given, stateOf(start, step), step >= start.steps ? wrong : undefined);
    value.textContent = decimal(free(start, step));
    name.textContent = least ? `${i + 1} · ${words().least}` : String(i + 1);
    button.setAttribute('aria-pressed', String(i === looked));
    button.setAttribute('aria-label', words().startLabel(i + 1, value.textContent) + (least ? `, ${words().least}` : ''));
  });
}

/** Fills in the certificate of the chosen start. */
export function drawCertificate(list, { starts, solution }, given, info) {
  const w = words();
  const chosen = starts[solution.candidate];
  const valid = wrongOf(chosen, given, info).pairs === 0 && undecided(chosen, given, info) === 0;
  const fell = solution.allDecreased;
  const rows = [
    [w.solution, valid ? w.yes : w.no, valid ? 'yes' : 'no'],
    [w.votes, w.of(solution.votes, starts.length)],
    [w.free, decimal(solution.freeEnergy)],
    [w.energy, decimal(solution.energy)],
    [w.entropy, decimal(solution.entropy)],
    [w.residual, decimal(solution.residual, 4)],
    [w.stepsSpent, decimal(solution.steps, 0)],
    [w.stopWhy, w.why[solution.stop]],
    [w.dropped, fell === null ? w.unknown : fell ? w.yes : w.no, fell === null ? '' : fell ? 'yes' : 'no'],
  ];
  list.replaceChildren(...rows.flatMap(([term, text, kind = '']) => [
    Object.assign(document.createElement('dt'), { textContent: term }),
    Object.assign(document.createElement('dd'), { textContent: text, className: kind }),
  ]));
}
