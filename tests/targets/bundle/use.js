// A program that uses the package: what it says must be the same in node and in a browser.

import { Generator, Restorer, Solver } from 'ebt';
import { ebt, letters, sudoku, text } from 'ebt/files';

export async function run() {
  const restorer = await Restorer.open(ebt(), await letters());
  const said = [restorer.restore("Turkiye'nin baskenti").text];
  const generator = await Generator.open(ebt(), await text(), { cache: 'int8' });
  generator.prompt("Türkiye'nin");
  for (let i = 0; i < 12; i++) said.push(generator.next({ seed: 1 })?.text ?? '');
  const solver = await Solver.open(ebt(), await sudoku());
  const { answer } = solver.solve(solver.board('..3.1. 56.32. .542.3 2.645. .12.45 .4.1..'), { steps: 16 });
  return [...said, [...answer].map((token) => token + 1).join('')].join('|');
}
