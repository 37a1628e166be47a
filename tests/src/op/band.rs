//! Banded contractions.

use ebt_core::compute::{Band as Geometry, Classes, Compute};

use crate::Draw;
use crate::case::{Args, Case, Operation};

/// Contractions over the rows of a band, and its mask, each with its geometry.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "named after the methods of Compute")]
pub enum Band {
    Scores(Geometry),
    Mix(Geometry),
    Scatter(Geometry),
    Mask(Geometry),
    /// Biases `l[0]` by the classes `i[0]`, by distance or not.
    Relations(Geometry, bool),
    /// Sums of `t[0]` by the classes `i[0]`, in `slots[0]`.
    Accumulate(Geometry, bool),
}

impl Operation for Band {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match *self {
            Self::Scores(band) => c.window_scores(&t[0], &t[1], band),
            Self::Mix(band) => c.window_mix(&t[0], &t[1], band),
            Self::Scatter(band) => c.window_scatter(&t[0], &t[1], band),
            Self::Mask(band) => c.window_mask(band, x.i.first()),
            Self::Relations(band, by_distance) => {
                let classes = Classes { table: &x.i[0], by_distance };
                c.relation_bias(band, ebt_core::compute::Relations { bias: &x.l[0], classes })
            }
            Self::Accumulate(band, by_distance) => {
                c.accumulate_relations(&mut x.slots[0], &t[0], band, Classes { table: &x.i[0], by_distance });
                return Vec::new();
            }
        }]
    }
}

/// First visible index of every row: documents begin at random places.
pub fn starts(draw: &Draw, batch: usize, context: usize) -> Vec<u32> {
    let mut all = Vec::new();
    for _ in 0..batch {
        let mut first = 0;
        for t in 0..context {
            if t > 0 && draw.one_in(3) {
                first = t as u32;
            }
            all.push(first);
        }
    }
    all
}

/// Classes of all relations of a sequence.
pub fn classes(draw: &Draw, context: usize, count: usize, by_distance: bool) -> Vec<u32> {
    draw.indices(if by_distance { 2 * context - 1 } else { context * context }, count)
}

/// All contractions of a band; `slots` may reach beyond the sequence.
pub fn cases(draw: &Draw, band: Geometry) -> Vec<Case<Band>> {
    use Band::*;
    let Geometry { batch, context, heads, kv_heads, head_dim, slots, .. } = band;
    let n = batch * context;
    let q = || draw.matrix(n, heads * head_dim);
    let k = || draw.matrix(n, kv_heads * head_dim);
    let s = || draw.matrix(n, heads * slots);
    let count = 1 + draw.below(4);
    let by_distance = draw.one_in(2);
    let relations = || vec![classes(draw, context, count, by_distance)];
    let bias = || draw.matrix(count, heads);
    vec![
        Case::new(Relations(band, by_distance), vec![]).leaves(vec![bias()]).indices(relations()),
        Case::new(Accumulate(band, by_distance), vec![s()]).indices(relations()).slots(vec![bias()]),
        Case::new(Scores(band), vec![q(), k()]),
        Case::new(Mix(band), vec![s(), k()]),
        Case::new(Scatter(band), vec![s(), q()]),
        Case::new(Mask(band), vec![]),
        Case::new(Mask(band), vec![]).indices(vec![starts(draw, batch, context)]),
    ]
}
