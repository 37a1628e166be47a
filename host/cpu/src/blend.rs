//! Rows scaled and added: moves along a gradient.

use rayon::prelude::*;

use super::kernel::element::Element;

/// Fewest elements of a task.
const CHUNK: usize = 1 << 13;

/// `acc[i] += factors[i] x[i]` by rows `m` wide; one factor serves all rows.
pub(super) fn axpy<E: Element>(m: usize, factors: &[E], x: &[E], acc: &mut [E]) {
    let per = CHUNK.div_ceil(m.max(1));
    acc.par_chunks_mut(per * m).zip(x.par_chunks(per * m)).enumerate().for_each(|(c, (acc, x))| {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                for (i, (acc, x)) in acc.chunks_exact_mut(m).zip(x.chunks_exact(m)).enumerate() {
                    let factor = factors[if factors.len() == 1 { 0 } else { c * per + i }];
                    for (a, &x) in acc.iter_mut().zip(x) {
                        *a = factor.mul_add(x, *a);
                    }
                }
            },
        );
    });
}
