//! Buffers of a pass: what the backward pass needs of every block, and scratch.

use super::arena::Carver;
use super::error::Error;
use super::layer::{attention, feed_forward, rotary};
use super::sizes::Sizes;
use super::slices::row_mut;

/// Activations of all blocks. Arrays of one block lie together; arrays have room for as many rows as are computed together
/// and hold fewer, from the front on.
#[derive(Debug)]
pub struct Saved<'a> {
    h: &'a mut [f32],
    r1: &'a mut [f32],
    qkv: &'a mut [f32],
    cached: &'a mut [f32],
    own: &'a mut [f32],
    h1: &'a mut [f32],
    r2: &'a mut [f32],
    up: &'a mut [f32],
    expert_up: &'a mut [f32],
    expert_out: &'a mut [f32],
    gate: &'a mut [f32],
    chosen: &'a mut [f32],
    /// Input of the final norm.
    pub last: &'a mut [f32],
    /// Its inverse norm.
    pub last_r: &'a mut [f32],
    layers: usize,
}

/// Activations of one block, names as in [`ebt_core::layer::block::BlockSaved`].
#[derive(Debug)]
pub struct SavedLayer<'s> {
    /// Block input `(n,D)`.
    pub h: &'s mut [f32],
    /// Inverse norm `(n,1)`.
    pub r1: &'s mut [f32],
    /// Turned queries and keys, and values `(n, (H+2K) d)`.
    pub qkv: &'s mut [f32],
    /// Weights of the cached keys.
    pub cached: &'s mut [f32],
    /// Weights of the own keys.
    pub own: &'s mut [f32],
    /// After attention `(n,D)`.
    pub h1: &'s mut [f32],
    /// Inverse norm `(n,1)`.
    pub r2: &'s mut [f32],
    up: &'s mut [f32],
    expert_up: &'s mut [f32],
    expert_out: &'s mut [f32],
    gate: &'s mut [f32],
    chosen: &'s mut [f32],
}

impl SavedLayer<'_> {
    /// What the feed-forward layer keeps.
    pub fn feed_forward(&mut self) -> feed_forward::Saved<'_> {
        feed_forward::Saved {
            up: self.up,
            expert_up: self.expert_up,
            expert_out: self.expert_out,
            gate: self.gate,
            chosen: self.chosen,
        }
    }
}

/// Part `index` of `count` equal parts.
fn piece(array: &mut [f32], index: usize, count: usize) -> &mut [f32] {
    let size = array.len().checked_div(count).unwrap_or(0);
    row_mut(array, index, size)
}

impl<'a> Saved<'a> {
    /// Room for `rows` rows (values and tangents counted apart) in `layers` blocks.
    pub fn carve(carver: &mut Carver<'a>, sizes: &Sizes, rows: usize, layers: usize) -> Result<Self, Error> {
        let wide = rows.saturating_mul(layers);
        let slots = wide.saturating_mul(sizes.chosen);
        Ok(Self {
            h: carver.matrix(wide, sizes.dim)?,
            r1: carver.floats(wide)?,
            qkv: carver.matrix(wide, sizes.columns())?,
            cached: carver.matrix(wide, sizes.heads().saturating_mul(sizes.slots))?,
            own: carver.matrix(wide, sizes.heads())?,
            h1: carver.matrix(wide, sizes.dim)?,
            r2: carver.floats(wide)?,
            up: carver.matrix(wide, sizes.common.saturating_mul(2))?,
            expert_up: carver.matrix(slots, sizes.expert.saturating_mul(2))?,
            expert_out: carver.matrix(slots, sizes.dim)?,
            gate: carver.matrix(wide, sizes.experts)?,
            chosen: carver.matrix(wide, sizes.experts)?,
            last: carver.matrix(rows, sizes.dim)?,
            last_r: carver.floats(rows)?,
            layers,
        })
    }

