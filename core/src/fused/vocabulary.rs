//! Matrices `(n,V)` given by logits, see [`SoftmaxRows`]: the definitions that streaming backends are held against.

use crate::compute::{Backend, SoftmaxRows};

/// `ln sum_j exp(y[i,j])`, `(n,1)`.
pub fn log_sum_exp<B: Backend>(b: &B, y: &B::Array) -> B::Array {
    let top = b.max_columns(y);
    let e = b.exp(&b.add(y, &b.scale(&top, -1.0)));
    b.add(&b.ln(&b.sum_columns(&e)), &top)
}

/// `(q (n,V), present (n,1))`: the targets one-hot, and 1 where there is one.
fn targets<B: Backend>(b: &B, m: SoftmaxRows<'_, B::Array, B::Index>) -> Option<(B::Array, B::Array)> {
    let ids = m.targets?;
    let (_, vocabulary) = b.shape(m.logits);
    let q = b.one_hot(ids, vocabulary);
    let present = b.sum_columns(&q);
    Some((q, present))
}

/// The matrix itself.
pub fn dense<B: Backend>(b: &B, m: SoftmaxRows<'_, B::Array, B::Index>) -> B::Array {
    let mut out = b.exp(&b.add(m.logits, &b.scale(m.lse, -1.0)));
    if let Some((q, present)) = targets(b, m) {
        out = b.mul(&b.add(&out, &b.scale(&q, -1.0)), &present);
    }
    match m.scale {
        Some(scale) => b.mul(&out, scale),
        None => out,
    }
}

/// `scale (lse - <q, y>)`, `(n,1)`.
pub fn cross_entropy<B: Backend>(b: &B, m: SoftmaxRows<'_, B::Array, B::Index>) -> B::Array {
    let (rows, _) = b.shape(m.logits);
    let Some((q, present)) = targets(b, m) else { return b.fill(rows, 1, 0.0) };
    let met = b.sum_columns(&b.mul(&q, m.logits));
    let loss = b.mul(&b.add(m.lse, &b.scale(&met, -1.0)), &present);
    match m.scale {
        Some(scale) => b.mul(&loss, scale),
        None => loss,
    }
}
