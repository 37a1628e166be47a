//! AdaLN condition vectors (DiT, arXiv 2212.09748): `c = silu(TimeEmb[s])`, `(b1, g1, a1, b2, g2, a2) = W_ada c + b_ada`.
//!
//! The condition depends on the landscape alone, so gain and scale fold into one vector `w = gain (1 + g)` for all rows.

use alloc::vec::Vec;

use super::Model;
use crate::compute::{Backend, Modulated, Modulation, Scope};
use crate::parameters::{BlockIds, ModulationIds};

/// Vectors of one block, each (1,D); absent shift and gate mean 0 and 1.
#[derive(Clone, Debug)]
pub struct BlockCondition<L> {
    /// `gain1 (1 + g1)`.
    pub w1: L,
    /// Shift of the attention norm.
    pub b1: Option<L>,
    /// Gate of attention.
    pub a1: Option<L>,
    /// `gain2 (1 + g2)`.
    pub w2: L,
    /// Shift of the feed-forward norm.
    pub b2: Option<L>,
    /// Gate of the feed-forward.
    pub a2: Option<L>,
}

/// Vectors of all blocks and of the final norm. The same type holds their gradients.
#[derive(Clone, Debug)]
pub struct Condition<L> {
    /// One entry for each block.
    pub blocks: Vec<BlockCondition<L>>,
    /// `gain (1 + g)` of the final norm `(1,D)`.
    pub w: L,
    /// Shift of the final norm `(1,D)`.
    pub b: Option<L>,
}

impl<L: Clone> Condition<L> {
    /// The condition with every vector mapped; absent ones stay absent.
    pub fn map(&self, mut f: impl FnMut(&L) -> L) -> Self {
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for k in &self.blocks {
            blocks.push(BlockCondition {
                w1: f(&k.w1),
                b1: k.b1.as_ref().map(&mut f),
                a1: k.a1.as_ref().map(&mut f),
                w2: f(&k.w2),
                b2: k.b2.as_ref().map(&mut f),
                a2: k.a2.as_ref().map(&mut f),
            });
        }
        Self { blocks, w: f(&self.w), b: self.b.as_ref().map(&mut f) }
    }
}

/// Plain gains: the unconditioned observed stream, and the baseline.
pub fn unconditioned<B: Backend>(model: Model<'_, B::Array>) -> Condition<B::Array> {
    let get = |id: usize| model.weights[id].clone();
    let blocks = model.layout.blocks.iter().map(|k| BlockCondition {
        w1: get(k.attention_norm),
        b1: None,
        a1: None,
        w2: get(k.ffn_norm),
        b2: None,
        a2: None,
    });
    Condition { blocks: blocks.collect(), w: get(model.layout.norm), b: None }
}

/// Gradient of [`unconditioned`]: the vectors are the gains, so `d (1,D)` is added to the gradients of the gains.
pub fn unconditioned_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    d: &Condition<B::Array>,
    grads: &mut [B::Array],
) {
    for (ids, d) in model.layout.blocks.iter().zip(&d.blocks) {
        b.accumulate(&mut grads[ids.attention_norm], &d.w1);
        b.accumulate(&mut grads[ids.ffn_norm], &d.w2);
    }
    b.accumulate(&mut grads[model.layout.norm], &d.w);
}

/// What the backward pass needs beside the condition itself.
#[derive(Clone, Debug)]
pub struct ConditionSaved<T> {
    /// Step embedding `(1,D)`, and its silu `(1,D)`.
    z: T,
    c: T,
    /// Modulations of the blocks, and of the final norm.
    blocks: Vec<Modulated<T>>,
    last: Modulated<T>,
}

/// The product `z sigmoid(z)` of each element, in the shape of `z`.
fn silu<B: Backend>(b: &B, z: &B::Array) -> B::Array {
    b.mul(z, &b.sigmoid(z))
}

/// The modulation of a block: `b1, g1, a1, b2, g2, a2`.
fn of_block(block: &BlockIds) -> Option<(ModulationIds, [(usize, usize); 2])> {
    Some((block.modulation?, [(1, block.attention_norm), (4, block.ffn_norm)]))
}

fn map(ids: ModulationIds, gains: &[(usize, usize)]) -> Modulation<'_> {
    Modulation { weight: ids.weight, bias: ids.bias, gains }
}

/// Condition vectors with what their backward pass needs.
pub type Conditioned<T> = (Condition<T>, ConditionSaved<T>);

/// Condition vectors `(1,D)` of landscape `s`; `None` if the model has no AdaLN.
pub fn conditioned<B: Backend>(b: &B, model: Model<'_, B::Array>, s: usize) -> Option<Conditioned<B::Array>> {
    let ids = model.layout.energy?.condition?;
    let left = b.enter(Scope::Condition);
    let z = b.slice_rows(&model.weights[ids.time], s, 1);
    let c = silu(b, &z);
    let (mut blocks, mut saved) = (Vec::new(), Vec::new());
    for block in &model.layout.blocks {
        let (ids, gains) = of_block(block)?;
        let m = b.modulation(model.weights, map(ids, &gains), &c);
        let part = |i: usize| m.parts[i].clone();
        blocks.push(BlockCondition {
            w1: m.scaled[0].clone(),
            b1: Some(part(0)),
            a1: Some(part(2)),
            w2: m.scaled[1].clone(),
            b2: Some(part(3)),
            a2: Some(part(5)),
        });
        saved.push(m);
    }
    let last = b.modulation(model.weights, map(ids.modulation, &[(1, model.layout.norm)]), &c);
    let condition = Condition { blocks, w: last.scaled[0].clone(), b: Some(last.parts[0].clone()) };
    b.enter(left);
    Some((condition, ConditionSaved { z, c, blocks: saved, last }))
}

/// Gradient of [`conditioned`] for landscape `s`: `d` holds the gradient `(1,D)` of every vector; those of the weights
/// are added to `grads` (layout order).
pub fn conditioned_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    s: usize,
    saved: &ConditionSaved<B::Array>,
    d: &Condition<B::Array>,
    grads: &mut [B::Array],
) {
    let Some(ids) = model.layout.energy.and_then(|energy| energy.condition) else { return };
    let left = b.enter(Scope::Condition);
    let dim = model.config.dim;
    let mut dc = b.fill(1, dim, 0.0);
    for ((block, at), d) in model.layout.blocks.iter().zip(&saved.blocks).zip(&d.blocks) {
        let Some((of_block, gains)) = of_block(block) else { continue };
        let parts = [d.b1.as_ref(), Some(&d.w1), d.a1.as_ref(), d.b2.as_ref(), Some(&d.w2), d.a2.as_ref()];
        b.modulation_backward(model.weights, map(of_block, &gains), (&saved.c, at), &parts, grads, &mut dc);
    }
    let parts = [d.b.as_ref(), Some(&d.w)];
    let gains = [(1, model.layout.norm)];
    b.modulation_backward(model.weights, map(ids.modulation, &gains), (&saved.c, &saved.last), &parts, grads, &mut dc);
    // c = z sigmoid(z): dz = dc (q + z q (1 - q))
    let q = b.sigmoid(&saved.z);
    let slope = b.add(&q, &b.mul(&b.mul(&saved.z, &q), &b.offset(&b.scale(&q, -1.0), 1.0)));
    let dz = b.mul(&dc, &slope);
    b.accumulate_product(&mut grads[ids.time], s, &b.fill(1, 1, 1.0), &dz);
    b.enter(left);
}
