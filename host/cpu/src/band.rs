//! Banded contractions: what the composed definition of attention is made of. The fused kernels serve training.

use std::rc::Rc;

use ebt_core::compute::{Band, Classes};
use rayon::prelude::*;

use super::kernel::element::Element;

fn dot<E: Element>(x: &[E], y: &[E]) -> E {
    x.iter().zip(y).fold(E::ZERO, |s, (&a, &b)| a.mul_add(b, s))
}

fn head<E>(x: &[E], row: usize, heads: usize, d: usize, h: usize) -> &[E] {
    let at = (row * heads + h) * d;
    &x[at..at + d]
}

/// `s[t, h, j] = q[t, h] . k[t + ahead - j, h']`.
pub(super) fn scores<E: Element>(q: &[E], k: &[E], b: Band, out: &mut [E]) {
    let share = b.heads / b.kv_heads;
    out.par_chunks_mut(b.heads * b.slots).enumerate().for_each(|(row, out)| {
        for (i, s) in out.iter_mut().enumerate() {
            let (h, t) = (i / b.slots, row % b.context);
            *s = b.meets(t, i % b.slots).map_or(E::ZERO, |u| {
                let key = head(k, row - t + u, b.kv_heads, b.head_dim, h / share);
                dot(head(q, row, b.heads, b.head_dim, h), key)
            });
        }
    });
}

/// `o[t, h] = sum_j s[t, h, j] v[t + ahead - j, h']`.
pub(super) fn mix<E: Element>(s: &[E], v: &[E], b: Band, out: &mut [E]) {
    let share = b.heads / b.kv_heads;
    out.par_chunks_mut(b.heads * b.head_dim).enumerate().for_each(|(row, out)| {
        out.fill(E::ZERO);
        for (h, out) in out.chunks_exact_mut(b.head_dim).enumerate() {
            let t = row % b.context;
            for (j, u) in (0..b.slots).filter_map(|j| Some((j, b.meets(t, j)?))) {
                let weight = s[(row * b.heads + h) * b.slots + j];
                for (o, &x) in out.iter_mut().zip(head(v, row - t + u, b.kv_heads, b.head_dim, h / share)) {
                    *o = weight.mul_add(x, *o);
                }
            }
        }
    });
}

/// `g[u, k] = sum over h of key head k, j of s[t, h, j] q[t, h]` with `t = u - ahead + j`.
pub(super) fn scatter<E: Element>(s: &[E], q: &[E], b: Band, out: &mut [E]) {
    let share = b.heads / b.kv_heads;
    out.par_chunks_mut(b.kv_heads * b.head_dim).enumerate().for_each(|(row, out)| {
        out.fill(E::ZERO);
        for (k, out) in out.chunks_exact_mut(b.head_dim).enumerate() {
            for h in k * share..(k + 1) * share {
                let u = row % b.context;
                for t in u.saturating_sub(b.ahead)..b.context.min(u + b.slots - b.ahead) {
                    let (query, j) = (row - u + t, t + b.ahead - u);
                    let weight = s[(query * b.heads + h) * b.slots + j];
                    for (o, &x) in out.iter_mut().zip(head(q, query, b.heads, b.head_dim, h)) {
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
            *x = if b.meets(t, i % b.slots).is_some_and(|u| u >= first) { E::ZERO } else { hidden };
        }
    }
}

/// The class of the relation of position `t` to what it meets in slot `j`.
fn class(b: Band, classes: Classes<'_, Rc<[u32]>>, t: usize, j: usize) -> Option<usize> {
    let u = b.meets(t, j)?;
    classes.table.get(classes.place(b.context, t, u)).map(|&class| class as usize)
}

/// `bias[class(t, t + ahead - j), h]`, zero where the key leaves the sequence.
pub(super) fn relations<E: Element>(b: Band, bias: &[E], classes: Classes<'_, Rc<[u32]>>, out: &mut [E]) {
    for (row, out) in out.chunks_exact_mut(b.heads * b.slots).enumerate() {
        for (i, x) in out.iter_mut().enumerate() {
            let class = class(b, classes, row % b.context, i % b.slots);
            *x = class.and_then(|c| bias.get(c * b.heads + i / b.slots).copied()).unwrap_or(E::ZERO);
        }
    }
}

/// Adds `s (n, H slots)` to `out (classes, H)` by class.
pub(super) fn accumulate<E: Element>(b: Band, s: &[E], classes: Classes<'_, Rc<[u32]>>, out: &mut [E]) {
    for (row, s) in s.chunks_exact(b.heads * b.slots).enumerate() {
        for (i, &x) in s.iter().enumerate() {
            let class = class(b, classes, row % b.context, i % b.slots);
            if let Some(slot) = class.and_then(|c| out.get_mut(c * b.heads + i / b.slots)) {
                *slot += x;
            }
        }
    }
}
