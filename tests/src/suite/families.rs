//! Random cases of every family of operations, shown to a visitor.

use ebt_core::compute::{Attention, Band};
use proptest::prelude::*;

use crate::case::{Case, Operation};
use crate::level::Directions;
use crate::{Check, Draw, for_all, op};

/// What is done with a case.
pub trait Visit {
    /// Judges one case along random directions.
    fn case<O: Operation>(&self, case: &Case<O>, along: &Directions) -> Check;
    /// Largest dimension that is worth its time.
    fn largest(&self) -> usize;
    /// Number of draws of a family.
    fn draws(&self) -> u32;
}

fn each<O: Operation>(visit: &impl Visit, draw: &Draw, cases: Vec<Case<O>>) -> Check {
    for case in cases {
        let along = Directions::draw(draw, &case);
        let data = |e: String| {
            let shapes: Vec<_> = case.tensors.iter().map(crate::Mat::shape).collect();
            format!("{:?} on {shapes:?}: {e}", case.op)
        };
        visit.case(&case, &along).map_err(data)?;
    }
    Ok(())
}

/// Mostly small, sometimes odd and large: kernels change path at their tile sizes.
fn dimension<V: Visit>(visit: &V) -> impl Strategy<Value = usize> + use<V> {
    let top = visit.largest();
    prop_oneof![4 => 1..=5usize.min(top), 2 => 1..=17usize.min(top), 1 => 1..=top]
}

/// Elementwise operations and reductions.
pub fn elementwise(visit: &impl Visit) {
    for_all(visit.draws(), (dimension(visit), dimension(visit), any::<u64>()), |(rows, columns, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::elementwise::cases(&draw, rows, columns))?;
        each(visit, &draw, op::linear::cases(&draw, rows, columns))
    });
}

/// Reshapes, slices, padding, gathers, scatters, one-hot rows and rotations of random shapes.
pub fn movement(visit: &impl Visit) {
    for_all(visit.draws(), (dimension(visit), dimension(visit), any::<u64>()), |(rows, columns, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::movement::cases(&draw, rows, columns))
    });
}

/// Matrix products, by expert too.
pub fn products(visit: &impl Visit) {
    let size = || dimension(visit);
    for_all(visit.draws(), (size(), size(), size(), any::<u64>()), |(m, k, n, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::product::cases(&draw, m, k, n))
    });
}

/// Everything that adds to a gradient slot but the norm's sink; slots hold random numbers before.
pub fn sinks(visit: &impl Visit) {
    let size = || dimension(visit);
    for_all(visit.draws(), (size(), size(), size(), any::<u64>()), |(m, k, n, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::accumulate::cases(&draw, m, k, n))
    });
}

/// The norm, its tangents, backward pass and gradient sink, with and without a shift.
pub fn norms(visit: &impl Visit) {
    for_all(visit.draws(), (dimension(visit), dimension(visit), any::<u64>()), |(rows, columns, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::norm::cases(&draw, rows, columns))
    });
}

/// SwiGLU and softmax.
pub fn pointwise(visit: &impl Visit) {
    for_all(visit.draws(), (dimension(visit), dimension(visit), any::<u64>()), |(rows, columns, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::pointwise::cases(&draw, rows, columns))
    });
}

/// Losses and their derivatives of logits near each other and far apart; some rows have no target.
pub fn cross_entropies(visit: &impl Visit) {
    for_all(visit.draws(), (dimension(visit), dimension(visit), any::<u64>()), |(rows, columns, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::cross_entropy::cases(&draw, rows, columns))
    });
}

/// Batch, context, key heads, query heads a key head, half the head width, window or slots.
fn geometry() -> impl Strategy<Value = (usize, usize, usize, usize, usize, usize)> {
    (1..=2usize, 1..=7usize, 1..=2usize, 1..=3usize, 1..=3usize, 1..=9usize)
}

/// Scores, mixtures, scatters and masks of bands, which may reach beyond the sequence.
pub fn bands(visit: &impl Visit) {
    let strategy = (geometry(), any::<u64>());
    for_all(visit.draws(), strategy, |((batch, context, kv_heads, share, half, slots), seed)| {
        let draw = Draw::new(seed);
        let band = Band {
            batch,
            context,
            heads: kv_heads * share,
            kv_heads,
            head_dim: 2 * half,
            slots,
            ahead: seed as usize % slots,
        };
        each(visit, &draw, op::band::cases(&draw, band))
    });
}

/// A random attention geometry; windows run from the prediction alone to beyond the sequence.
pub fn attention_shape() -> impl Strategy<Value = Attention> {
    geometry().prop_map(|(batch, context, kv_heads, share, half, window)| Attention {
        batch,
        context,
        heads: kv_heads * share,
        kv_heads,
        head_dim: 2 * half,
        window,
    })
}

/// Attention of both streams.
pub fn attentions(visit: &impl Visit) {
    for_all(visit.draws() * 2 / 3, (attention_shape(), any::<u64>()), |(shape, seed)| {
        let draw = Draw::new(seed);
        each(visit, &draw, op::attention::cases(&draw, shape))
    });
}
