//! Exponential moving average of the weights, with warm-up: `keep = min(decay, (1 + n) / (10 + n))`.

use alloc::vec::Vec;

use crate::compute::Backend;

/// Averaged weights; what eval and generate use.
#[derive(Clone, Debug)]
pub struct Average<T> {
    /// Averages, in layout order.
    pub weights: Vec<T>,
    /// Number of updates that the average has seen.
    pub updates: u64,
}

impl<T: Clone> Average<T> {
    /// Starts at the weights.
    pub fn new<B: Backend<Array = T>>(b: &B, weights: &[T]) -> Self {
        // a copy, not a second handle: weights are updated in place
        Self { weights: weights.iter().map(|w| b.scale(w, 1.0)).collect(), updates: 0 }
    }

    /// Share of the old average kept at update `n`.
    pub fn keep(decay: f64, n: u64) -> f64 {
        decay.min((1 + n) as f64 / (10 + n) as f64)
    }
}
