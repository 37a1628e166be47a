// ebt for JavaScript: loads the module and the model, lends it memory, and turns its structs into objects.
// Runs wherever WebAssembly with 128-bit SIMD does: browsers and their workers, node.
//
//   import { Generator } from './ebt.js';
//   const generator = await Generator.open(fetch('ebt.wasm'), await (await fetch('model.packed')).arrayBuffer());
//   generator.prompt("Türkiye'nin başkenti");
//   for (let token; (token = generator.next({ seed: 7 })); ) console.log(token.text, token.energies);

const PAGE = 65536;
const STEP_SIZES = ['model', 'fixed', 'armijo', 'curvature'];
const NOISES = ['none', 'langevin', 'temperature', 'metropolis'];
const STOPS = ['steps', 'energy', 'dissipation', 'stationary'];
const END = 1;

// The structs of include/ebt.h on a machine of 32 bits: where fields lie, in bytes.
const OPTIONS = { block: 0, rows: 4, steps: 8, prompt: 12, trials: 16, curvature: 20, bytes: 24 };
const SETTINGS = {
  seed: 0, steps: 8, candidates: 12, choose: 16, certify: 20, curvature: 24, stepSize: 28, stepValue: 32, noise: 36,
  noiseValue: 40, warmUp: 44, toleranceEnergy: 48, toleranceDissipation: 52, minSteps: 56, temperature: 60, topK: 64,
  topP: 68, minP: 72, bytes: 80,
};
const STEP = {
  position: 0, candidate: 4, step: 8, landscape: 12, energy: 16, energyAfter: 20, stepSize: 24, dissipation: 28,
  vocabulary: 32, logits: 36, probabilities: 40,
};
const TOKEN = {
  id: 0, probability: 4, length: 8, position: 12, candidate: 16, steps: 20, stop: 24, allDecreased: 28, sufficient: 32,
  largestAlphaLambda: 36, acceptance: 40, landscapes: 44, energies: 48, energiesAfter: 52, stepSizes: 56,
  dissipations: 60, alphaLambda: 64, candidates: 68, candidateEnergies: 72, bytes: 76,
};
const FLOATS = new Set(['stepValue', 'noiseValue', 'toleranceEnergy', 'toleranceDissipation', 'temperature', 'topP', 'minP']);

/** What ebt refused; `code` is the status of ebt.h. */
export class EbtError extends Error {
  constructor(message, code) {
    super(message);
    this.name = 'EbtError';
    this.code = code;
  }
}

/** Where the given fields of a struct lie, their names and values; `undefined` is not given. */
function* placed(values, struct, kind, code) {
  for (const [name, value] of Object.entries(values)) {
    if (!Object.hasOwn(struct, name) || name === 'bytes') throw new EbtError(`there is no ${kind} \`${name}\``, code);
    if (value !== undefined) yield [struct[name], name, value];
  }
}

const align = (address, to) => Math.ceil(address / to) * to;
const number = (x) => (Number.isNaN(x) ? null : x);

async function instance(source, imports) {
  const given = await source;
  if (given instanceof WebAssembly.Module) return WebAssembly.instantiate(given, imports);
  const fetched = typeof Response === 'function' && given instanceof Response;
  if (fetched && !given.ok) throw new EbtError(`the module could not be fetched: ${given.status} ${given.url}`, -3);
  const bytes = fetched ? await given.arrayBuffer() : given;
  return (await WebAssembly.instantiate(bytes, imports)).instance;
}

/** A text that is continued token by token. */
export class Generator {
  #wasm;
  #handle;
  #scratch;
  #piece;
  #pieceBytes;
  #extra = 0;
  #extraBytes = 0;
  #onStep = null;
  #failure = null;
  #text = new TextDecoder('utf-8', { ignoreBOM: true });

