//! The rounding of a storage, for training that is to get along with it.

use alloc::vec;
use alloc::vec::Vec;

use super::super::matrix::Matrix;
use super::super::quantize::{self, Fit};
use super::super::storage::Storage;
use ebt_core::error::Result;
use ebt_core::parameters::{FeedForwardIds, ParameterId, ParameterLayout, SwigluIds};

/// The matrices of a model: what a packed model holds in its storage, in its order.
pub fn matrices(layout: &ParameterLayout) -> Vec<ParameterId> {
    let swiglu = |ids: SwigluIds| [ids.w13, ids.w2];
    let mut all = vec![layout.embedding];
    all.extend(Some(layout.vocabulary).filter(|id| *id != layout.embedding));
    for block in &layout.blocks {
        all.extend([block.qkv, block.wo]);
        match block.feed_forward {
            FeedForwardIds::Dense(ids) => all.extend(swiglu(ids)),
            FeedForwardIds::Mixture { gate, experts, shared, .. } => {
                all.push(gate);
                all.extend([Some(experts), shared].into_iter().flatten().flat_map(swiglu));
            }
        }
    }
    all.extend(layout.joint.and_then(|joint| joint.output).map(|[weight, _]| weight));
    all
}

/// Rounds a matrix of rows of `columns` values to what `storage` holds of it, each scale being that by which the largest value just
/// fits. What was rounded is held as it is: [`super::pack`] stores these very values (of int8 up to the last place of a scale).
///
/// # Errors
///
/// A value that is too large for the storage, or no number.
pub fn round(storage: Storage, columns: usize, values: &mut [f32]) -> Result<()> {
    let mut numbers = vec![0; storage.row_bytes(columns)];
    let mut scales = vec![0; storage.scale_bytes(columns)];
    for row in values.chunks_exact_mut(columns.max(1)) {
        if let Err(value) = quantize::row(storage, Fit::Largest, row, &mut numbers, &mut scales) {
            return super::refuse(alloc::format!("a matrix holds {value}, which is too large for {}", storage.name()));
        }
        if let Some(held) = Matrix::over(storage, 1, columns, &numbers, &scales) {
            held.row_into(0, row);
        }
    }
    Ok(())
}
