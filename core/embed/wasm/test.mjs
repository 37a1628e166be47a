// The module in node: test.mjs MODULE MODULE_WITHOUT_PANIC_HANDLER MODEL HOST_OUTPUT. Text and energies are those that the
// scenario (tests/targets/scenario) printed on the host; wrong use is refused in words.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { EbtError, Generator } from './ebt.js';

const [modulePath, provenPath, modelPath, hostPath] = process.argv.slice(2);
const [bytes, model] = [readFileSync(modulePath), readFileSync(modelPath)];
const module = new WebAssembly.Module(bytes);

// nothing is imported but the callback: no allocator, no memory, no panic handler
const imports = (m) => WebAssembly.Module.imports(m).map((i) => `${i.module}.${i.name}`);
assert.deepEqual(imports(module), ['ebt.on_step']);
assert.deepEqual(imports(new WebAssembly.Module(readFileSync(provenPath))), ['ebt.on_step'], 'code that panics is left');

const PROMPT = "Türkiye'nin 81 ilinde, Ankara'da ve İstanbul'da";
const common = { seed: 7, certify: true, temperature: 0.7, topK: 40, topP: 0.95, minP: 0.01 };
const fixed = { stepSize: 'fixed', stepValue: 0.5 };
const WAYS = [
  ['model', 12, {}],
  ['greedy', 4, { certify: false, temperature: 0 }],
  ['armijo', 3, { steps: 6, stepSize: 'armijo', toleranceEnergy: 1e-4, toleranceDissipation: 1e-9, minSteps: 1 }],
  ['curvature', 2, { steps: 3, stepSize: 'curvature', stepValue: 1, curvature: 4 }],
  ['langevin', 2, { ...fixed, steps: 4, noise: 'langevin', noiseValue: 0.1 }],
  ['temperature', 2, { ...fixed, steps: 4, noise: 'temperature', noiseValue: 0.01 }],
  ['metropolis', 2, { ...fixed, steps: 8, noise: 'metropolis', noiseValue: 0.01, warmUp: 2 }],
  ['two starts', 2, { steps: 4, candidates: 2, choose: 'drop', curvature: 2 }],
];
const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);
const bits = (x) => ((float[0] = x), word[0]);
const hex = (x) => ` ${(x >>> 0).toString(16).padStart(8, '0')}`;

const options = { block: 8, rows: 2, steps: 8, prompt: 64, trials: true, curvature: true };
const generator = await Generator.open(module, model, options);
let said = '';
for (const [name, tokens, settings] of WAYS) {
  generator.reset();
  generator.prompt(PROMPT);
  said += `${name}:\n`;
  for (let i = 0; i < tokens; i++) {
    let states = 0, steps = 0;
    const token = generator.next({ ...common, ...settings }, (step) => {
      steps += 1;
      const words = new Uint32Array(step.probabilities.buffer, step.probabilities.byteOffset, step.probabilities.length);
      for (const p of words) states = ((states << 5) | (states >>> 27)) ^ p;
    });
    if (!token) {
      said += '  end\n';
      break;
    }
    assert.ok(steps >= token.steps && token.energies.length === token.steps);
    said += `  ${token.text}|${hex(token.id)}${hex(bits(token.probability))}${hex(states)}`;
    const lists = [token.energies, token.energiesAfter, token.stepSizes, token.alphaLambda];
    said += `${lists.map((list) => [...list].map((x) => hex(bits(x))).join('')).join('')}\n`;
  }
}
const even = new Float32Array(generator.vocabulary).fill(1 / generator.vocabulary);
said += `even:${hex(bits(generator.energies(0, even)[0]))}\n`;
const host = readFileSync(hostPath, 'utf8').split('\n').filter((line) => !line.startsWith('size ')).join('\n');
assert.equal(said, host);

// wrong use is refused in words, and changes nothing
const refused = (run, code) => assert.throws(run, (error) => error instanceof EbtError && error.code === code && error.message.length > 10);
refused(() => generator.prompt('a'.repeat(65)), -9);
refused(() => generator.accept([1 << 30]), -11);
refused(() => generator.next({ temperature: -1 }), -12);
refused(() => generator.next({ stepSize: 'wrong' }), -12);
refused(() => generator.next({ colour: 1 }), -12);
refused(() => generator.next({}, () => false), -13);
refused(() => generator.energies(9, even), -12);
refused(() => generator.energies(0, even.subarray(1)), -2);
refused(() => generator.next({ toString: 1 }), -12);
assert.throws(() => generator.next({}, () => { throw new RangeError('mine'); }), RangeError);
assert.ok(generator.next({ seed: 2n ** 63n, steps: undefined }) !== undefined);
await assert.rejects(Generator.open(new Response('', { status: 404 }), model), /could not be fetched: 404/);

// inside a callback the generator tells the text of tokens, and is used for nothing else; all steps are told
let told = 0;
const inside = generator.next({ seed: 1 }, () => {
  told += 1;
  assert.equal(typeof generator.tokenText(300), 'string');
  const uses = [() => generator.next(), () => generator.prompt('a'), () => generator.reset(), () => generator.energies(0, even)];
  for (const use of uses) refused(use, -17);
});
assert.equal(told, inside.steps);
await assert.rejects(Generator.open(module, model.subarray(1)), (error) => error.code === -3);
await assert.rejects(Generator.open(bytes, model, { steps: 0 }), (error) => error.code === -5);
assert.match(generator.version, /^\d+\.\d+\.\d+$/);
console.log(`wasm32: the text and the bits of every energy are those of the host (module ${bytes.length} B, memory ${generator.bytes.memory} B)`);