  /** Use `Generator.open`. */
  constructor(token) {
    if (token !== Generator.#key) throw new TypeError('use Generator.open');
  }
  static #key = Symbol('open');

  /** Opens a model. `module`: bytes, a Response, a compiled module, or a promise of one; `model`: its bytes. */
  static async open(module, model, options = {}) {
    const generator = new Generator(Generator.#key);
    const imports = { ebt: { on_step: (_, step) => generator.#told(step) } };
    const { exports: wasm } = await instance(module, imports);
    generator.#wasm = wasm;
    const bytes = new Uint8Array(model);
    // behind the module's own data: the model, structs, the handle with its memory
    const place = align(wasm.__heap_base.value, 64);
    const scratch = align(place + bytes.length, 64);
    const memory = align(scratch + 1024, 64);
    generator.#scratch = scratch;
    generator.#reach(memory);
    new Uint8Array(wasm.memory.buffer).set(bytes, place);
    const optionsAt = scratch, sizeAt = scratch + OPTIONS.bytes;
    generator.#check(wasm.ebt_options_default(optionsAt));
    for (const [offset, , value] of placed(options, OPTIONS, 'option', -5)) {
      generator.#view().setUint32(optionsAt + offset, Number(value), true);
    }
    generator.#check(wasm.ebt_bytes_needed(place, bytes.length, optionsAt, sizeAt));
    const needed = generator.#word(sizeAt);
    generator.#reach(memory + needed);
    generator.#check(wasm.ebt_open(place, bytes.length, optionsAt, memory, needed, sizeAt));
    generator.#handle = generator.#word(sizeAt);
    generator.#check(wasm.ebt_piece_bytes(generator.#handle, sizeAt));
    generator.#pieceBytes = generator.#word(sizeAt);
    generator.#check(wasm.ebt_vocabulary(generator.#handle, sizeAt));
    /** Tokens of the model: the length of arrays of logits and probabilities. */
    generator.vocabulary = generator.#word(sizeAt);
    /** Bytes of memory: of the model, and of the generator. */
    generator.bytes = { model: bytes.length, memory: needed };
    generator.#piece = align(memory + needed, 64);
    generator.#extra = align(generator.#piece + generator.#pieceBytes, 64);
    generator.#reach(generator.#extra);
    return generator;
  }

  /** The version of the module. */
  get version() {
    return this.#string(this.#wasm.ebt_version());
  }

  /** Adds text to the text so far. */
  prompt(text) {
    const bytes = new TextEncoder().encode(text);
    this.#check(this.#wasm.ebt_prompt(this.#handle, this.#put(bytes), bytes.length));
  }

  /** Adds tokens to the text so far as they are. */
  accept(ids) {
    const words = Uint32Array.from(ids);
    this.#check(this.#wasm.ebt_accept(this.#handle, this.#put(new Uint8Array(words.buffer)), words.length));
  }

  /**
   * The next token, or null when the model ended the text. `onStep` sees every step; returning `false` cancels the token
   * (an `EbtError` with code -13), and the call may be repeated. Arrays of a step are valid during the call only, and
   * in it the generator answers `tokenText` alone (the rest is an `EbtError` with code -17).
   */
  next(settings = {}, onStep = null) {
    const at = this.#scratch, tokenAt = at + SETTINGS.bytes;
    this.#check(this.#wasm.ebt_settings_default(at));
    this.#settings(at, settings);
    // a callback that calls `next` again is refused by the module, and is told of further steps none the less
    const outer = this.#onStep;
    [this.#onStep, this.#failure] = [onStep, null];
    const status = this.#wasm.ebt_next_told(this.#handle, at, 0, this.#piece, this.#pieceBytes, tokenAt);
    this.#onStep = outer;
    if (this.#failure) throw this.#failure;
    this.#check(status);
    return status === END ? null : this.#token(tokenAt);
  }

  /** What is left of a text when no token follows: '\uFFFD' inside a character, else ''. Only after `next` gave null. */
  get rest() {
    return this.#string(this.#piece);
  }

  /**
   * Energies of distributions of the token that the last `next` thought of, on one landscape. `probabilities` holds a row
   * of `vocabulary` numbers for each.
   */
  energies(landscape, probabilities) {
    const count = probabilities.length / this.vocabulary;
    if (!Number.isInteger(count)) throw new EbtError(`${probabilities.length} numbers are no rows of ${this.vocabulary}`, -2);
    const at = this.#put(new Uint8Array(probabilities.buffer, probabilities.byteOffset, probabilities.byteLength), count * 4);
    const out = at + align(probabilities.byteLength, 64);
    this.#check(this.#wasm.ebt_energies(this.#handle, landscape, at, count, out));
    return this.#copy(Float32Array, out, count);
  }

  /** The text of a token: '' for a special one, '\uFFFD' for bytes that are no whole character. */
  tokenText(id) {
    const at = this.#scratch;
    this.#check(this.#wasm.ebt_token_bytes(this.#handle, id, at, at + 4));
    return this.#text.decode(this.#copy(Uint8Array, this.#word(at), this.#word(at + 4)));
  }

  /** Back to the beginning of an empty text. */
  reset() {
    this.#check(this.#wasm.ebt_reset(this.#handle));
  }

  #view() {
    return new DataView(this.#wasm.memory.buffer);
  }

  #word(at) {
    return this.#view().getUint32(at, true);
  }

  /** Grows the memory to `end` bytes. */
  #reach(end) {
    const missing = end - this.#wasm.memory.buffer.byteLength;
    if (missing > 0) this.#wasm.memory.grow(Math.ceil(missing / PAGE));
  }

  /** Copies bytes behind everything else; `more` bytes are free behind them. */
  #put(bytes, more = 0) {
    const needed = align(bytes.length, 64) + more;
    if (needed > this.#extraBytes) {
      this.#reach(this.#extra + needed);
      this.#extraBytes = needed;
    }
    new Uint8Array(this.#wasm.memory.buffer).set(bytes, this.#extra);
    return this.#extra;
  }

  /** A copy of an array of the module; empty for null. */
  #copy(Type, at, count) {
    return at === 0 ? new Type(0) : new Type(this.#wasm.memory.buffer, at, count).slice();
  }

  #string(at) {
    const bytes = new Uint8Array(this.#wasm.memory.buffer, at);
    return this.#text.decode(bytes.slice(0, bytes.indexOf(0)));
  }

  #check(status) {
    if (status < 0) throw new EbtError(this.#string(this.#wasm.ebt_strerror(status)), status);
  }

  #settings(at, settings) {
    const view = this.#view();
    for (const [offset, name, value] of placed(settings, SETTINGS, 'setting', -12)) {
      const place = at + offset;
      if (name === 'seed') view.setBigUint64(place, BigInt(value), true);
      else if (FLOATS.has(name)) view.setFloat32(place, value, true);
      else if (name === 'stepSize') view.setUint32(place, STEP_SIZES.indexOf(value) >>> 0, true);
      else if (name === 'noise') view.setUint32(place, NOISES.indexOf(value) >>> 0, true);
      else if (name === 'choose') view.setUint32(place, ['energy', 'drop'].indexOf(value) >>> 0, true);
      else view.setUint32(place, Number(value), true);
    }
  }

  #told(at) {
    if (!this.#onStep) return 0;
    const view = this.#view();
    const word = (name) => view.getUint32(at + STEP[name], true);
    const float = (name) => view.getFloat32(at + STEP[name], true);
    const array = (name) => new Float32Array(this.#wasm.memory.buffer, word(name), word('vocabulary'));
    try {
      const more = this.#onStep({
        position: word('position'),
        candidate: word('candidate'),
        step: word('step'),
        landscape: word('landscape'),
        energy: float('energy'),
        energyAfter: number(float('energyAfter')),
        stepSize: float('stepSize'),
        dissipation: float('dissipation'),
        logits: array('logits'),
        probabilities: array('probabilities'),
      });
      return more === false ? 1 : 0;
    } catch (failure) {
      // no exception may cross the module: it is thrown again behind it
      this.#failure = failure;
      return 1;
    }
  }

  #token(at) {
    const view = this.#view();
    const word = (name) => view.getUint32(at + TOKEN[name], true);
    const float = (name) => view.getFloat32(at + TOKEN[name], true);
    const steps = word('steps');
    const floats = (name, count = steps) => this.#copy(Float32Array, word(name), count);
    const decreased = view.getInt32(at + TOKEN.allDecreased, true);
    return {
      id: word('id'),
      text: this.#text.decode(this.#copy(Uint8Array, this.#piece, word('length'))),
      probability: float('probability'),
      position: word('position'),
      candidate: word('candidate'),
      steps,
      stop: STOPS[word('stop')],
      allDecreased: decreased < 0 ? null : decreased === 1,
      sufficient: float('sufficient'),
      largestAlphaLambda: number(float('largestAlphaLambda')),
      acceptance: number(float('acceptance')),
      landscapes: this.#copy(Uint32Array, word('landscapes'), steps),
      energies: floats('energies'),
      energiesAfter: floats('energiesAfter'),
      stepSizes: floats('stepSizes'),
      dissipations: floats('dissipations'),
      alphaLambda: floats('alphaLambda'),
      candidateEnergies: floats('candidateEnergies', word('candidates')),
    };
  }
}
