//! Blocks of a packed model as the layers of core take them, and how long a tape has to be for them.

use ebt_core::compute::Compute;
use ebt_core::config::Config;
use ebt_core::layer::Geometry;
use ebt_core::layer::block::{self, BlockContext, Stream};
use ebt_core::layer::weights::Weight;

use super::{Index, Leaf, Lent, Memory, Place, Rows};
use crate::engine::cache::Seen;
use crate::engine::sizes::Sizes;
use crate::packed::{self, Block, BlockCondition, Floats, Kernel};

/// What a block is run with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'c, 'm> {
    /// Sizes and semantics.
    pub config: &'c Config,
    /// Number of the block.
    pub layer: usize,
    /// Its matrices.
    pub block: Block<'m>,
    /// Its condition vectors.
    pub condition: BlockCondition<'m>,
    /// Whether predictions pass it.
    pub predicted: bool,
}

impl<'m> Context<'_, 'm> {
    /// Runs `f` on what the layers of core take.
    pub fn run<'s, R>(&self, window: usize, f: impl FnOnce(&BlockContext<'_, Leaf<'s>, Index>) -> R) -> R
    where
        'm: 's,
    {
        let weights = self.block.map(|m| Leaf::Matrix(*m), |bias| Leaf::Vector(bias.unwrap_or_default()));
        let condition = &self.condition.map(|v| Leaf::Vector(*v));
        let geometry = Geometry { shape: self.config.attention(1, window), starts: None, groups: &Index::default() };
        let stream = if self.predicted { Stream::Predicted(&Leaf::Memory) } else { Stream::Observed };
        let weights = weights.map(|value| Weight { value, id: 0 }, |value| Weight { value, id: 0 });
        f(&BlockContext { config: self.config, weights, layer: self.layer, condition, geometry, stream })
    }
}

/// Tape for `n` rows of predictions forward and back through all blocks, or of observed tokens through one after the other.
pub fn measure(config: &Config, sizes: &Sizes, n: usize, predicted: bool) -> Place {
    let seen = Seen { first: 0, every: 1, members: &[], predicted };
    let shape = sizes.attention(n, predicted);
    let rows = Rows { shape, slots: sizes.slots, seen, stream: 0, kernel: Kernel::Portable };
    let c = Lent::<f32>::new(Memory { tape: &mut [], words: &mut [], cache: None, turns: &[] }, rows);
    let mut base = Place::default();
    for layer in 0..sizes.layers {
        let (block, condition) = packed::shapes(config, layer, predicted);
        let context = Context { config, layer, block, condition, predicted };
        let h = c.begin(layer, base, sizes.dim);
        let (out, saved) = context.run(sizes.window, |x| block::forward(&c, x, &h));
        if predicted {
            let length = c.length(&out);
            let dh = c.begin_back(layer, base, length, &out);
            context.run(sizes.window, |x| block::backward(&c, x, &saved, &dh, None, None));
            base = base.after(length);
        }
    }
    let h = c.begin(sizes.layers, base, sizes.dim);
    let w = Leaf::Vector(Floats::default());
    let (_, r) = c.norm(&h, &w, None, config.eps);
    let dn = c.repeat(Floats::default(), sizes.dim);
    c.norm_backward(&h, &w, &r, &dn);
    c.peak()
}
