// The types of the JavaScript package: test.mjs MODULE MODEL SOLVER RESTORER, beside node_modules/ebt, the package as it is shipped. A
// TypeScript program compiles against them, and they name exactly what is there.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { Generator, repeats, Restorer, Solver } from 'ebt';

const [modulePath, modelPath, solverPath, restorerPath] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));

// strictly, as a program for browsers and as one for node
for (const [module, moduleResolution] of [['ESNext', 'Bundler'], ['NodeNext', 'NodeNext']]) {
  const options = {
    strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, types: [],
    target: ts.ScriptTarget.ES2022, lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    module: ts.ModuleKind[module], moduleResolution: ts.ModuleResolutionKind[moduleResolution],
  };
  const program = ts.createProgram([join(here, 'use.ts')], options);
  const complaints = ts.getPreEmitDiagnostics(program);
  const host = { getCanonicalFileName: (name) => name, getCurrentDirectory: () => here, getNewLine: () => '\n' };
  assert.equal(complaints.length, 0, ts.formatDiagnostics(complaints, host));
}

const parse = (name) => {
  const path = fileURLToPath(new URL(`node_modules/ebt/${name}`, import.meta.url));
  return ts.createSourceFile(name, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022).statements;
};
const isHidden = (member) => member.modifiers?.some((m) => m.kind === ts.SyntaxKind.PrivateKeyword) ?? false;
const declared = {};
for (const node of parse('ebt.d.ts')) {
  if (!ts.isInterfaceDeclaration(node) && !ts.isClassDeclaration(node)) continue;
  const bases = node.heritageClauses?.flatMap((clause) => clause.types.map((type) => type.expression.text)) ?? [];
  const own = node.members.filter((m) => m.name && !isHidden(m)).map((m) => m.name.text);
  declared[node.name.text] = [...bases.flatMap((base) => declared[base] ?? []), ...own].sort();
}

// the structs that the wrapper fills in
const written = {};
for (const node of ['instance.js', 'ebt.js', 'solver.js'].flatMap((name) => [...parse(name)]).filter(ts.isVariableStatement)) {
  for (const { name, initializer } of node.declarationList.declarations) {
    if (ts.isObjectLiteralExpression(initializer)) written[name.text] = initializer.properties.map((p) => p.name.text);
  }
}
const fields = (struct) => written[struct].filter((name) => name !== 'bytes').sort();
assert.deepEqual(declared.Options, fields('OPTIONS'));
assert.deepEqual(declared.Settings, fields('SETTINGS'));
assert.deepEqual(declared.SolverSettings, fields('SOLVER_SETTINGS'));

// the objects that it makes
const module = new WebAssembly.Module(readFileSync(modulePath));
const generator = await Generator.open(module, readFileSync(modelPath));
const solver = await Solver.open(module, readFileSync(solverPath));
const restorer = await Restorer.open(module, readFileSync(restorerPath));
generator.prompt('Ankara');
let step;
const token = generator.next({ seed: 1, certify: true }, (told) => void (step = told));
assert.deepEqual(declared.Step, Object.keys(step).sort());
assert.deepEqual(declared.Token, Object.keys(token).sort());
assert.deepEqual(declared.Solution, Object.keys(solver.solve(Array(solver.cells).fill(null))).sort());
assert.deepEqual(declared.Letter, Object.keys(restorer.restore('s').letters[0]).sort());
assert.deepEqual(declared.Grid, Object.keys(solver.grid).sort());
assert.deepEqual(declared.Repeat, Object.keys(repeats([0, 0], solver.grid)[0]).sort());
const members = (object) => Object.getOwnPropertyNames(object).filter((name) => !['constructor', 'length', 'name', 'prototype'].includes(name));
for (const [Class, object] of [[Generator, generator], [Solver, solver], [Restorer, restorer]]) {
  assert.deepEqual(declared[Class.name], [Class, Class.prototype, object].flatMap(members).sort());
}
console.log(`ebt.d.ts: a TypeScript program compiles, and all ${Object.values(declared).flat().length} names are there`);
