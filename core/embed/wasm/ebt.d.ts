/** Extents; they fix the memory that a generator or solver needs. What is left out has its usual value. */
export interface Options {
  /** Tokens of a prompt that are computed together. */
  block?: number;
  /** Candidates that are computed side by side. */
  rows?: number;
  /** Most descent steps of a token. */
  steps?: number;
  /** Most bytes of one prompt. */
  prompt?: number;
  /** Whether backtracking and Metropolis tests may be asked for. */
  trials?: boolean;
  /** Whether curvatures may be asked for. */
  curvature?: boolean;
  /** How observed keys and values are kept; less than `f32` takes less memory and changes results a little. */
  cache?: 'f32' | 'f16' | 'bf16' | 'int8' | 'int4';
}

/** How a token is thought of and drawn. What is left out has its usual value. */
export interface Settings {
  /** Seed of all noise and draws, 64 bits. */
  seed?: number | bigint;
  /** Most descent steps; 0: the model's own number. */
  steps?: number;
  /** Starts of a token; the best is kept. */
  candidates?: number;
  /** What best means: the least final energy, or the largest drop. */
  choose?: 'energy' | 'drop';
  /** Whether the energy after every step is evaluated. */
  certify?: boolean;
  /** Hessian-vector products a step to measure `alpha lambda_max` with; 0: not measured. */
  curvature?: number;
  /** How steps are sized; `stepValue` is the step size, or the product `alpha lambda_max` wanted. */
  stepSize?: 'model' | 'fixed' | 'armijo' | 'curvature';
  stepValue?: number;
  /** Noise; `noiseValue` is its standard deviation or the temperature. */
  noise?: 'none' | 'langevin' | 'temperature' | 'metropolis';
  noiseValue?: number;
  /** Transitions during which Metropolis steps are adapted. */
  warmUp?: number;
  /** Stop when a step changed the energy by no more than this; 0: off. */
  toleranceEnergy?: number;
  /** Stop when the dissipation was no more than this; 0: off. */
  toleranceDissipation?: number;
  /** Never stop before this many steps. */
  minSteps?: number;
  /** Logits are divided by this before the draw; 0 takes the most probable token. */
  temperature?: number;
  /** Draw from this many most probable tokens; 0: from all. */
  topK?: number;
  /** Draw from the most probable tokens that together reach this probability; 1: from all. */
  topP?: number;
  /** Draw from tokens with at least this share of the most probable token's probability; 0: from all. */
  minP?: number;
}

/** How a problem is solved. What is left out has its usual value. */
export interface SolverSettings {
  /** Seed of the starts, 64 bits. */
  seed?: number | bigint;
  /** Most descent steps of a round; 0: the model's own number. */
  steps?: number;
  /** Starts; the best is kept. */
  candidates?: number;
  /** What best means: the least `E`, the largest drop of `F`, the least `F`, entropy or residual, or the answer of most starts. */
  choose?: 'energy' | 'drop' | 'free' | 'entropy' | 'residual' | 'vote';
  /** Rounds of committing; 0 or 1: none. */
  commits?: number;
  /** Step size in step sizes of the model; 0: backtracking until the energy decreases sufficiently. */
  eta?: number;
  /** Standard deviation of the starts of further candidates; 0: the model's. */
  spread?: number;
}

/**
 * One candidate after one step of the descent; of a problem, with the free energy `F` for the energy and with arrays of all
 * cells. The arrays are the module's own memory: copy what must last.
 */
export interface Step {
  position: number;
  candidate: number;
  step: number;
  landscape: number;
  /** Energy before the step. */
  energy: number;
  /** Energy after the step on the same landscape; null where it was not evaluated. */
  energyAfter: number | null;
  /** 0 where no trial was accepted. */
  stepSize: number;
  dissipation: number;
  /** The new state. */
  logits: Float32Array;
  /** The softmax of the new state. */
  probabilities: Float32Array;
}

/** How something was found. Arrays have a number a step, and are empty where nothing was evaluated. */
export interface Certificate {
  candidate: number;
  steps: number;
  stop: 'steps' | 'energy' | 'dissipation' | 'stationary';
  /** Whether every step decreased the energy sufficiently; null: not evaluated. */
  allDecreased: boolean | null;
  sufficient: number;
  largestAlphaLambda: number | null;
  acceptance: number | null;
  landscapes: Uint32Array;
  energies: Float32Array;
  energiesAfter: Float32Array;
  stepSizes: Float32Array;
  dissipations: Float32Array;
  alphaLambda: Float32Array;
  candidateEnergies: Float32Array;
}

/** A generated token. */
export interface Token extends Certificate {
  id: number;
  /** Whole characters only; may be empty and may hold characters begun by earlier tokens. */
  text: string;
  probability: number;
  position: number;
}

/** The answer to a problem; its certificate is about the free energy `F = E - tau entropy`, which was descended on. */
export interface Solution extends Certificate {
  /** A token a cell. */
  answer: Uint32Array;
  energy: number;
  freeEnergy: number;
  /** Entropy of the unknown cells in nats. */
  entropy: number;
  /** How far the state is from rest. */
  residual: number;
  /** Candidates that give this answer, itself included. */
  votes: number;
  /** Probabilities of all tokens, cell by cell. */
  probabilities: Float32Array;
}

/** A cell of a problem: the token that is given, the tokens that are allowed, or null where all are. */
export type Cell = number | Iterable<number> | null;

/** The grid whose cells a problem has, row by row. */
export interface Grid {
  rows: number;
  columns: number;
  boxRows: number;
  boxColumns: number;
}

/** Two cells of a row, column or box, numbered from 0, that are given the same token. */
export interface Repeat {
  unit: 'row' | 'column' | 'box';
  number: number;
  token: number;
  cells: [number, number];
}

