// ebt for JavaScript: loads the module and the model, lends it memory, and turns its structs into objects.
// Runs wherever WebAssembly with 128-bit SIMD does: browsers and their workers, node.
//
//   import { Generator, Solver } from './ebt.js';
//   const generator = await Generator.open(fetch('ebt.wasm'), await (await fetch('model.packed')).arrayBuffer());
//   generator.prompt("Türkiye'nin başkenti");
//   for (let token; (token = generator.next({ seed: 7 })); ) console.log(token.text, token.energies);

import { align, EbtError, Instance } from './instance.js';

export { repeats } from './sudoku.js';
export { EbtError } from './instance.js';
export { Restorer } from './restorer.js';
export { Solver } from './solver.js';

const END = 1;

// The structs of include/ebt.h on a machine of 32 bits: where fields lie, in bytes.
const SETTINGS = {
  seed: 0, steps: 8, candidates: 12, choose: 16, certify: 20, curvature: 24, stepSize: 28, stepValue: 32, noise: 36,
  noiseValue: 40, warmUp: 44, toleranceEnergy: 48, toleranceDissipation: 52, minSteps: 56, temperature: 60, topK: 64,
  topP: 68, minP: 72, bytes: 80,
};
const TOKEN = { id: 0, probability: 4, length: 8, certificate: 12 };
const SEARCH = { words: 0, evaluations: 4, paths: 8, longest: 12, least: 16, bytes: 20 };
const SCORED = { id: 0, bits: 4, at: 8, bytes: 12, length: 16 };
const SUGGESTION = { ending: 0, length: 4, probability: 8 };
const FLOATS = new Set(['least', 'stepValue', 'noiseValue', 'toleranceEnergy', 'toleranceDissipation', 'temperature', 'topP', 'minP']);
const CHOICES = {
  choose: ['energy', 'drop'],
  stepSize: ['model', 'fixed', 'armijo', 'curvature'],
  noise: ['none', 'langevin', 'temperature', 'metropolis'],
};

/** A text that is continued token by token. */
export class Generator {
  #instance;
  #piece;
  #pieceBytes;

