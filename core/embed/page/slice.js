// The plane through the end of a descent, in logits: Y + a u + b v. Logits that differ by a constant are one distribution,
// so all are centred first; u = Y, which leads from equal probabilities (a = -1) to the answer (a = 0).

/** The same distribution with logits of mean 0. */
export function center(logits) {
  const mean = logits.reduce((sum, x) => sum + x, 0) / logits.length;
  return logits.map((x) => x - mean);
}

/** softmax(scale * y + b * v) into `out`; `v` is a map from the few places where it is not 0. */
export function softmax(y, scale, v, b, out) {
  let largest = -Infinity;
  for (let i = 0; i < y.length; i++) out[i] = scale * y[i];
  for (const [i, x] of Object.entries(v)) out[i] += b * x;
  for (let i = 0; i < out.length; i++) if (out[i] > largest) largest = out[i];
  let sum = 0;
  for (let i = 0; i < out.length; i++) sum += out[i] = Math.exp(out[i] - largest);
  for (let i = 0; i < out.length; i++) out[i] /= sum;
  return out;
}

/** The point of the plane nearest to a state: least squares of `state - last` on u = last and v = h (e_i - e_j). */
export function project(state, last, i, j, h) {
  let uu = 0, ud = 0;
  for (let k = 0; k < last.length; k++) {
    uu += last[k] * last[k];
    ud += last[k] * (state[k] - last[k]);
  }
  const uv = h * (last[i] - last[j]), vv = 2 * h * h;
  const vd = h * (state[i] - last[i] - state[j] + last[j]);
  const det = uu * vv - uv * uv;
  if (!(det > 1e-9 * uu * vv)) return { a: uu > 0 ? ud / uu : 0, b: 0 };
  return { a: (ud * vv - vd * uv) / det, b: (vd * uu - ud * uv) / det };
}
