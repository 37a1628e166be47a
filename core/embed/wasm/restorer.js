// Damaged text that is restored by a model of letters.

import { align, EbtError, Instance } from './instance.js';

const SETTING = -12;

// The struct of include/ebt.h on a machine of 32 bits: where fields lie, in bytes.
const LETTER = { at: 0, pass: 4, was: 8, is: 12, probability: 16, inDoubt: 20 };
const DAMAGES = ['ascii', 'circumflex', 'missing', 'keyboard', 'ocr'];

/** Puts letters back into damaged text. */
export class Restorer {
  #instance;

  /** Use `Restorer.open`. */
  constructor(token) {
    if (token !== Restorer.#key) throw new TypeError('use Restorer.open');
  }
  static #key = Symbol('open');

  /** Opens a model of letters, as `Generator.open` does another; of the options `block` and `prompt` do not count. */
  static async open(module, model, options = {}) {
    const restorer = new Restorer(Restorer.#key);
    restorer.#instance = await Instance.open('ebt_restorer', module, model, { rows: 1, ...options });
    /** Bytes of memory: of the model, and of the restorer. */
    restorer.bytes = restorer.#instance.bytes;
    return restorer;
  }

  /** The version of the module. */
  get version() {
    return this.#instance.version;
  }

  /**
   * Restores a text, a line or more of it. `damage`: `ascii` for text typed without Turkish letters, `circumflex` where circumflexes
   * were left out too, `missing` where letters are lost and `_` stands for each, `keyboard` where neighbouring keys were hit, `ocr`
   * where letters were taken for others that look alike; `steps` 0 for the model's own number. Gives the
   * restored text, and what became of every character, in order.
   */
  restore(text, { damage = 'ascii', steps = 0 } = {}) {
    const kind = DAMAGES.indexOf(damage);
    if (kind < 0) throw new EbtError(`there is no damage \`${damage}\`: ${DAMAGES.join(', ')}`, SETTING);
    const instance = this.#instance;
    const { wasm, handle, scratch: result } = instance;
    const bytes = new TextEncoder().encode(text);
    const textAt = instance.put(bytes, 4 * bytes.length);
    const copies = textAt + align(bytes.length, 64);
    const letters = [];
    let place = 0, pass = 0;
    const onLetter = (at) => {
      const view = instance.view();
      const word = (name) => view.getUint32(at + LETTER[name], true);
      if (word('pass') !== pass) [pass, place] = [word('pass'), 0];
      const { [place]: before } = letters;
      place += 1;
      // what was put right keeps the probability that it had then
      if (before && word('inDoubt') === 0) return;
      letters[place - 1] = {
        was: before ? before.was : String.fromCodePoint(word('was')),
        is: String.fromCodePoint(word('is')),
        probability: view.getFloat32(at + LETTER.probability, true),
        inDoubt: word('inDoubt') === 1,
      };
    };
    instance.giving(onLetter, () =>
      wasm.ebt_restorer_restore_told(
        handle, kind, steps, textAt, bytes.length, copies, 4 * bytes.length, 0, result, result + 4,
      ));
    return { text: instance.text(instance.word(result), instance.word(result + 4)), letters };
  }
}