  /** Use `Generator.open`. */
  constructor(token) {
    if (token !== Generator.#key) throw new TypeError('use Generator.open');
  }
  static #key = Symbol('open');

  /** Opens a model. `module`: bytes, a Response, a compiled module, or a promise of one; `model`: its bytes. */
  static async open(module, model, options = {}) {
    const generator = new Generator(Generator.#key);
    const instance = await Instance.open('ebt', module, model, options);
    const { wasm, handle, scratch } = instance;
    generator.#instance = instance;
    instance.check(wasm.ebt_piece_bytes(handle, scratch));
    generator.#pieceBytes = instance.word(scratch);
    generator.#piece = instance.reserve(generator.#pieceBytes);
    instance.check(wasm.ebt_vocabulary(handle, scratch));
    /** Tokens of the model: the length of arrays of logits and probabilities. */
    generator.vocabulary = instance.word(scratch);
    /** Bytes of memory: of the model, and of the generator. */
    generator.bytes = instance.bytes;
    return generator;
  }

  /** The version of the module. */
  get version() {
    return this.#instance.version;
  }

  /** Adds text to the text so far. */
  prompt(text) {
    const bytes = new TextEncoder().encode(text);
    this.#call('ebt_prompt', this.#instance.put(bytes), bytes.length);
  }

  /** Adds tokens to the text so far as they are. */
  accept(ids) {
    const words = Uint32Array.from(ids);
    this.#call('ebt_accept', this.#instance.put(new Uint8Array(words.buffer)), words.length);
  }

  /**
   * The next token, or null when the model ended the text. `onStep` sees every step; returning `false` cancels the token
   * (an `EbtError` with code -13), and the call may be repeated. Arrays of a step are valid during the call only, and
   * in it the generator answers `tokenText` alone (the rest is an `EbtError` with code -17).
   */
  next(settings = {}, onStep = null) {
    const { wasm, handle } = this.#instance;
    const at = this.#settings(settings), tokenAt = at + SETTINGS.bytes;
    const next = () => wasm.ebt_next_told(handle, at, 0, this.#piece, this.#pieceBytes, tokenAt);
    return this.#instance.telling(onStep, next) === END ? null : this.#token(tokenAt);
  }

  /** What is left of a text when no token follows: '\uFFFD' inside a character, else ''. Only after `next` gave null. */
  get rest() {
    return this.#instance.string(this.#piece);
  }

  /**
   * Energies of distributions of the token that the last `next` thought of, on one landscape. `probabilities` holds a row
   * of `vocabulary` numbers for each.
   */
  energies(landscape, probabilities) {
    const count = probabilities.length / this.vocabulary;
    if (!Number.isInteger(count)) throw new EbtError(`${probabilities.length} numbers are no rows of ${this.vocabulary}`, -2);
    const bytes = new Uint8Array(probabilities.buffer, probabilities.byteOffset, probabilities.byteLength);
    const at = this.#instance.put(bytes, count * 4);
    const out = at + align(probabilities.byteLength, 64);
    this.#call('ebt_energies', landscape, at, count, out);
    return this.#instance.copy(Float32Array, out, count);
  }

  /** The front of a text whose tokens are the same whatever follows the text: what is to be prompted before `suggest`. */
  finished(text) {
    const bytes = new TextEncoder().encode(text);
    const at = this.#instance.scratch;
    this.#call('ebt_finished', this.#instance.put(bytes), bytes.length, at);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, this.#instance.word(at)));
  }

  /** Adds text of any length to the text so far, and gives the bits that each token of it took, and all. */
  score(text, settings = {}) {
    const instance = this.#instance;
    const { wasm, handle } = instance;
    const at = this.#settings(settings), sumAt = at + SETTINGS.bytes;
    const bytes = new TextEncoder().encode(text);
    const textAt = instance.put(bytes);
    const tokens = [];
    const onScored = (scored) => {
      const word = (name) => instance.word(scored + SCORED[name]);
      const bits = instance.view().getFloat32(scored + SCORED.bits, true);
      tokens.push({ id: word('id'), at: word('at'), text: instance.text(word('bytes'), word('length')), bits });
    };
    instance.giving(onScored, () => wasm.ebt_score_told(handle, at, textAt, bytes.length, 0, sumAt));
    return { bits: instance.view().getFloat64(sumAt, true), bytes: bytes.length, tokens };
  }

  /**
   * The likeliest ways to go on, after the text so far and `text`, to the end of the word that `text` ends in, or by a whole word where
   * it ends in none; the likeliest first. The text so far stays as it is. What is finished of a long text is prompted before.
   */
  suggest(text, search = {}, settings = {}) {
    const instance = this.#instance;
    const { wasm, handle } = instance;
    const at = this.#settings(settings), searchAt = at + SETTINGS.bytes, resultAt = searchAt + align(SEARCH.bytes, 8);
    instance.check(wasm.ebt_suggest_options_default(searchAt));
    instance.fill(searchAt, search, SEARCH, FLOATS, {});
    instance.check(wasm.ebt_suggest_bytes_needed(searchAt, resultAt));
    const needed = instance.word(resultAt);
    const bytes = new TextEncoder().encode(text);
    const textAt = instance.put(bytes, needed), memory = textAt + align(bytes.length, 64);
    instance.check(wasm.ebt_word_start(textAt, bytes.length, resultAt));
    const typed = instance.text(textAt + instance.word(resultAt), bytes.length - instance.word(resultAt));
    const words = [];
    const onSuggestion = (given) => {
      const ending = instance.text(instance.word(given), instance.word(given + SUGGESTION.length));
      const probability = instance.view().getFloat32(given + SUGGESTION.probability, true);
      words.push({ word: (typed + ending).trimStart(), ending, probability });
    };
    instance.giving(onSuggestion, () =>
      wasm.ebt_suggest_told(handle, at, searchAt, textAt, bytes.length, memory, needed, 0, resultAt));
    return { words, evaluations: instance.word(resultAt + 4) };
  }

  /** The text of a token: '' for a special one, '\uFFFD' for bytes that are no whole character. */
  tokenText(id) {
    const at = this.#instance.scratch;
    this.#call('ebt_token_bytes', id, at, at + 4);
    return this.#instance.text(this.#instance.word(at), this.#instance.word(at + 4));
  }

  /** Back to the beginning of an empty text. */
  reset() {
    this.#call('ebt_reset');
  }

  #call(name, ...rest) {
    this.#instance.check(this.#instance.wasm[name](this.#instance.handle, ...rest));
  }

  /** Where the settings lie. */
  #settings(settings) {
    const { wasm, scratch: at } = this.#instance;
    this.#instance.check(wasm.ebt_settings_default(at));
    this.#instance.fill(at, settings, SETTINGS, FLOATS, CHOICES);
    return at;
  }

  #token(at) {
    const instance = this.#instance;
    return {
      id: instance.word(at + TOKEN.id),
      text: instance.text(this.#piece, instance.word(at + TOKEN.length)),
      probability: instance.view().getFloat32(at + TOKEN.probability, true),
      ...instance.certificate(at + TOKEN.certificate),
    };
  }
}
