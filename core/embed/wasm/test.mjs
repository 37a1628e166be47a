// The module in node: test.mjs MODULE MODULE_WITHOUT_PANIC_HANDLER MODEL SOLVER RESTORER HOST_OUTPUT. Text, answers and energies are
// those that the scenario (tests/targets/scenario) printed on the host; wrong use is refused in words.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { EbtError, Generator, repeats, Restorer, Solver } from './ebt.js';

const [modulePath, provenPath, modelPath, solverPath, restorerPath, hostPath] = process.argv.slice(2);
const [bytes, model, joint, letters] = [modulePath, modelPath, solverPath, restorerPath].map((path) => readFileSync(path));
const module = new WebAssembly.Module(bytes);

// nothing is imported but the callbacks: no allocator, no memory, no panic handler
const imports = (m) => WebAssembly.Module.imports(m).map((i) => `${i.module}.${i.name}`).sort();
const CALLBACKS = ['ebt.on_letter', 'ebt.on_scored', 'ebt.on_step', 'ebt.on_suggestion'];
assert.deepEqual(imports(module), CALLBACKS);
assert.deepEqual(imports(new WebAssembly.Module(readFileSync(provenPath))), CALLBACKS, 'code that panics is left');

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
const list = (floats) => [...floats].map((x) => hex(bits(x))).join('');
/** All of a step's state takes part. */
const folded = (states, { probabilities: p }) =>
  new Uint32Array(p.buffer, p.byteOffset, p.length).reduce((sum, word) => ((sum << 5) | (sum >>> 27)) ^ word, states);

/** The next token, as the scenario prints it. */
function tokenOf(generator, settings) {
  let states = 0, steps = 0;
  const token = generator.next({ ...common, ...settings }, (step) => {
    steps += 1;
    states = folded(states, step);
  });
  if (!token) return '  end\n';
  assert.ok(steps >= token.steps && token.energies.length === token.steps);
  return `  ${token.text}|${hex(token.id)}${hex(bits(token.probability))}${hex(states)}`
    + `${[token.energies, token.energiesAfter, token.stepSizes, token.alphaLambda].map(list).join('')}\n`;
}

const options = { block: 8, rows: 2, steps: 8, prompt: 64, trials: true, curvature: true };
const generator = await Generator.open(module, model, options);
let said = '';
for (const [name, tokens, settings] of WAYS) {
  generator.reset();
  generator.prompt(PROMPT);
  said += `${name}:\n`;
  for (let i = 0; i < tokens && !said.endsWith('  end\n'); i++) said += tokenOf(generator, settings);
}
const even = new Float32Array(generator.vocabulary).fill(1 / generator.vocabulary);
said += `even:${hex(bits(generator.energies(0, even)[0]))}\n`;

// texts are scored and words finished with the same bits, and neither leaves a trace where none belongs
generator.reset();
const score = generator.score(PROMPT, { seed: 7 });
said += `score:${list(score.tokens.map((token) => token.bits))}\n`;
assert.equal(score.tokens.map((token) => token.text).join(''), PROMPT);
assert.ok(Math.abs(score.bits - score.tokens.reduce((sum, token) => sum + token.bits, 0)) < 1e-9 * score.bits);
const SEARCH = { evaluations: 12, paths: 32, longest: 32 };
for (const typed of [' Ankara\'d', ' büyük ']) {
  const found = generator.suggest(typed, SEARCH, { seed: 7 });
  assert.deepEqual(generator.suggest(typed, SEARCH, { seed: 7 }), found);
  said += `suggest:${hex(found.evaluations)}\n`;
  for (const { word, ending, probability } of found.words) {
    assert.ok(word.endsWith(ending) && probability > 0);
    said += `  ${ending}|${hex(bits(probability))}\n`;
  }
}
// this tokenizer cuts text into lines
assert.equal(generator.finished('gel\ngit'), 'gel\n');

