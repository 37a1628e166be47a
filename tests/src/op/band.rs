//! Banded contractions.

use ebt_core::compute::{Band as Geometry, Compute};

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
}

impl Operation for Band {
    fn run<C: Compute>(&self, c: &C, x: &mut Args<C>) -> Vec<C::Tensor> {
        let t = &x.t;
        vec![match *self {
            Self::Scores(band) => c.window_scores(&t[0], &t[1], band),
            Self::Mix(band) => c.window_mix(&t[0], &t[1], band),
            Self::Scatter(band) => c.window_scatter(&t[0], &t[1], band),
            Self::Mask(band) => c.window_mask(band, x.i.first()),
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

/// All contractions of a band; `slots` may reach beyond the sequence.
pub fn cases(draw: &Draw, band: Geometry) -> Vec<Case<Band>> {
    use Band::*;
    let Geometry { batch, context, heads, kv_heads, head_dim, slots } = band;
    let n = batch * context;
    let q = || draw.matrix(n, heads * head_dim);
    let k = || draw.matrix(n, kv_heads * head_dim);
    let s = || draw.matrix(n, heads * slots);
    vec![
        Case::new(Scores(band), vec![q(), k()]),
        Case::new(Mix(band), vec![s(), k()]),
        Case::new(Scatter(band), vec![s(), q()]),
        Case::new(Mask(band), vec![]),
        Case::new(Mask(band), vec![]).indices(vec![starts(draw, batch, context)]),
    ]
}
