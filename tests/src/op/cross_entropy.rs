//! Cross entropy of logits against token ids.

use ebt_core::compute::Compute;

use crate::case::{Args, Case, Operation};
use crate::{Draw, Mat};

/// `(loss, dy)` of logits `t[0]`, targets `i[0]`, weights `l[0]`.
#[derive(Clone, Debug)]
pub struct Loss;

impl Operation for Loss {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let (loss, dy) = c.cross_entropy(&x.t[0], &x.i[0], &x.l[0]);
        vec![loss, dy]
    }
}

/// With rows that have no target, and with logits near each other and far apart.
pub fn cases(draw: &Draw, rows: usize, columns: usize) -> Vec<Case<Loss>> {
    let mut all = Vec::new();
    for spread in [1.0, 60.0] {
        let y = Mat::zeros(rows, columns).plus(spread, &draw.matrix(rows, columns));
        let mut targets = draw.indices(rows, columns);
        if rows > 1 {
            targets[draw.below(rows)] = u32::MAX;
        }
        let weight = draw.matrix(rows, 1);
        all.push(Case::new(Loss, vec![y]).leaves(vec![weight]).indices(vec![targets]));
    }
    all
}