// keys and values may be kept in less memory, with the same bits everywhere
for (const cache of ['f16', 'int8', 'int4']) {
  const smaller = await Generator.open(module, model, { ...options, cache });
  assert.ok(smaller.bytes.memory < generator.bytes.memory);
  smaller.prompt(PROMPT);
  said += `cache ${cache}:\n`;
  for (let i = 0; i < 3; i++) said += tokenOf(smaller, {});
}
await assert.rejects(Generator.open(module, model, { cache: 'int2' }), EbtError);

// boards are filled in with the same bits
const BOARD = '..3.1. 56.32. .542.3 2.645. .12.45 .4.1..';
const BOARDS = [
  ['board', {}],
  ['board, armijo', { steps: 4, eta: 0 }],
  ['board, four starts', { steps: 8, candidates: 4 }],
  ['board, commits', { steps: 4, candidates: 2, choose: 'vote', commits: 2 }],
];
const solver = await Solver.open(module, joint, { rows: 4, steps: 16, trials: true });
const { cells, vocabulary } = solver;
assert.deepEqual([cells, vocabulary, solver.grid], [36, 6, { rows: 6, columns: 6, boxRows: 2, boxColumns: 3 }]);
const board = solver.board(BOARD);
for (const [name, settings] of BOARDS) {
  let [states, told] = [0, 0];
  const found = solver.solve(board, { seed: 7, ...settings }, (step) => {
    assert.equal(step.logits.length, cells * vocabulary);
    [states, told] = [folded(states, step), told + 1];
  });
  assert.ok(told >= found.steps && found.energies.length === found.steps && found.answer.length === cells);
  assert.deepEqual(repeats([...found.answer], solver.grid), [], `${name}: no solution`);
  board.forEach((token, cell) => token === null || assert.equal(found.probabilities[cell * vocabulary + token], 1));
  said += `${name}:\n  ${[...found.answer].map((token) => token + 1).join('')}|${hex(states)}${hex(found.votes)}`;
  said += list([found.energy, found.freeEnergy, found.entropy, found.residual]);
  const { energies, energiesAfter, stepSizes, dissipations, alphaLambda, candidateEnergies } = found;
  said += `${[energies, energiesAfter, stepSizes, dissipations, alphaLambda, candidateEnergies].map(list).join('')}\n`;
}
// letters are restored to the same bytes, as the program on the host restores them
const restorer = await Restorer.open(module, letters);
const TEXTS = [
  "Turkiye'nin baskenti Ankara'dir. ISTANBUL'un nufusu 15 milyonu asti; Izmir'in yagisli gunleri azaldi.",
  'yarin aksam görüşuruz, cok ozledim sizi! https://ornek.com.tr/sicak adresine bak, ali@ornek.com yaz :)',
  'Madde 3 - Bu Kanunun uygulanmasinda soz konusu isyerleri ile isciler hakkinda asagidaki hukumler gecerlidir.',
];
const texts = TEXTS.map((text) => {
  const restored = restorer.restore(text);
  assert.equal(restored.letters.map((letter) => letter.is).join(''), restored.text);
  assert.equal(restored.letters.map((letter) => letter.was).join(''), text);
  for (const { was, is, probability, inDoubt } of restored.letters) assert.ok(inDoubt ? probability > 0 : was === is && probability === 1);
  // what was restored is at rest
  assert.equal(restorer.restore(restored.text).text, restored.text);
  return restored.text;
});
const lines = readFileSync(hostPath, 'utf8').split('\n').filter((line) => !line.startsWith('size '));
assert.deepEqual(lines.slice(-4, -1).map((line) => line.split('|')[0]), texts);
// curvatures are not asked for by this interface
const host = `${lines.join('\n').split('board, curvature')[0]}`;
assert.equal(said, host);

// wrong use is refused in words, and changes nothing
const refused = (run, code, says = /.{10}/) =>
  assert.throws(run, (error) => error instanceof EbtError && error.code === code && says.test(error.message));
