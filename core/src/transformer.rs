//! Baseline: a causal Transformer++ language model from the same blocks, without AdaLN, with a cross-entropy head.
//!
//! It is the observed stream alone: `logits_t = rms(h_t; gain) . W_out^T`, trained on the next token at every position.

use alloc::vec::Vec;

use crate::compute::{Backend, Scope};
use crate::descent::balance;
use crate::layer::block::{self, BlockContext, BlockSaved, BlockSink, Stream};
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

/// The blocks on `h (n,D)` without AdaLN, a norm, and the output matrix: logits `(n,V)`.
pub(crate) fn logits_of<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    stream: Stream<'_, B::Array>,
    mut h: B::Array,
) -> (B::Array, TransformerSaved<B::Array, B::Index>) {
    let condition = unconditioned::<B>(model);
    let mut blocks = Vec::new();
    for layer in 0..model.config.layers {
        let x = BlockContext { model, layer, condition: &condition.blocks[layer], geometry, stream };
        let (out, saved) = block::forward(b, &x, &h);
        blocks.push(saved);
        h = out;
    }
    let (n, r) = b.norm(&h, &condition.w, None, model.config.eps);
    let left = b.enter(Scope::Vocabulary);
    let logits = match model.layout.joint.and_then(|ids| ids.output) {
        Some([weight, bias]) => b.add(&linear::forward(b, model.weights, weight, &n), &model.weights[bias]),
        None => linear::forward(b, model.weights, model.layout.vocabulary, &n),
    };
    b.enter(left);
    (logits, TransformerSaved { condition, blocks, h, n, r })
}

/// Backward pass of [`logits_of`] from `dlogits (n,V)`, with the outer gradients on the gates `(n,E)` by block: the gradient on
/// the `h (n,D)` that entered.
pub(crate) fn logits_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    stream: Stream<'_, B::Array>,
    saved: &TransformerSaved<B::Array, B::Index>,
    dlogits: &B::Array,
    on_gates: &[Option<B::Array>],
    grads: &mut [B::Array],
) -> B::Array {
    let left = b.enter(Scope::Vocabulary);
    let weight = match model.layout.joint.and_then(|ids| ids.output) {
        Some([weight, bias]) => {
            b.accumulate(&mut grads[bias], &b.sum_rows(dlogits));
            weight
        }
        None => model.layout.vocabulary,
    };
    let dn = linear::backward(b, model.weights, weight, &saved.n, dlogits, Some(&mut *grads));
    b.enter(Scope::Observed);
    let mut d = saved.condition.map(|x| {
        let (rows, columns) = b.shape(x);
        b.fill(rows, columns, 0.0)
    });
    b.accumulate_norm(&mut d.w, None, &saved.h, &saved.r, &dn);
    let mut dh = b.norm_backward(&saved.h, &saved.condition.w, &saved.r, &dn);
    for (layer, activations) in saved.blocks.iter().enumerate().rev() {
        let condition = &saved.condition.blocks[layer];
        let x = BlockContext { model, layer, condition, geometry, stream };
        let balance = on_gates.get(layer).and_then(Option::as_ref);
        let sink = BlockSink { grads: &mut *grads, condition: &mut d.blocks[layer], memory: None, balance };
        dh = block::backward(b, &x, activations, &dh, None, Some(sink));
    }
    unconditioned_backward(b, model, &d, grads);
    b.enter(left);
    dh
}

/// The balance of the mixtures on a single stream.
pub(crate) struct StreamBalance<T> {
    /// Loss `(1,1)`, times `share`.
    pub(crate) loss: T,
    /// Outer gradients on the gates `(n,E)`, by block.
    pub(crate) on_gates: Vec<Option<T>>,
    /// Tokens per expert `(1,E)`, by block.
    pub(crate) load: Vec<Option<T>>,
}

/// The balance of a pass, `share` of the whole.
pub(crate) fn balance_of<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    saved: &TransformerSaved<B::Array, B::Index>,
    target: &Target<'_, B::Array, B::Index>,
    share: f64,
) -> StreamBalance<B::Array> {
    let mut all = StreamBalance { loss: b.fill(1, 1, 0.0), on_gates: Vec::new(), load: Vec::new() };
    for (layer, block) in saved.blocks.iter().enumerate() {
        let found = model.config.mixture(layer).zip(block.feed_forward.gate()).map(|(moe, gate)| {
            let one = balance::one_stream(b, moe, geometry, gate);
            all.loss = b.add(&all.loss, &b.scale(&one.loss, share));
            let rows = b.gather_rows(&target.scaled(b, b.scale(&one.gradient, share)), geometry.groups);
            (rows, one.load)
        });
        let (rows, load) = found.unzip();
        all.on_gates.push(rows);
        all.load.push(load);
    }
    all
}

/// Logits `(n,V)` of the next token at every position.
pub fn forward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    tokens: &B::Index,
) -> (B::Array, TransformerSaved<B::Array, B::Index>) {
    let left = b.enter(Scope::Observed);
    let h = b.gather_rows(&model.weights[model.layout.embedding], tokens);
    let out = logits_of(b, model, geometry, Stream::Observed, h);
    b.enter(left);
    out
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
    b.enter(Scope::Observed);
    let StreamBalance { loss: balance, on_gates, load } = balance_of(b, model, geometry, &saved, &target, target.share);
    let dh = logits_backward(b, model, geometry, Stream::Observed, &saved, &dlogits, &on_gates, grads);
    b.accumulate_scatter(&mut grads[model.layout.embedding], tokens, &dh);
    b.enter(left);
    TransformerLoss { reconstruction: b.sum_rows(&loss), balance, load }
}
