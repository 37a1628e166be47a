//! AdaLN condition vectors (DiT, arXiv 2212.09748): `c = silu(TimeEmb[s])`, `(b1, g1, a1, b2, g2, a2) = W_ada c + b_ada`.
//!
//! The condition depends on the landscape alone, so gain and scale fold into one vector `w = gain (1 + g)` for all rows.

use alloc::vec::Vec;

use super::Model;
use crate::compute::{Backend, Scope};
use crate::parameters::ModulationIds;

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
    /// One entry a block.
    pub blocks: Vec<BlockCondition<L>>,
    /// `gain (1 + g)` of the final norm.
    pub w: L,
    /// Shift of the final norm.
    pub b: Option<L>,
}

impl<L: Clone> Condition<L> {
    /// The condition with every vector mapped; absent ones stay absent.
    pub fn map(&self, f: impl Fn(&L) -> L) -> Self {
        let o = |x: &Option<L>| x.as_ref().map(&f);
        let blocks = self.blocks.iter().map(|k| BlockCondition {
            w1: f(&k.w1),
            b1: o(&k.b1),
            a1: o(&k.a1),
            w2: f(&k.w2),
            b2: o(&k.b2),
            a2: o(&k.a2),
        });
        Self { blocks: blocks.collect(), w: f(&self.w), b: o(&self.b) }
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

/// Gradient of [`unconditioned`]: the vectors are the gains.
pub fn unconditioned_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    d: &Condition<B::Array>,
    grads: &mut [B::Array],
) {
    for (ids, d) in model.layout.blocks.iter().zip(&d.blocks) {
        b.collect(&mut grads[ids.attention_norm], &d.w1);
        b.collect(&mut grads[ids.ffn_norm], &d.w2);
    }
    b.collect(&mut grads[model.layout.norm], &d.w);
}

/// What the backward pass needs beside the condition itself.
#[derive(Clone, Debug)]
pub struct ConditionSaved<T> {
    z: T,
    c: T,
    scales: Vec<(T, T)>,
    scale: T,
}

/// `x sigmoid(x)`.
fn silu<B: Backend>(b: &B, z: &B::Array) -> B::Array {
    b.mul(z, &b.sigmoid(z))
}

fn project<B: Backend>(b: &B, model: Model<'_, B::Array>, ids: ModulationIds, c: &B::Array) -> B::Array {
    b.add(&b.linear(c, &model.weights[ids.weight]), &model.weights[ids.bias])
}

/// Condition vectors with what their backward pass needs.
pub type Conditioned<T> = (Condition<T>, ConditionSaved<T>);

/// Condition vectors of landscape `s`; `None` if the model has no AdaLN.
pub fn conditioned<B: Backend>(b: &B, model: Model<'_, B::Array>, s: usize) -> Option<Conditioned<B::Array>> {
    let energy = model.layout.energy?;
    let left = b.enter(Scope::Condition);
    let d = model.config.dim;
    let z = b.slice_rows(&model.weights[energy.time], s, 1);
    let c = silu(b, &z);
    let scaled = |gain: usize, g: &B::Array| b.mul(&model.weights[gain], &b.offset(g, 1.0));
    let (mut blocks, mut scales) = (Vec::new(), Vec::new());
    for ids in &model.layout.blocks {
        let m = project(b, model, ids.modulation?, &c);
        let part = |i: usize| b.slice_columns(&m, i * d, d);
        let (g1, g2) = (part(1), part(4));
        blocks.push(BlockCondition {
            w1: scaled(ids.attention_norm, &g1),
            b1: Some(part(0)),
            a1: Some(part(2)),
            w2: scaled(ids.ffn_norm, &g2),
            b2: Some(part(3)),
            a2: Some(part(5)),
        });
        scales.push((g1, g2));
    }
    let m = project(b, model, energy.modulation, &c);
    let scale = b.slice_columns(&m, d, d);
    let condition = Condition { blocks, w: scaled(model.layout.norm, &scale), b: Some(b.slice_columns(&m, 0, d)) };
    b.enter(left);
    Some((condition, ConditionSaved { z, c, scales, scale }))
}

/// Gradient of [`conditioned`] for landscape `s`: `d` holds the gradient of every vector.
pub fn conditioned_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    s: usize,
    saved: &ConditionSaved<B::Array>,
    d: &Condition<B::Array>,
    grads: &mut [B::Array],
) {
    let Some(energy) = model.layout.energy else { return };
    let left = b.enter(Scope::Condition);
    let dim = model.config.dim;
    let mut dc = b.fill(1, dim, 0.0);
    // w = gain (1 + g): dg = dw gain, dgain = dw (1 + g)
    let split = |gain: usize, g: &B::Array, dw: &B::Array, grads: &mut [B::Array]| {
        b.collect(&mut grads[gain], &b.mul(dw, &b.offset(g, 1.0)));
        b.mul(dw, &model.weights[gain])
    };
    // m = W c + bias from the parts of dm: dW += dm^T c, dbias += dm, dc += dm W
    let mut spread = |ids: ModulationIds, parts: &[Option<&B::Array>], grads: &mut [B::Array]| {
        let mut dm = b.fill(1, parts.len() * dim, 0.0);
        for (i, part) in parts.iter().enumerate() {
            if let Some(part) = part {
                dm = b.add(&dm, &b.pad_columns(part, i * dim, parts.len() * dim));
            }
        }
        b.collect_product(&mut grads[ids.weight], 0, &dm, &saved.c);
        b.collect(&mut grads[ids.bias], &dm);
        b.collect(&mut dc, &b.linear_adjoint(&dm, &model.weights[ids.weight]));
    };
    for ((ids, (g1, g2)), d) in model.layout.blocks.iter().zip(&saved.scales).zip(&d.blocks) {
        let Some(modulation) = ids.modulation else { continue };
        let dg1 = split(ids.attention_norm, g1, &d.w1, grads);
        let dg2 = split(ids.ffn_norm, g2, &d.w2, grads);
        let parts = [d.b1.as_ref(), Some(&dg1), d.a1.as_ref(), d.b2.as_ref(), Some(&dg2), d.a2.as_ref()];
        spread(modulation, &parts, grads);
    }
    let dg = split(model.layout.norm, &saved.scale, &d.w, grads);
    spread(energy.modulation, &[d.b.as_ref(), Some(&dg)], grads);
    // c = z sigmoid(z): dz = dc (q + z q (1 - q))
    let q = b.sigmoid(&saved.z);
    let slope = b.add(&q, &b.mul(&b.mul(&saved.z, &q), &b.offset(&b.scale(&q, -1.0), 1.0)));
    let dz = b.mul(&dc, &slope);
    b.collect_product(&mut grads[energy.time], s, &b.fill(1, 1, 1.0), &dz);
    b.enter(left);
}
