//! Balance loss of the mixtures, over both streams of one evaluation (arXiv 2405.04434, eq. 23; reference `moe`).
//!
//! Per group (a sequence, or the batch) with `m = 2T` (or `2BT`) tokens:
//! `a1 * sum_i f_i P_i`, `f_i = E / (k m) count_i`, `P_i = mean gate`, mean over groups. Its gradient with respect to
//! every gate of the group is `a1 f_i / (m groups)`; counts are constants.

use alloc::vec::Vec;

use crate::compute::Backend;
use crate::config::MoeConfig;
use crate::energy::Observed;
use crate::layer::mixture::{GateSaved, load};
use crate::layer::{Geometry, Model};

/// Number of balance groups: sequences, or one for the batch.
pub fn groups(moe: &MoeConfig, batch: usize) -> usize {
    if moe.seq_aux { batch } else { 1 }
}

/// Balance of one evaluation of the energy.
#[derive(Clone, Debug)]
pub struct Balance<T> {
    /// Loss `(1,1)`, summed over blocks, without the share of this step or batch.
    pub loss: T,
    /// Gradient of the loss on a gate of each group `(groups, E)`, by block.
    pub gradient: Vec<Option<T>>,
    /// Tokens per expert `(1, E)`, by block.
    pub load: Vec<Option<T>>,
}

/// Loss, gradient and load from the gates of both streams.
pub fn balance<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    observed: &Observed<B::Array, B::Index>,
    predicted: &[Option<GateSaved<B::Array, B::Index>>],
) -> Balance<B::Array> {
    let mut all = Balance { loss: b.fill(1, 1, 0.0), gradient: Vec::new(), load: Vec::new() };
    for (layer, gate) in predicted.iter().enumerate() {
        let (gradient, load) = match (model.config.mixture(layer), gate) {
            (Some(moe), Some(gate)) => {
                let mut streams = Vec::from([gate]);
                streams.extend(observed.gate(layer));
                let one = over_streams(b, moe, geometry, &streams);
                all.loss = b.add(&all.loss, &one.loss);
                (Some(one.gradient), Some(one.load))
            }
            _ => (None, None),
        };
        all.gradient.push(gradient);
        all.load.push(load);
    }
    all
}

/// Balance of one block.
#[derive(Clone, Debug)]
pub struct BlockBalance<T> {
    /// Weighted balance loss `(1,1)` of the block.
    pub loss: T,
    /// On a gate of each group `(groups, E)`.
    pub gradient: T,
    /// Tokens per expert `(1, E)`.
    pub load: T,
}

/// Balance over a single stream (the baseline).
pub fn one_stream<B: Backend>(
    b: &B,
    moe: &MoeConfig,
    geometry: Geometry<'_, B::Index>,
    gate: &GateSaved<B::Array, B::Index>,
) -> BlockBalance<B::Array> {
    over_streams(b, moe, geometry, &[gate])
}

fn over_streams<B: Backend>(
    b: &B,
    moe: &MoeConfig,
    geometry: Geometry<'_, B::Index>,
    streams: &[&GateSaved<B::Array, B::Index>],
) -> BlockBalance<B::Array> {
    let count = groups(moe, geometry.shape.batch);
    let tokens = (streams.len() * geometry.shape.rows()) as f64 / count as f64;
    let mut counts = b.fill(count, moe.n_routed, 0.0);
    let mut gates = counts.clone();
    for gate in streams {
        counts = b.add(&counts, &load(b, gate, geometry.groups, count));
        gates = b.add(&gates, &b.scatter_rows(&gate.gate, geometry.groups, count));
    }
    let f = b.scale(&counts, moe.n_routed as f64 / (moe.top_k as f64 * tokens));
    let gradient = b.scale(&f, moe.aux_coeff / (tokens * count as f64));
    let loss = b.sum_rows(&b.sum_columns(&b.mul(&gradient, &gates)));
    BlockBalance { loss, gradient, load: b.sum_rows(&counts) }
}
