// The solver, beside the page: answers a board from several starts, and keeps every state on the way.

import { Solver } from './ebt.js';

const MOST = { rows: 16, steps: 64 };
let solver = null;

onmessage = async ({ data }) => {
  try {
    await JOBS[data.type](data);
  } catch (error) {
    postMessage({ type: 'problem', job: data.job, message: String(error?.message ?? error) });
  }
};

const JOBS = {
  async open({ module, model }) {
    const answers = await Promise.all([fetch(module), fetch(model)]);
    for (const answer of answers) if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    solver = await Solver.open(answers[0], await answers[1].arrayBuffer(), { ...MOST, trials: true });
    const { cells, vocabulary, grid, bytes, version } = solver;
    postMessage({ type: 'ready', cells, vocabulary, grid, bytes, version });
  },

  solve({ job, cells, settings }) {
    const began = performance.now();
    const starts = Array.from({ length: settings.candidates }, () => ({ energies: [], energiesAfter: [], states: [] }));
    const solution = solver.solve(cells, settings, (step) => {
      const start = starts[step.candidate];
      start.energies.push(step.energy);
      start.energiesAfter.push(step.energyAfter);
      start.states.push(step.probabilities.slice());
    });
    for (const start of starts) Object.assign(start, { steps: start.states.length, landscapes: start.states.map(() => 0) });
    postMessage({ type: 'solved', job, starts, solution, seconds: (performance.now() - began) / 1000 });
  },
};
