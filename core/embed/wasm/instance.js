// An instance of the module with a model in its memory: lends memory, fills in structs, and turns structs into objects.

const PAGE = 65536;
const SCRATCH = 1024;
/** How keys and values may be kept, by the numbers of ebt.h. */
const STORAGES = ['f32', 'f16', 'bf16', 'int8', 'int4'];
const STOPS = ['steps', 'energy', 'dissipation', 'stationary'];

// The structs of include/ebt.h on a machine of 32 bits: where fields lie, in bytes.
const OPTIONS = { block: 0, rows: 4, steps: 8, prompt: 12, trials: 16, curvature: 20, cache: 24, bytes: 28 };
const STEP = {
  position: 0, candidate: 4, step: 8, landscape: 12, energy: 16, energyAfter: 20, stepSize: 24, dissipation: 28,
  vocabulary: 32, logits: 36, probabilities: 40,
};
const CERTIFICATE = {
  position: 0, candidate: 4, steps: 8, stop: 12, allDecreased: 16, sufficient: 20, largestAlphaLambda: 24,
  acceptance: 28, landscapes: 32, energies: 36, energiesAfter: 40, stepSizes: 44, dissipations: 48, alphaLambda: 52,
  candidates: 56, candidateEnergies: 60,
};

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

export const align = (address, to) => Math.ceil(address / to) * to;
const number = (x) => (Number.isNaN(x) ? null : x);

async function instantiate(source, imports) {
  const given = await source;
  if (given instanceof WebAssembly.Module) return WebAssembly.instantiate(given, imports);
  const fetched = typeof Response === 'function' && given instanceof Response;
  if (fetched && !given.ok) throw new EbtError(`the module could not be fetched: ${given.status} ${given.url}`, -3);
  const bytes = fetched ? await given.arrayBuffer() : given;
  return (await WebAssembly.instantiate(bytes, imports)).instance;
}