    /// The arrays of block `layer`.
    pub fn layer(&mut self, layer: usize) -> SavedLayer<'_> {
        let count = self.layers;
        SavedLayer {
            h: piece(self.h, layer, count),
            r1: piece(self.r1, layer, count),
            qkv: piece(self.qkv, layer, count),
            cached: piece(self.cached, layer, count),
            own: piece(self.own, layer, count),
            h1: piece(self.h1, layer, count),
            r2: piece(self.r2, layer, count),
            up: piece(self.up, layer, count),
            expert_up: piece(self.expert_up, layer, count),
            expert_out: piece(self.expert_out, layer, count),
            gate: piece(self.gate, layer, count),
            chosen: piece(self.chosen, layer, count),
        }
    }
}

/// Scratch of attention.
#[derive(Debug)]
pub struct AttentionWork<'a> {
    a: &'a mut [f32],
    b: &'a mut [f32],
    scores: &'a mut [f32],
}

impl AttentionWork<'_> {
    /// The same, lent.
    pub fn scratch(&mut self) -> attention::Scratch<'_> {
        attention::Scratch { a: self.a, b: self.b, scores: self.scores }
    }
}

/// Scratch of a feed-forward layer.
#[derive(Debug)]
pub struct FeedForwardWork<'a> {
    hidden: &'a mut [f32],
    up: &'a mut [f32],
    xs: &'a mut [f32],
    dxs: &'a mut [f32],
    gates: &'a mut [f32],
}

impl FeedForwardWork<'_> {
    /// The same, lent.
    pub fn buffers(&mut self) -> feed_forward::Buffers<'_> {
        feed_forward::Buffers { hidden: self.hidden, up: self.up, xs: self.xs, dxs: self.dxs, gates: self.gates }
    }
}

/// Scratch that all passes share.
#[derive(Debug)]
pub struct Work<'a> {
    /// The stream `(n,D)`; on the way back its gradient.
    pub h: &'a mut [f32],
    /// `(n,D)`.
    pub x: &'a mut [f32],
    /// `(n,D)`.
    pub y: &'a mut [f32],
    /// `(n,1)`.
    pub inverse: &'a mut [f32],
    /// `(n, H d)`.
    pub attended: &'a mut [f32],
    /// `(n, (H+2K) d)`.
    pub dqkv: &'a mut [f32],
    /// Cosines and sines of every row `(n, d)`.
    pub turns: &'a mut [f32],
    /// Rotary frequencies `(d)`.
    pub frequencies: &'a mut [f32],
    /// Attention.
    pub attention: AttentionWork<'a>,
    /// Feed-forward.
    pub feed_forward: FeedForwardWork<'a>,
}

impl<'a> Work<'a> {
    /// Room for the rows that are computed together.
    pub fn carve(carver: &mut Carver<'a>, sizes: &Sizes, theta: f64) -> Result<Self, Error> {
        let rows = sizes.most_rows();
        let stacked = rows.saturating_mul(sizes.group);
        let work = Self {
            h: carver.matrix(rows, sizes.dim)?,
            x: carver.matrix(rows, sizes.dim)?,
            y: carver.matrix(rows, sizes.dim)?,
            inverse: carver.floats(rows)?,
            attended: carver.matrix(rows, sizes.queries())?,
            dqkv: carver.matrix(rows, sizes.columns())?,
            turns: carver.matrix(rows, sizes.head_width)?,
            frequencies: carver.floats(sizes.head_width)?,
            attention: AttentionWork {
                a: carver.matrix(stacked, sizes.head_width)?,
                b: carver.matrix(stacked, sizes.head_width)?,
                scores: carver.matrix(stacked, sizes.slots)?,
            },
            feed_forward: FeedForwardWork {
                hidden: carver.matrix(rows, sizes.hidden)?,
                up: carver.matrix(rows, sizes.hidden.saturating_mul(2))?,
                xs: carver.matrix(rows, sizes.dim)?,
                dxs: carver.matrix(rows, sizes.dim)?,
                gates: carver.matrix(rows, sizes.experts)?,
            },
        };
        rotary::frequencies(theta, sizes.head_width, work.frequencies);
        Ok(work)
    }
}
