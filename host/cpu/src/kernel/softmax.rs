//! Softmax of rows and the cross-entropy of logits.

use super::element::Element;
use super::lanes;
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// Target id of a padding row, which has no loss and no gradient.
pub const PADDING: u32 = u32::MAX;

/// `p = softmax(y)` by rows and `lse[i] = log sum_j exp(y[i, j])`.
///
/// `y`, `p`: `(n, m)`, `m > 0`; `lse`: `(n)`.
pub fn softmax<E: Element>(m: usize, y: &[E], p: &mut [E], lse: &mut [E]) {
    check(m, lse.len(), &[y.len(), p.len()]);
    let chunk = rows_per_chunk(lse.len(), m);
    let outs = p.par_chunks_mut(chunk * m).zip(lse.par_chunks_mut(chunk));
    outs.zip(y.par_chunks(chunk * m)).for_each(|((p, lse), y)| {
        simd(
            #[inline(always)]
            || {
                let rows = p.chunks_exact_mut(m).zip(y.chunks_exact(m));
                for ((p, y), lse) in rows.zip(lse) {
                    let top = lanes::max(y);
                    for (p, &y) in p.iter_mut().zip(y) {
                        *p = (y - top).exp();
                    }
                    *lse = top + normalize(p, E::ONE);
                }
            },
        );
    });
}

/// [`softmax`] in place of the logits.
pub fn softmax_in_place<E: Element>(m: usize, y: &mut [E], lse: &mut [E]) {
    check(m, lse.len(), &[y.len()]);
    let chunk = rows_per_chunk(lse.len(), m);
    let outs = y.par_chunks_mut(chunk * m).zip(lse.par_chunks_mut(chunk));
    outs.for_each(|(y, lse)| {
        simd(
            #[inline(always)]
            || {
                for (y, lse) in y.chunks_exact_mut(m).zip(lse) {
                    let top = lanes::max(y);
                    for y in y.iter_mut() {
                        *y = (*y - top).exp();
                    }
                    *lse = top + normalize(y, E::ONE);
                }
            },
        );
    });
}

/// Divides a row by its sum, times `by`; returns the logarithm of the sum.
#[inline(always)]
fn normalize<E: Element>(row: &mut [E], by: E) -> E {
    let sum = lanes::sum(row);
    let scale = by / sum;
    for x in row.iter_mut() {
        *x *= scale;
    }
    sum.ln()
}

/// `dy = p * (dp - <p, dp>)` by rows: the gradient through `p = softmax(y)`.
///
/// All are `(n, m)`.
pub fn softmax_backward<E: Element>(m: usize, p: &[E], dp: &[E], dy: &mut [E]) {
    let n = dy.len() / m.max(1);
    check(m, n, &[p.len(), dp.len(), dy.len()]);
    let chunk = rows_per_chunk(n, m) * m;
    let ins = p.par_chunks(chunk).zip(dp.par_chunks(chunk));
    dy.par_chunks_mut(chunk).zip(ins).for_each(|(dy, (p, dp))| {
        simd(
            #[inline(always)]
            || {
                let ins = p.chunks_exact(m).zip(dp.chunks_exact(m));
                for (dy, (p, dp)) in dy.chunks_exact_mut(m).zip(ins) {
                    let inner = lanes::dot(p, dp);
                    for ((dy, &p), &dp) in dy.iter_mut().zip(p).zip(dp) {
                        *dy = p * (dp - inner);
                    }
                }
            },
        );
    });
}

/// Cross-entropy of logits against target ids.
///
/// * `loss[i] = -log softmax(y)[i, targets[i]]` (nats, unweighted),
/// * `v[i, :] = weight[i] * (softmax(y)[i, :] - onehot(targets[i]))`, the gradient of
///   `sum_i weight[i] * loss[i]`.
///
/// Rows whose target is [`PADDING`] get zeros. `y`, `v`: `(n, m)`; `targets`,
/// `weight`, `loss`: `(n)`.
///
/// # Panics
/// If a target is neither below `m` nor [`PADDING`], or shapes differ.
pub fn cross_entropy<E: Element>(m: usize, y: &[E], targets: &[u32], weight: &[E], loss: &mut [E], v: &mut [E]) {
    let n = loss.len();
    check(m, n, &[y.len(), v.len()]);
    assert!(targets.len() == n && weight.len() == n, "cross-entropy: shapes differ");
    let chunk = rows_per_chunk(n, m);
    let outs = v.par_chunks_mut(chunk * m).zip(loss.par_chunks_mut(chunk));
    let rows = targets.par_chunks(chunk).zip(weight.par_chunks(chunk));
    outs.zip(y.par_chunks(chunk * m).zip(rows)).for_each(|((v, loss), (y, (targets, weight)))| {
        simd(
            #[inline(always)]
            || {
                let ins = y.chunks_exact(m).zip(targets.iter().zip(weight));
                let outs = v.chunks_exact_mut(m).zip(loss);
                for ((v, loss), (y, (&target, &weight))) in outs.zip(ins) {
                    if target == PADDING {
                        v.fill(E::ZERO);
                        *loss = E::ZERO;
                        continue;
                    }
                    *loss = row(y, target as usize, weight, v);
                }
            },
        );
    });
}

/// One row of [`cross_entropy`]; returns the loss.
#[inline(always)]
fn row<E: Element>(y: &[E], target: usize, weight: E, v: &mut [E]) -> E {
    let top = lanes::max(y);
    for (v, &y) in v.iter_mut().zip(y) {
        *v = (y - top).exp();
    }
    let log_sum = normalize(v, weight);
    v[target] -= weight;
    // logits relative to the greatest keep the difference accurate
    log_sum - (y[target] - top)
}

fn check(m: usize, n: usize, lens: &[usize]) {
    assert!(m > 0 && lens.iter().all(|&len| len == n * m), "softmax: shapes differ");
}
