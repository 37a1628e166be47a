// Generates cases in JavaScript and compares them with what Rust generated: program.mjs MODULE MODEL CASES

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Generator } from '../../../core/embed/wasm/ebt.js';

const [modulePath, modelPath, casesPath] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(casesPath, 'utf8'));
const options = { block: 8, rows: 4, steps: 8, prompt: 256, trials: true, curvature: true };
const generator = await Generator.open(new WebAssembly.Module(readFileSync(modulePath)), readFileSync(modelPath), options);

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);
const bits = (x) => ((float[0] = x), word[0].toString(16).padStart(8, '0'));
for (const { prompt, tokens, settings, expected } of cases) {
  generator.reset();
  generator.prompt(prompt);
  let [said, text] = ['', ''];
  for (let i = 0; i < tokens; i++) {
    const token = generator.next({ ...settings, seed: BigInt(settings.seed) });
    if (!token) break;
    const lists = [token.energies, token.energiesAfter, token.stepSizes, token.dissipations, token.alphaLambda];
    said += `${token.id} ${bits(token.probability)} ${token.candidate} ${token.steps}`;
    said += `${lists.map((list) => ` |${[...list].map((x) => ` ${bits(x)}`).join('')}`).join('')}\n`;
    text += token.text;
  }
  assert.equal(`${said}${text}\n`, expected, JSON.stringify(settings));
}
console.log(`${cases.length} cases say the same`);
