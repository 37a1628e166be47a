// Restores lines in JavaScript and compares them with what Rust restored: restore.mjs MODULE MODEL CASES

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Restorer } from '../../../core/embed/wasm/ebt.js';

const [modulePath, modelPath, casesPath] = process.argv.slice(2);
const cases = JSON.parse(readFileSync(casesPath, 'utf8'));
const restorer = await Restorer.open(new WebAssembly.Module(readFileSync(modulePath)), readFileSync(modelPath));
for (const [typed, expected] of cases) assert.equal(restorer.restore(typed).text, expected);
console.log(`${cases.length} lines say the same`);
