//! Banded contractions: what the composed definition of attention is made of. The fused kernels serve training.

use ebt_core::compute::Band;
use rayon::prelude::*;

use super::kernel::element::Element;

fn dot<E: Element>(x: &[E], y: &[E]) -> E {
    x.iter().zip(y).fold(E::ZERO, |s, (&a, &b)| a.mul_add(b, s))
}

fn head<E>(x: &[E], row: usize, heads: usize, d: usize, h: usize) -> &[E] {
    let at = (row * heads + h) * d;
    &x[at..at + d]
}

/// `s[t, h, j] = q[t, h] . k[t-j, h']`.
pub(super) fn scores<E: Element>(q: &[E], k: &[E], b: Band, out: &mut [E]) {
    let share = b.heads / b.kv_heads;
    out.par_chunks_mut(b.heads * b.slots).enumerate().for_each(|(row, out)| {
        for (i, s) in out.iter_mut().enumerate() {
            let (h, j) = (i / b.slots, i % b.slots);
            *s = if j > row % b.context {
                E::ZERO
            } else {
                let key = head(k, row - j, b.kv_heads, b.head_dim, h / share);
                dot(head(q, row, b.heads, b.head_dim, h), key)
            };
        }
    });
}

/// `o[t, h] = sum_j s[t, h, j] v[t-j, h']`.
pub(super) fn mix<E: Element>(s: &[E], v: &[E], b: Band, out: &mut [E]) {
    let share = b.heads / b.kv_heads;
    out.par_chunks_mut(b.heads * b.head_dim).enumerate().for_each(|(row, out)| {
        out.fill(E::ZERO);
        for (h, out) in out.chunks_exact_mut(b.head_dim).enumerate() {
            for j in 0..b.slots.min(row % b.context + 1) {
                let weight = s[(row * b.heads + h) * b.slots + j];
                for (o, &x) in out.iter_mut().zip(head(v, row - j, b.kv_heads, b.head_dim, h / share)) {
                    *o = weight.mul_add(x, *o);
                }
            }
        }
    });
}

/// `g[u, k] = sum over h of key head k, j of s[u+j, h, j] q[u+j, h]`.
pub(super) fn scatter<E: Element>(s: &[E], q: &[E], b: Band, out: &mut [E]) {
    let share = b.heads / b.kv_heads;
    out.par_chunks_mut(b.kv_heads * b.head_dim).enumerate().for_each(|(row, out)| {
        out.fill(E::ZERO);
        for (k, out) in out.chunks_exact_mut(b.head_dim).enumerate() {
            for h in k * share..(k + 1) * share {
                for j in 0..b.slots.min(b.context - row % b.context) {
                    let weight = s[((row + j) * b.heads + h) * b.slots + j];
                    for (o, &x) in out.iter_mut().zip(head(q, row + j, b.heads, b.head_dim, h)) {
                        *o = weight.mul_add(x, *o);
                    }
                }
            }
        }
    });
}

/// 0 where slot `j` of row `t` may be seen, else -1e30.
pub(super) fn mask<E: Element>(b: Band, starts: Option<&[u32]>, out: &mut [E]) {
    let hidden = E::from_f64(-1e30);
    for (row, out) in out.chunks_exact_mut(b.heads * b.slots).enumerate() {
        let t = row % b.context;
        let first = starts.and_then(|s| s.get(row)).map_or(0, |&s| s as usize);
        for (i, x) in out.iter_mut().enumerate() {
            let j = i % b.slots;
            *x = if j <= t && t - j >= first { E::ZERO } else { hidden };
        }
    }
}
