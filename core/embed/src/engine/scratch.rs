//! Buffers of a pass: what the backward pass needs of every block, and scratch.

use super::arena::Arena;
use super::error::Error;
use super::layer::{attention, buffers, rotary};
use super::sizes::Sizes;
use super::slices::row_mut;

/// Activations of all blocks. Arrays of one block lie together; arrays have room for as many rows as are computed together
/// and hold fewer, from the front on.
#[derive(Debug)]
pub struct Activations<'a> {
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
pub struct LayerActivations<'s> {
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

impl LayerActivations<'_> {
    /// What the feed-forward layer keeps.
    pub fn feed_forward(&mut self) -> buffers::Saved<'_> {
        buffers::Saved {
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

impl<'a> Activations<'a> {
    /// Room for `rows` rows (values and tangents counted apart) in `layers` blocks.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes, rows: usize, layers: usize) -> Result<Self, Error> {
        let wide = rows.saturating_mul(layers);
        let slots = wide.saturating_mul(sizes.chosen);
        Ok(Self {
            h: arena.matrix(wide, sizes.dim)?,
            r1: arena.floats(wide)?,
            qkv: arena.matrix(wide, sizes.columns())?,
            cached: arena.matrix(wide, sizes.heads().saturating_mul(sizes.slots))?,
            own: arena.matrix(wide, if sizes.slots > 0 { sizes.heads() } else { 0 })?,
            h1: arena.matrix(wide, sizes.dim)?,
            r2: arena.floats(wide)?,
            up: arena.matrix(wide, sizes.common.saturating_mul(2))?,
            expert_up: arena.matrix(slots, sizes.expert.saturating_mul(2))?,
            expert_out: arena.matrix(slots, sizes.dim)?,
            gate: arena.matrix(wide, sizes.experts)?,
            chosen: arena.matrix(wide, sizes.experts)?,
            last: arena.matrix(rows, sizes.dim)?,
            last_r: arena.floats(rows)?,
            layers,
        })
    }

    /// The arrays of block `layer`; where there is room for one block, all use it.
    pub fn layer(&mut self, layer: usize) -> LayerActivations<'_> {
        let count = self.layers;
        let layer = if count == 1 { 0 } else { layer };
        LayerActivations {
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

/// Scratch of attention to a cache.
#[derive(Debug)]
pub struct AttentionScratch<'a> {
    a: &'a mut [f32],
    b: &'a mut [f32],
    scores: &'a mut [f32],
}

impl<'a> AttentionScratch<'a> {
    /// Room for the rows that are computed together.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes) -> Result<Self, Error> {
        let stacked = sizes.most_rows().saturating_mul(sizes.group);
        Ok(Self {
            a: arena.matrix(stacked, sizes.head_width)?,
            b: arena.matrix(stacked, sizes.head_width)?,
            scores: arena.matrix(stacked, sizes.slots)?,
        })
    }

    /// Borrows the buffers for one call.
    pub fn scratch(&mut self) -> attention::Scratch<'_> {
        attention::Scratch { a: self.a, b: self.b, scores: self.scores }
    }
}

/// Scratch of a feed-forward layer.
#[derive(Debug)]
pub struct FeedForwardScratch<'a> {
    hidden: &'a mut [f32],
    up: &'a mut [f32],
    xs: &'a mut [f32],
    dxs: &'a mut [f32],
    gates: &'a mut [f32],
}

impl FeedForwardScratch<'_> {
    /// Borrows the buffers for one call.
    pub fn buffers(&mut self) -> buffers::Buffers<'_> {
        buffers::Buffers { hidden: self.hidden, up: self.up, xs: self.xs, dxs: self.dxs, gates: self.gates }
    }
}

/// Scratch that all passes share.
#[derive(Debug)]
pub struct Scratch<'a> {
    /// The stream `(n,D)`; on the way back its gradient.
    pub h: &'a mut [f32],
    /// Input of a layer after its norm, or output of attention, `(n,D)`; on the way back a gradient.
    pub x: &'a mut [f32],
    /// Output of the feed-forward `(n,D)`; on the way back the gradient of its input.
    pub y: &'a mut [f32],
    /// Inverse norms `(n,1)` of norms that have no backward pass.
    pub inverse: &'a mut [f32],
    /// Mixed values of all query heads `(n, H d)`; on the way back their gradient.
    pub attended: &'a mut [f32],
    /// Gradient of `[q | k | v] (n, (H+2K) d)`; in the last observed block, its keys and values.
    pub dqkv: &'a mut [f32],
    /// Cosines and sines of every row `(n, d)`; empty where positions are not rotary, as are the frequencies.
    pub turns: &'a mut [f32],
    /// Rotary frequencies `(d)`.
    pub frequencies: &'a mut [f32],
    /// Hidden values and gathered rows of one SwiGLU at a time, and gradients of the gates.
    pub feed_forward: FeedForwardScratch<'a>,
}

impl<'a> Scratch<'a> {
    /// Room for the rows that are computed together.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes, theta: f64) -> Result<Self, Error> {
        let rows = sizes.most_rows();
        let work = Self {
            h: arena.matrix(rows, sizes.dim)?,
            x: arena.matrix(rows, sizes.dim)?,
            y: arena.matrix(rows, sizes.dim)?,
            inverse: arena.floats(rows)?,
            attended: arena.matrix(rows, sizes.queries())?,
            dqkv: arena.matrix(rows, sizes.columns())?,
            turns: arena.matrix(rows, sizes.turned)?,
            frequencies: arena.floats(sizes.turned)?,
            feed_forward: FeedForwardScratch {
                hidden: arena.matrix(rows, sizes.hidden)?,
                up: arena.matrix(rows, sizes.hidden.saturating_mul(2))?,
                xs: arena.matrix(rows, sizes.dim)?,
                dxs: arena.matrix(rows, sizes.dim)?,
                gates: arena.matrix(rows, sizes.experts)?,
            },
        };
        rotary::frequencies(theta, sizes.turned, work.frequencies);
        Ok(work)
    }
}