export class Instance {
  #onStep = null;
  #onItem = null;
  #failure = null;
  /** Behind everything that was reserved, and how much memory there is. */
  #end;
  #room = 0;
  #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /**
   * A model opened by the functions of ebt.h that begin with `prefix`. `module`: bytes, a Response, a compiled module, or a
   * promise of one; `model`: its bytes.
   */
  static async open(prefix, module, model, options) {
    const self = new Instance();
    const item = (_, at) => self.#onItem(at);
    const imports = { ebt: { on_step: (_, step) => self.#told(step), on_letter: item, on_scored: item, on_suggestion: item } };
    const { exports: wasm } = await instantiate(module, imports);
    const bytes = new Uint8Array(model);
    // behind the module's own data: the model, structs, the handle with its memory
    const place = align(wasm.__heap_base.value, 64);
    self.wasm = wasm;
    self.#end = place;
    self.reserve(bytes.length);
    /** Memory for structs, 1,024 bytes. */
    self.scratch = self.reserve(SCRATCH);
    new Uint8Array(wasm.memory.buffer).set(bytes, place);
    const optionsAt = self.scratch, resultAt = optionsAt + OPTIONS.bytes;
    self.check(wasm.ebt_options_default(optionsAt));
    for (const [offset, name, value] of placed(options, OPTIONS, 'option', -5)) {
      self.view().setUint32(optionsAt + offset, name === 'cache' ? STORAGES.indexOf(value) >>> 0 : Number(value), true);
    }
    self.check(wasm[`${prefix}_bytes_needed`](place, bytes.length, optionsAt, resultAt));
    const needed = self.word(resultAt);
    self.check(wasm[`${prefix}_open`](place, bytes.length, optionsAt, self.reserve(needed), needed, resultAt));
    self.handle = self.word(resultAt);
    self.bytes = { model: bytes.length, memory: needed };
    return self;
  }

  get version() {
    return this.string(this.wasm.ebt_version());
  }

  view() {
    return new DataView(this.wasm.memory.buffer);
  }

  word(at) {
    return this.view().getUint32(at, true);
  }

  /** Grows the memory to `end` bytes. */
  #reach(end) {
    const missing = end - this.wasm.memory.buffer.byteLength;
    if (missing > 0) this.wasm.memory.grow(Math.ceil(missing / PAGE));
  }

  /** Memory of its own for `bytes` bytes. */
  reserve(bytes) {
    const at = this.#end;
    this.#end = align(at + bytes, 64);
    this.#reach(this.#end);
    return at;
  }

  /** Copies bytes behind everything that was reserved; `more` bytes are free behind them, at the next multiple of 64. */
  put(bytes, more = 0) {
    const needed = align(bytes.length, 64) + more;
    if (needed > this.#room) {
      this.#reach(this.#end + needed);
      this.#room = needed;
    }
    new Uint8Array(this.wasm.memory.buffer).set(bytes, this.#end);
    return this.#end;
  }

  /** A copy of an array of the module; empty for null. */
  copy(Type, at, count) {
    return at === 0 ? new Type(0) : new Type(this.wasm.memory.buffer, at, count).slice();
  }

  text(at, count) {
    return this.#decoder.decode(this.copy(Uint8Array, at, count));
  }

  string(at) {
    const bytes = new Uint8Array(this.wasm.memory.buffer, at);
    return this.#decoder.decode(bytes.slice(0, bytes.indexOf(0)));
  }

  check(status) {
    if (status < 0) throw new EbtError(this.string(this.wasm.ebt_strerror(status)), status);
    return status;
  }

  /** Fills in settings: integers, numbers named in `floats`, the choices of `choices`, and a seed of 64 bits. */
  fill(at, settings, struct, floats, choices) {
    const view = this.view();
    for (const [offset, name, value] of placed(settings, struct, 'setting', -12)) {
      const place = at + offset;
      if (name === 'seed') view.setBigUint64(place, BigInt(value), true);
      else if (floats.has(name)) view.setFloat32(place, value, true);
      else view.setUint32(place, name in choices ? choices[name].indexOf(value) >>> 0 : Number(value), true);
    }
  }

  /** The status of `run`, which calls the module; meanwhile `onItem` is given the addresses of letters, tokens or suggestions. */
  giving(onItem, run) {
    this.#onItem = onItem;
    return this.check(run());
  }

  /** The status of `run`, which calls the module; meanwhile `onStep` is told of steps. What it throws is thrown here. */
  telling(onStep, run) {
    // a callback that calls again is refused by the module, and is told of further steps none the less
    const outer = this.#onStep;
    [this.#onStep, this.#failure] = [onStep, null];
    const status = run();
    this.#onStep = outer;
    if (this.#failure) throw this.#failure;
    return this.check(status);
  }

  #told(at) {
    if (!this.#onStep) return 0;
    const view = this.view();
    const word = (name) => view.getUint32(at + STEP[name], true);
    const float = (name) => view.getFloat32(at + STEP[name], true);
    const array = (name) => new Float32Array(this.wasm.memory.buffer, word(name), word('vocabulary'));
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

  certificate(at) {
    const view = this.view();
    const word = (name) => view.getUint32(at + CERTIFICATE[name], true);
    const float = (name) => view.getFloat32(at + CERTIFICATE[name], true);
    const steps = word('steps');
    const floats = (name, count = steps) => this.copy(Float32Array, word(name), count);
    const decreased = view.getInt32(at + CERTIFICATE.allDecreased, true);
    return {
      position: word('position'),
      candidate: word('candidate'),
      steps,
      stop: STOPS[word('stop')],
      allDecreased: decreased < 0 ? null : decreased === 1,
      sufficient: float('sufficient'),
      largestAlphaLambda: number(float('largestAlphaLambda')),
      acceptance: number(float('acceptance')),
      landscapes: this.copy(Uint32Array, word('landscapes'), steps),
      energies: floats('energies'),
      energiesAfter: floats('energiesAfter'),
      stepSizes: floats('stepSizes'),
      dissipations: floats('dissipations'),
      alphaLambda: floats('alphaLambda'),
      candidateEnergies: floats('candidateEnergies', word('candidates')),
    };
  }
}
