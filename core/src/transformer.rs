//! Baseline: a causal Transformer++ language model from the same blocks, without AdaLN, with a cross-entropy head.
//!
//! It is the observed stream alone: `logits_t = rms(h_t; gain) . W_out^T`, trained on the next token at every position.

use alloc::vec::Vec;

use crate::compute::{Backend, Scope};
use crate::descent::balance;
use crate::layer::block::{self, BlockSaved, BlockSink, Stream};
use crate::layer::condition::{Condition, unconditioned, unconditioned_backward};
use crate::layer::{Geometry, Model, linear};
use crate::objective::target::Target;

/// Activations of a forward pass.
#[derive(Clone, Debug)]
pub struct TransformerSaved<T, I> {
    condition: Condition<T>,
    blocks: Vec<BlockSaved<T, I>>,
    h: T,
    n: T,
    r: T,
}

/// Logits `(n,V)` of the next token at every position.
pub fn forward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    tokens: &B::Index,
) -> (B::Array, TransformerSaved<B::Array, B::Index>) {
    let left = b.enter(Scope::Observed);
    let condition = unconditioned::<B>(model);
    let mut h = b.gather_rows(&model.weights[model.layout.embedding], tokens);
    let mut blocks = Vec::new();
    for layer in 0..model.config.layers {
        let x = model.block(layer, &condition.blocks[layer], geometry, Stream::Observed);
        let (out, saved) = block::forward(b, &x, &h);
        blocks.push(saved);
        h = out;
    }
    let (n, r) = b.norm(&h, &condition.w, None, model.config.eps);
    b.enter(Scope::Vocabulary);
    let logits = linear::forward(b, model.weight(model.layout.vocabulary), &n);
    b.enter(left);
    (logits, TransformerSaved { condition, blocks, h, n, r })
}

/// Loss of one batch, its parts `(1,1)`.
#[derive(Clone, Debug)]
pub struct TransformerLoss<T> {
    /// Cross entropy `(1,1)`, times the outer loss scale.
    pub reconstruction: T,
    /// Balance loss of the mixtures `(1,1)`, without it.
    pub balance: T,
    /// Tokens per expert `(1,E)`, by block.
    pub load: Vec<Option<T>>,
}

/// Loss and gradient of one batch; gradients are added to `grads` (layout order).
pub fn gradient<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    tokens: &B::Index,
    target: Target<'_, B::Array, B::Index>,
    grads: &mut [B::Array],
) -> TransformerLoss<B::Array> {
    let (logits, saved) = forward(b, model, geometry, tokens);
    let left = b.enter(Scope::Vocabulary);
    let weight = b.mul(&b.fill(geometry.shape.rows(), 1, 1.0), target.weight);
    let (loss, dlogits) = b.cross_entropy(&logits, target.targets, &weight);
    drop(logits);
    let dn = linear::backward(b, model.weight(model.layout.vocabulary), &saved.n, &dlogits, Some(&mut *grads));
    drop(dlogits);
    b.enter(Scope::Observed);
    let mut out = TransformerLoss { reconstruction: b.sum_rows(&loss), balance: b.fill(1, 1, 0.0), load: Vec::new() };
    let mut on_gates = Vec::new();
    for (layer, block) in saved.blocks.iter().enumerate() {
        let found = model.config.mixture(layer).zip(block.feed_forward.gate()).map(|(moe, gate)| {
            let one = balance::one_stream(b, moe, geometry, gate);
            out.balance = b.add(&out.balance, &b.scale(&one.loss, target.share));
            let rows = b.gather_rows(&target.scaled(b, b.scale(&one.gradient, target.share)), geometry.groups);
            (rows, one.load)
        });
        let (rows, load) = found.unzip();
        on_gates.push(rows);
        out.load.push(load);
    }
    let mut d = saved.condition.map(|x| {
        let (rows, columns) = b.shape(x);
        b.fill(rows, columns, 0.0)
    });
    b.collect_norm(&mut d.w, None, &saved.h, &saved.r, &dn);
    let mut dh = b.norm_backward(&saved.h, &saved.condition.w, &saved.r, &dn);
    for (layer, activations) in saved.blocks.iter().enumerate().rev() {
        let condition = &saved.condition.blocks[layer];
        let x = model.block(layer, condition, geometry, Stream::Observed);
        let sink = BlockSink {
            grads: &mut *grads,
            condition: &mut d.blocks[layer],
            memory: None,
            balance: on_gates[layer].as_ref(),
        };
        dh = block::backward(b, &x, activations, &dh, None, Some(sink));
    }
    b.collect_scatter(&mut grads[model.layout.embedding], tokens, &dh);
    unconditioned_backward(b, model, &d, grads);
    b.enter(left);
    out
}
