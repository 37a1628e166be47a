//! Layers: each file has a forward pass with its backward pass below, written once over `C: Compute`.
//!
//! Backward passes take `Option<sink>`: `None` is the inner gradient (with respect to the prediction only), `Some`
//! collects weight gradients through the `accumulate_*` operations, which under `Dual` add tangents only. Products with
//! weights go through [`linear`]. Hidden states `h` are `(n,D)`, a gradient has the shape of what it belongs to.

pub mod block;
pub mod condition;
pub mod feed_forward;
pub mod linear;
pub mod mixture;
pub mod swiglu;

use crate::compute::{Attention, Classes, Rotary};
use crate::config::Config;
use crate::parameters::ParameterLayout;

/// A model: its configuration, and its weights in the order of the layout that follows from it.
#[derive(Debug)]
pub struct Model<'a, L> {
    /// Sizes and semantics.
    pub config: &'a Config,
    /// Shape and place of every parameter.
    pub layout: &'a ParameterLayout,
    /// The weights, in layout order; each `(rows, columns)` as the layout says.
    pub weights: &'a [L],
}

impl<L> Clone for Model<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Model<'_, L> {}

/// Geometry of one stream of `n = B T` rows: sequences, document starts, positions.
#[derive(Debug)]
pub struct Geometry<'a, I> {
    /// Sequences, positions, heads and window.
    pub shape: Attention,
    /// First visible index of every row inside its sequence `(n)`; none where all sequences are visible from 0.
    pub starts: Option<&'a I>,
    /// Balance group of every row `(n)` (its sequence, or 0), read by mixtures only.
    pub groups: &'a I,
    /// The sequence of every row `(n)`.
    pub sequences: &'a I,
    /// Classes of the relations of a joint model, where they count.
    pub classes: Option<Classes<'a, I>>,
}

impl<I> Clone for Geometry<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<I> Copy for Geometry<'_, I> {}

impl<I> Geometry<'_, I> {
    /// Rotation of the first `heads d` columns of a matrix `(n, ..)`, at positions shifted by `offset`.
    pub fn rotary(&self, config: &Config, heads: usize, offset: usize) -> Rotary {
        Rotary { context: self.shape.context, heads, head_dim: self.shape.head_dim, theta: config.rope_theta, offset }
    }
}
