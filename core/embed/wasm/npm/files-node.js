// The files that the package brings along, for node.

import { readFile } from 'node:fs/promises';

const read = (name) => () => readFile(new URL(name, import.meta.url));

export const ebt = read('./ebt.wasm');
export const text = read('./text.ebp');
export const letters = read('./letters.ebp');
export const sudoku = read('./sudoku.ebp');
