//! How much of an error is the problem's own: what rounding the weights changes, all else exact.
//!
//! Golden cases are random models of a few numbers, and a descent of large steps through one doubles small differences
//! at every step: in numbers of 8 bits some of their gradients are noise on any machine. A fixed bound that all cases
//! meet would hold nothing. The error of a computation that rounds at every operation is, to first order, a sum of
//! the problem's reactions to each rounding; its reaction to a rounding of the weights is their measure.

use anyhow::Result;
use ebt_core::random::{Purpose, Stream};
use ebt_cpu::Cpu;

use super::case::Case;
use super::errors::{Quantity, Tolerance, errors};

/// Relative changes of the quantities of a case, the largest of several draws.
#[derive(Clone, Debug)]
pub struct Sensitivity(Vec<Quantity>);

impl Sensitivity {
    /// Roundings of activations in two streams, forward and in the passes of first and second derivatives, for one of
    /// the weights. All golden cases stay below 4 in bf16, below 3 in f16 and below 2 in tf32.
    pub const FACTOR: f64 = 6.0;
    /// Draws of roundings.
    const DRAWS: u32 = 4;

    /// Moves every weight by up to `unit` of itself and computes in double precision.
    ///
    /// # Errors
    ///
    /// A case that the processor cannot compute.
    pub fn measure(case: &Case, unit: f64) -> Result<Self> {
        let b = Cpu::<f64>::new(1);
        let mut largest: Vec<Quantity> = Vec::new();
        for draw in 0..Self::DRAWS {
            let moved = |(id, weights): (usize, &Vec<f64>)| -> Vec<f64> {
                let stream = Stream::new(u64::from(draw), id as u32, Purpose::Test);
                let factor = |i: usize| 1.0 + unit * (2.0 * stream.uniform(i as u64) - 1.0);
                weights.iter().enumerate().map(|(i, w)| w * factor(i)).collect()
            };
            let weights: Vec<Vec<f64>> = case.weights.iter().enumerate().map(moved).collect();
            let found = errors(&b, case, &weights, Tolerance::F64)?;
            match largest.is_empty() {
                true => largest = found,
                false => largest.iter_mut().zip(found).for_each(|(a, b)| a.error = a.error.max(b.error)),
            }
        }
        Ok(Self(largest))
    }

    /// Relative change of a quantity.
    pub fn of(&self, name: &str) -> f64 {
        self.0.iter().find(|quantity| quantity.name == name).map_or(0.0, |quantity| quantity.error)
    }
}
