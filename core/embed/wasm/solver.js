// Problems whose cells are found together, by descent on the energy of all of them.

import { readBoard } from './sudoku.js';
import { align, EbtError, Instance } from './instance.js';

const PROBLEM = -18;
const TOKEN = -11;

// The structs of include/ebt.h on a machine of 32 bits: where fields lie, in bytes.
const SOLVER_SETTINGS = { seed: 0, steps: 8, candidates: 12, choose: 16, commits: 20, eta: 24, spread: 28, bytes: 32 };
const SOLUTION = { energy: 0, freeEnergy: 4, entropy: 8, residual: 12, votes: 16, probabilities: 20, certificate: 24 };
const FLOATS = new Set(['eta', 'spread']);
const CHOICES = { choose: ['energy', 'drop', 'free', 'entropy', 'residual', 'vote'] };

/** Answers problems with a joint model. */
export class Solver {
  #instance;

  /** Use `Solver.open`. */
  constructor(token) {
    if (token !== Solver.#key) throw new TypeError('use Solver.open');
  }
  static #key = Symbol('open');

  /** Opens a joint model, as `Generator.open` does another; of the options `block` and `prompt` do not count. */
  static async open(module, model, options = {}) {
    const solver = new Solver(Solver.#key);
    const instance = await Instance.open('ebt_solver', module, model, options);
    const { wasm, handle, scratch } = instance;
    solver.#instance = instance;
    instance.check(wasm.ebt_solver_sizes(handle, scratch, scratch + 4));
    /** Cells of a problem: at most these, and exactly these where there is a grid. */
    solver.cells = instance.word(scratch);
    /** Tokens that a cell may hold. */
    solver.vocabulary = instance.word(scratch + 4);
    instance.check(wasm.ebt_solver_grid(handle, scratch));
    const [rows, columns, boxRows, boxColumns] = instance.copy(Uint32Array, scratch, 4);
    /** The grid whose cells they are, row by row, or null. */
    solver.grid = rows > 0 ? { rows, columns, boxRows, boxColumns } : null;
    /** Bytes of memory: of the model, and of the solver. */
    solver.bytes = instance.bytes;
    return solver;
  }

  /** The version of the module. */
  get version() {
    return this.#instance.version;
  }

  /** The cells of a Sudoku in writing: digits and letters are given, `.`, `0` and `_` are not, white space is left out. */
  board(text) {
    if (!this.grid) throw new EbtError('the cells of this model are those of no grid', PROBLEM);
    return readBoard(text, this.grid, this.vocabulary);
  }

  /**
   * Answers a problem. A cell is a number, the token that is given; or the tokens that are allowed; or null where all are.
   * `onStep` sees every step of every candidate, with arrays of all cells that are valid during the call only; returning
   * `false` cancels (an `EbtError` with code -13).
   */
  solve(cells, settings = {}, onStep = null) {
    const instance = this.#instance;
    const { wasm, handle, scratch: at } = instance;
    const allowed = this.#sets(cells);
    const allowedAt = instance.put(new Uint8Array(allowed.buffer), cells.length * 4);
    const answerAt = allowedAt + align(allowed.byteLength, 64);
    const solutionAt = at + SOLVER_SETTINGS.bytes;
    instance.check(wasm.ebt_solver_settings_default(at));
    instance.fill(at, settings, SOLVER_SETTINGS, FLOATS, CHOICES);
    instance.telling(onStep, () => wasm.ebt_solver_solve_told(handle, at, 0, allowedAt, cells.length, answerAt, solutionAt));
    const view = instance.view();
    const float = (name) => view.getFloat32(solutionAt + SOLUTION[name], true);
    const word = (name) => instance.word(solutionAt + SOLUTION[name]);
    const { position, ...certificate } = instance.certificate(solutionAt + SOLUTION.certificate);
    return {
      answer: instance.copy(Uint32Array, answerAt, cells.length),
      energy: float('energy'),
      freeEnergy: float('freeEnergy'),
      entropy: float('entropy'),
      residual: float('residual'),
      votes: word('votes'),
      probabilities: instance.copy(Float32Array, word('probabilities'), cells.length * this.vocabulary),
      ...certificate,
    };
  }

  /** The sets of allowed tokens, a bit a token. */
  #sets(cells) {
    const fits = this.grid ? cells.length === this.cells : cells.length > 0 && cells.length <= this.cells;
    if (!fits) {
      const takes = this.grid ? this.cells : `1 to ${this.cells}`;
      throw new EbtError(`the problem has ${cells.length} cells, and the model takes ${takes}`, PROBLEM);
    }
    const words = Math.ceil(this.vocabulary / 32);
    const sets = new Uint32Array(cells.length * words);
    Array.from(cells, (cell, i) => {
      const tokens = typeof cell === 'number' ? [cell] : cell ?? Array.from({ length: this.vocabulary }, (_, token) => token);
      let count = 0;
      for (const token of tokens) {
        if (!(Number.isInteger(token) && token >= 0 && token < this.vocabulary)) {
          throw new EbtError(`cell ${i} of the problem: token ${token} is outside the vocabulary of ${this.vocabulary}`, TOKEN);
        }
        sets[i * words + (token >>> 5)] |= 1 << (token & 31);
        count += 1;
      }
      if (count === 0) throw new EbtError(`cell ${i} of the problem has no allowed token`, PROBLEM);
    });
    return sets;
  }
}