refused(() => generator.prompt('a'.repeat(65)), -9);
refused(() => generator.accept([1 << 30]), -11);
refused(() => generator.next({ temperature: -1 }), -12);
refused(() => generator.next({ stepSize: 'wrong' }), -12);
refused(() => generator.next({ colour: 1 }), -12);
refused(() => generator.next({}, () => false), -13);
refused(() => generator.energies(9, even), -12);
refused(() => generator.energies(0, even.subarray(1)), -2);
refused(() => generator.next({ toString: 1 }), -12);
refused(() => generator.suggest('a', { words: 0 }), -5);
refused(() => generator.suggest('a', { wide: 1 }), -12, /there is no setting `wide`/);
refused(() => generator.suggest('a', {}, { candidates: 9 }), -12);
refused(() => generator.score('a', { candidates: 9 }), -12);
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

// so are problems that do not fit, in themselves or the model, with the cells named
const solve = (cells, settings, onStep) => () => solver.solve(cells, settings, onStep);
const having = (cell, what) => board.map((token, i) => (i === cell ? what : token));
refused(() => solver.board(BOARD.replace('..3', '5.3')), -18, /^column 1 has 5 twice, in row 1, column 1 and in row 2, column 1$/);
refused(() => solver.board(BOARD.replace('..3', '3.3')), -18, /^row 1 has 3 twice, in row 1, column 1 and in row 1, column 3$/);
refused(() => solver.board(BOARD.replace('..3', '6.3')), -18, /^box 1 has 6 twice, in row 1, column 1 and in row 2, column 2$/);
refused(() => solver.board(BOARD.slice(1)), -18, /has 35 cells, and the model takes 36$/);
refused(() => solver.board(BOARD.replace('..3', '.73')), -18, /^row 1, column 2 holds '7': a symbol is one of 1 to 6$/);
refused(solve(board.slice(1)), -18, /has 35 cells, and the model takes 36$/);
refused(solve([]), -18, /has 0 cells/);
refused(solve(having(4, [])), -18, /^cell 4 of the problem has no allowed token$/);
refused(solve(having(5, [0, 6])), -11, /^cell 5 of the problem: token 6 is outside the vocabulary of 6$/);
refused(solve(having(5, 0.5)), -11, /token 0.5/);
refused(solve(board, { candidates: 5 }), -12);
refused(solve(board, { choose: 'best' }), -12);
refused(solve(board, { temperature: 1 }), -12, /there is no setting `temperature`/);
refused(solve(board, {}, () => false), -13, /cancelled/);
assert.throws(solve(board, {}, () => { throw new RangeError('mine'); }), RangeError);
refused(solve(board, {}, () => { refused(solve(board), -17); return false; }), -13);
// sets are kept to, and nothing of what was refused or cancelled is left
const narrowed = solver.solve(having(0, new Set([1, 3])));
assert.ok([1, 3].includes(narrowed.answer[0]) && narrowed.probabilities[0] === 0);
assert.deepEqual(solver.solve(board).answer, solver.solve(board.map((token) => token ?? [0, 1, 2, 3, 4, 5])).answer);
await assert.rejects(Solver.open(module, model), (error) => error.code === -5);
await assert.rejects(Generator.open(module, joint), (error) => error instanceof EbtError);
refused(() => restorer.restore('a', { damage: 'flood' }), -12, /there is no damage `flood`/);
refused(() => restorer.restore('as', { steps: 99 }), -12);
await assert.rejects(Restorer.open(module, joint), (error) => error.code === -5);
assert.deepEqual(restorer.restore(''), { text: '', letters: [] });
const strange = "\0 a\u0308 \u{1f600}\n İI ıi I\u0307 şЖ _ \ufeff";
assert.equal(restorer.restore(strange, { damage: 'missing' }).letters.length, [...strange].length);
assert.match(generator.version, /^\d+\.\d+\.\d+$/);
const memory = `memory ${generator.bytes.memory} B, ${solver.bytes.memory} B and ${restorer.bytes.memory} B`;
console.log(`wasm32: texts, answers and the bits of every energy are those of the host (module ${bytes.length} B, ${memory})`);
