// What a TypeScript program may write, and what the compiler must refuse it.

import {
  EbtError, Generator, repeats, Restorer, Solver, type Cell, type Letter, type Options, type Repeat, type Settings, type Solution,
  type SolverSettings, type Step, type Token,
} from 'ebt';

const options: Options = { block: 16, rows: 2, steps: 8, prompt: 256, trials: true, curvature: true, cache: 'int8' };
const generator: Generator = await Generator.open(fetch('ebt.wasm'), new Uint8Array(8), options);
const from_bytes: Promise<Generator> = Generator.open(new ArrayBuffer(8), new ArrayBuffer(8));

const settings: Settings = {
  seed: 7n, steps: 4, candidates: 2, choose: 'drop', certify: true, stepSize: 'armijo', noise: 'langevin', noiseValue: 0.1,
};
generator.prompt("Türkiye'nin başkenti");
generator.accept([1, 2]);
generator.accept(new Uint32Array(2));
const token: Token | null = generator.next(settings, (step: Step) => step.energyAfter === null || step.energyAfter < step.energy);
if (token) {
  const energies: number[] = [...token.energies, ...generator.energies(token.landscapes[0] ?? 0, new Float32Array(generator.vocabulary))];
  const held: boolean = token.allDecreased ?? false;
  console.log(token.text, energies, held, generator.tokenText(token.id), generator.bytes.memory + generator.bytes.model);
} else console.log(generator.rest, generator.version);
generator.next();
generator.next({}, null);
generator.reset();
try {
  await from_bytes;
} catch (error) {
  if (error instanceof EbtError) console.log(error.code + 1, error.message);
}

const solver: Solver = await Solver.open(fetch('ebt.wasm'), new Uint8Array(8), { rows: 4 });
const asked: SolverSettings = { seed: 7n, candidates: 4, choose: 'free', eta: 0.5 };
const found: Solution = solver.solve(solver.board('12..'), asked, (step: Step) => step.candidate < 2);
const narrowed: Cell[] = [0, [1, 2], new Set([3]), null];
const all: number[] = [...found.answer, ...solver.solve(narrowed).probabilities, found.freeEnergy, ...found.candidateEnergies];
const wrong: Repeat[] = solver.grid ? repeats(solver.board('12..'), solver.grid) : [];
console.log(all, wrong.map((repeat) => repeat.cells[1] + solver.cells * solver.vocabulary));

const restorer: Restorer = await Restorer.open(fetch('ebt.wasm'), new Uint8Array(8));
const restored: { text: string; letters: Letter[] } = restorer.restore('baskent', { damage: 'ascii' });
console.log(restored.text, restored.letters.filter((letter) => letter.inDoubt && letter.probability < 0.9).length);

// @ts-expect-error a generator is opened
new Generator();
// @ts-expect-error no such choice
generator.next({ stepSize: 'newton' });
// @ts-expect-error no such setting
generator.next({ colour: 1 });
// @ts-expect-error no such option
await Generator.open(new ArrayBuffer(8), new ArrayBuffer(8), { threads: 2 });
// @ts-expect-error no such storage
await Generator.open(new ArrayBuffer(8), new ArrayBuffer(8), { cache: 'int2' });
// @ts-expect-error energies are of probabilities in single precision
generator.energies(0, new Float64Array(4));
// @ts-expect-error there may be no token
generator.next().text;
// @ts-expect-error the number of tokens is the model's
generator.vocabulary = 4;
// @ts-expect-error no such choice
solver.solve([], { choose: 'best' });
// @ts-expect-error a token is a number
solver.solve(['1']);
// @ts-expect-error there may be no grid
solver.grid.rows;
// @ts-expect-error no such damage
restorer.restore('baskent', { damage: 'flood' });
