/** The module: the first argument of `Generator.open`, `Restorer.open` and `Solver.open`. */
export function ebt(): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>>;
/** A model that continues Turkish text, for `Generator.open`. */
export function text(): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>>;
/** A model that puts Turkish letters back, for `Restorer.open`. */
export function letters(): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>>;
/** A model that fills in boards of 6 by 6, for `Solver.open`. */
export function sudoku(): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>>;
