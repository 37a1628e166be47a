// The files that the package brings along, for browsers and their bundlers, which find them by `new URL(..., import.meta.url)`.

const fetched = async (url) => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} could not be fetched: ${answer.status}`);
  return answer.arrayBuffer();
};

export const ebt = () => fetched(new URL('./ebt.wasm', import.meta.url));
export const text = () => fetched(new URL('./text.ebp', import.meta.url));
export const letters = () => fetched(new URL('./letters.ebp', import.meta.url));
export const sudoku = () => fetched(new URL('./sudoku.ebp', import.meta.url));
