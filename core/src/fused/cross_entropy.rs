//! Cross entropy of logits against token ids, with its derivative.

use crate::compute::Compute;

/// `(loss (n,1), dy (n,V))`, both times `weight (n,1)`; rows without a target give zero.
///
/// With `q = onehot`: `loss = lse(y) - <q, y>` and `dy = softmax(y) - q`.
pub fn forward<C: Compute>(c: &C, y: &C::Tensor, targets: &C::Index, weight: &C::Leaf) -> (C::Tensor, C::Tensor) {
    let (_, vocabulary) = c.shape(y);
    let q = c.one_hot(targets, vocabulary);
    let weight = c.mul(&c.sum_columns(&q), &c.lift(weight));
    let top = c.max_columns(y);
    let e = c.exp(&c.add(y, &c.scale(&top, -1.0)));
    let sum = c.sum_columns(&e);
    let lse = c.add(&c.ln(&sum), &top);
    let loss = c.add(&lse, &c.scale(&c.sum_columns(&c.mul(&q, y)), -1.0));
    let p = c.mul(&e, &c.recip(&sum));
    let dy = c.add(&p, &c.scale(&q, -1.0));
    (c.mul(&loss, &weight), c.mul(&dy, &weight))
}
