// The energy of a trajectory as a line: a fall a step, a jump where the model moves on to its next surface.

import { short, words } from './words.js';

const LEFT = 46, RIGHT = 12, TOP = 12, BOTTOM = 40;
const make = (name, attributes, text) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
};

/** First and last energy of a trajectory. */
export const ends = (token) => [token.energies[0], after(token, token.steps - 1)];

/** Energy after a step on its own surface. */
const after = (token, i) => token.energiesAfter[i] ?? token.energies[i + 1] ?? token.energies[i];

/** Draws the trajectory; steps after `now` are faint. `others` are trajectories to compare it with. */
export function drawEnergy(svg, token, now, others = []) {
  const { steps, energies, landscapes } = token;
  const { width, height } = svg.getBoundingClientRect();
  const [WIDTH, HEIGHT] = [Math.max(200, width), Math.max(120, height)];
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  const along = (path) => [path.energies[0], ...Array.from({ length: path.steps }, (_, i) => after(path, i))];
  const values = [...energies, ...[token, ...others].flatMap(along)];
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (high - low < 1e-6) [low, high] = [low - 1, high + 1];
  const x = (step) => LEFT + ((WIDTH - LEFT - RIGHT) * step) / Math.max(1, steps);
  const y = (energy) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - energy)) / (high - low);
  const parts = [];
  for (let i = 0; i <= 2; i++) {
    const energy = low + ((high - low) * i) / 2;
    parts.push(make('line', { class: 'grid', x1: LEFT, x2: WIDTH - RIGHT, y1: y(energy), y2: y(energy) }));
    parts.push(make('text', { x: LEFT - 8, y: y(energy) + 4, 'text-anchor': 'end' }, short(energy)));
  }
  const every = Math.ceil(steps / 8);
  for (let i = 0; i <= steps; i += every) parts.push(make('text', { x: x(i), y: HEIGHT - 24, 'text-anchor': 'middle' }, String(i)));
  parts.push(make('text', { x: WIDTH - RIGHT, y: HEIGHT - 6, 'text-anchor': 'end' }, words().axisStep));
  for (const other of others) {
    const points = along(other).map((energy, i) => `${x(i)} ${y(energy)}`);
    parts.push(make('path', { class: 'other', d: `M${points.join('L')}` }));
  }
  let changed = false;
  for (let i = 0; i < steps; i++) {
    const later = i >= now ? ' later' : '';
    parts.push(make('path', { class: `fall${later}`, d: `M${x(i)} ${y(energies[i])}L${x(i + 1)} ${y(after(token, i))}` }));
    if (i + 1 < steps && Math.abs(energies[i + 1] - after(token, i)) > 1e-6) {
      changed ||= landscapes[i + 1] !== landscapes[i];
      parts.push(make('line', { class: `change${later}`, x1: x(i + 1), x2: x(i + 1), y1: y(after(token, i)), y2: y(energies[i + 1]) }));
    }
  }
  parts.push(make('circle', { class: 'point', cx: x(0), cy: y(energies[0]), r: 3.5 }));
  for (let i = 0; i < steps; i++) {
    const state = i + 1 === now ? ' now' : i >= now ? ' later' : '';
    parts.push(make('circle', { class: `point${state}`, cx: x(i + 1), cy: y(after(token, i)), r: i + 1 === now ? 5.5 : 3.5 }));
  }
  const [first, last] = ends(token);
  const text = words().energyText(steps, short(first), short(last));
  svg.setAttribute('aria-label', text);
  svg.replaceChildren(...parts);
  return text + (changed ? words().energyChanged : '');
}