/** Every pair of cells of a unit that are given the same token. */
export function repeats(cells: readonly (number | null)[], grid: Grid): Repeat[];

/** What ebt refused; `code` is the status of ebt.h. */
export class EbtError extends Error {
  readonly code: number;
}

type Source = BufferSource | Response | WebAssembly.Module;

/** How long and how widely endings of words are looked for. What is left out has its usual value. */
export interface Search {
  /** Most words that are given; 5. */
  words?: number;
  /** Most evaluations of the model; 64. */
  evaluations?: number;
  /** Paths of tokens that are held at a time; 256. */
  paths?: number;
  /** Most bytes of an ending; 64. */
  longest?: number;
  /** The search ends when no open path promises this multiple of the probability of the last word asked for; 0: follow all. */
  least?: number;
}

/** A way to finish a text. */
export interface Suggestion {
  /** The word: what was typed of it in the text that `suggest` was given, and its ending. */
  word: string;
  /** What comes behind the text; '' where its last word is complete. */
  ending: string;
  /** The probability that the text goes on so and that its word ends there. */
  probability: number;
}

/** A token of a text that was scored. */
export interface Scored {
  id: number;
  /** Where its bytes stand in the text, in bytes of UTF-8. */
  at: number;
  /** Its text: U+FFFD for bytes that are no whole character. */
  text: string;
  /** Bits that it took: minus the binary logarithm of its probability. */
  bits: number;
}

/** A text that is continued token by token. */
export class Generator {
  private constructor();
  static open(module: Source | Promise<Source>, model: ArrayBuffer | Uint8Array, options?: Options): Promise<Generator>;
  readonly version: string;
  /** Tokens of the model: the length of arrays of logits and probabilities. */
  readonly vocabulary: number;
  /** Bytes of the model, and of memory beside it. */
  readonly bytes: { readonly model: number; readonly memory: number };
  /** Adds text to the text so far. */
  prompt(text: string): void;
  /** Adds tokens to the text so far as they are. */
  accept(ids: Iterable<number>): void;
  /**
   * The next token, or null when the model ended the text. Returning `false` from `onStep` cancels; inside `onStep` the
   * generator answers `tokenText` alone.
   */
  next(settings?: Settings, onStep?: ((step: Step) => boolean | void) | null): Token | null;
  /** What is left of a text after `next` gave null. */
  readonly rest: string;
  /** Energies of distributions (rows of `vocabulary` numbers) of the token that the last `next` thought of. */
  energies(landscape: number, probabilities: Float32Array): Float32Array;
  /** The front of a text whose tokens are the same whatever follows the text. */
  finished(text: string): string;
  /** Adds text of any length to the text so far, and gives the bits that each token of it took, and all. */
  score(text: string, settings?: Settings): { bits: number; bytes: number; tokens: Scored[] };
  /**
   * The likeliest ways to finish the word that `text` ends in, which follows the text so far, or the likeliest whole words where it ends
   * in none. The text so far stays as it is; what is `finished` of a long text is prompted before.
   */
  suggest(text: string, search?: Search, settings?: Settings): { words: Suggestion[]; evaluations: number };
  /** The text of a token: '' for a special one. */
  tokenText(id: number): string;
  /** Back to the beginning of an empty text. */
  reset(): void;
}

/** What became of a character. */
export interface Letter {
  /** What stood there. */
  was: string;
  /** What belongs there, as the model says. */
  is: string;
  /** How probable the model holds it; 1 where nothing else may stand there. */
  probability: number;
  /** Whether anything else might have stood there. */
  inDoubt: boolean;
}

/** How a text is restored. */
export interface RestoreSettings {
  /** Typed without Turkish letters; without circumflexes too; letters lost, with `_` for each; neighbouring keys; letters alike. */
  damage?: 'ascii' | 'circumflex' | 'missing' | 'keyboard' | 'ocr';
  /** Steps; 0: the model's own number. */
  steps?: number;
}

/** Puts letters back into damaged text. */
export class Restorer {
  private constructor();
  /** Opens a model of letters; of the options `block` and `prompt` do not count. */
  static open(module: Source | Promise<Source>, model: ArrayBuffer | Uint8Array, options?: Options): Promise<Restorer>;
  readonly version: string;
  /** Bytes of the model, and of memory beside it. */
  readonly bytes: { readonly model: number; readonly memory: number };
  /** Restores a text, a line or more of it, until restoring it again changes nothing. */
  restore(text: string, settings?: RestoreSettings): { text: string; letters: Letter[] };
}

/** Answers problems with a joint model: all cells together. */
export class Solver {
  private constructor();
  /** Opens a joint model; of the options `block` and `prompt` do not count, and `rows` is the most candidates of a problem. */
  static open(module: Source | Promise<Source>, model: ArrayBuffer | Uint8Array, options?: Options): Promise<Solver>;
  readonly version: string;
  /** Cells of a problem: at most these, and exactly these where there is a grid. */
  readonly cells: number;
  /** Tokens that a cell may hold. */
  readonly vocabulary: number;
  /** The grid whose cells they are, or null. */
  readonly grid: Grid | null;
  /** Bytes of the model, and of memory beside it. */
  readonly bytes: { readonly model: number; readonly memory: number };
  /** The cells of a Sudoku in writing; `.`, `0` and `_` are not given. An error names the cells that contradict each other. */
  board(text: string): (number | null)[];
  /** Answers a problem. Returning `false` from `onStep` cancels. */
  solve(cells: ArrayLike<Cell>, settings?: SolverSettings, onStep?: ((step: Step) => boolean | void) | null): Solution;
}
