/** Extents; they fix the memory that a generator needs. What is left out has its usual value. */
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

/** One candidate after one step of the descent. The arrays are the module's own memory: copy what must last. */
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

/** A generated token and how it was found. Arrays have a number a step, and are empty where nothing was evaluated. */
export interface Token {
  id: number;
  /** Whole characters only; may be empty and may hold characters begun by earlier tokens. */
  text: string;
  probability: number;
  position: number;
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

/** What ebt refused; `code` is the status of ebt.h. */
export class EbtError extends Error {
  readonly code: number;
}

type Source = BufferSource | Response | WebAssembly.Module;

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
  /** The text of a token: '' for a special one. */
  tokenText(id: number): string;
  /** Back to the beginning of an empty text. */
  reset(): void;
}
