//! A model as the layers see it.

use super::Geometry;
use super::block::{BlockCondition, BlockContext, Stream};
use super::weights::{ParameterId, Weight};
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

impl<'a, L> Model<'a, L> {
    /// Parameter number `id`.
    pub fn weight(&self, id: ParameterId) -> Weight<'a, L> {
        Weight { value: &self.weights[id], id }
    }

    /// What the passes of block `layer` share, under these of its condition vectors.
    pub fn block<I>(
        &self,
        layer: usize,
        condition: &'a BlockCondition<L>,
        geometry: Geometry<'a, I>,
        stream: Stream<'a, L>,
    ) -> BlockContext<'a, L, I> {
        let weights = self.layout.blocks[layer].weights.map(|&id| self.weight(id), |&id| self.weight(id));
        BlockContext { config: self.config, weights, layer, condition, geometry, stream }
    }
}
