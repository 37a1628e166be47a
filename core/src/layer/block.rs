//! One transformer block on one stream:
//!
//! ```text
//! h1 = h  + a1 * Attention(rms(h;  gain1) (1 + g1) + b1)
//! h2 = h1 + a2 * FeedForward(rms(h1; gain2) (1 + g2) + b2)
//! ```
//!
//! The observed stream attends to itself; the predicted stream to the observed keys and values and to itself; the one
//! stream of a joint model to all of its positions. Nothing else differs, and the baseline transformer is the observed
//! stream with all condition vectors absent.

use super::condition::BlockCondition;
use super::feed_forward::{self, FeedForwardSaved};
use super::{Geometry, Model, linear, mixture};
use crate::compute::{AttentionOutput, Compute, JointAttention, PredictedAttention, Relations};
use crate::config::{ModelKind, Positions, RelationKind};
use crate::parameters::{FeedForwardIds, ParameterId};

/// Which stream runs, with what it attends to.
#[derive(Debug)]
pub enum Stream<'a, L> {
    /// Observed tokens, at positions 0...
    Observed,
    /// Predictions, at positions 1..., over the observed keys and values `(n, 2 K d)`.
    Predicted(&'a L),
    /// All positions of a joint model, given and unknown.
    Joint,
}

impl<L> Clone for Stream<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Stream<'_, L> {}

/// Everything a block's passes share.
#[derive(Debug)]
pub struct BlockContext<'a, L, I> {
    /// The model whose block this is.
    pub model: Model<'a, L>,
    /// Number of the block, from 0.
    pub layer: usize,
    /// Its condition vectors, each `(1,D)`.
    pub condition: &'a BlockCondition<L>,
    /// Sequences of the `n` rows.
    pub geometry: Geometry<'a, I>,
    /// The stream that runs, with what it attends to.
    pub stream: Stream<'a, L>,
}

/// Where a block's gradients go.
#[derive(Debug)]
pub struct BlockSink<'a, L> {
    /// Weight gradients in layout order.
    pub grads: &'a mut [L],
    /// Gradients of the condition vectors, each `(1,D)`.
    pub condition: &'a mut BlockCondition<L>,
    /// Gradient of the observed keys and values `(n, 2 K d)`; absent on the observed stream.
    pub memory: Option<&'a mut L>,
    /// Outer gradient with respect to the gates `(n,E)`.
    pub balance: Option<&'a L>,
}

/// Activations of a block: what its backward pass reads.
#[derive(Clone, Debug)]
pub struct BlockSaved<T, I> {
    /// The hidden state `(n,D)` that entered the block.
    h: T,
    /// Inverse root mean square of `h (n,1)`, and `h` normed `(n,D)`.
    r1: T,
    n1: T,
    /// Rotated queries and keys, and values `(n, (H+2K) d)`.
    pub qkv: T,
    attended: AttentionOutput<T>,
    /// Output of attention `(n,D)`, before its gate.
    o: T,
    /// Hidden state between the halves `(n,D)`, its inverse root mean square `(n,1)`, and itself normed `(n,D)`.
    h1: T,
    r2: T,
    n2: T,
    /// Output of the feed-forward `(n,D)`, before its gate.
    f: T,
    /// Activations of the feed-forward.
    pub feed_forward: FeedForwardSaved<T, I>,
}

/// `h2 (n,D)` of `h (n,D)`, with what the backward pass needs.
pub fn forward<C: Compute>(
    c: &C,
    x: &BlockContext<'_, C::Leaf, C::Index>,
    h: &C::Tensor,
) -> (C::Tensor, BlockSaved<C::Tensor, C::Index>) {
    let (config, weights) = (x.model.config, x.model.weights);
    let ids = &x.model.layout.blocks[x.layer];
    let k = x.condition;
    let (n1, r1) = c.norm(h, &k.w1, k.b1.as_ref(), config.eps);
    let qkv = linear::forward(c, weights, ids.qkv, &n1);
    let qkv = turned(c, x, qkv, false);
    let attended = match x.stream {
        Stream::Observed => c.causal_attention(&qkv, x.geometry.starts, x.geometry.shape),
        Stream::Predicted(memory) => c.predicted_attention(predicted(x, &qkv, memory)),
        Stream::Joint => c.joint_attention(joint(x, &qkv)),
    };
    let o = linear::forward(c, weights, ids.wo, &attended.out);
    let h1 = c.gate_residual(h, k.a1.as_ref(), &o);
    let (n2, r2) = c.norm(&h1, &k.w2, k.b2.as_ref(), config.eps);
    let (f, feed_forward) = feed_forward::forward(c, weights, ids.feed_forward, config.mixture(x.layer), &n2);
    let h2 = c.gate_residual(&h1, k.a2.as_ref(), &f);
    (h2, BlockSaved { h: h.clone(), r1, n1, qkv, attended, o, h1, r2, n2, f, feed_forward })
}

/// `dh (n,D)` from `dh2 (n,D)`. On the observed stream `dmemory (n, 2 K d)` is the gradient that the predictions left on
/// its keys and values.
pub fn backward<C: Compute>(
    c: &C,
    x: &BlockContext<'_, C::Leaf, C::Index>,
    saved: &BlockSaved<C::Tensor, C::Index>,
    dh2: &C::Tensor,
    dmemory: Option<&C::Tensor>,
    mut sink: Option<BlockSink<'_, C::Leaf>>,
) -> C::Tensor {
    let weights = x.model.weights;
    let (ids, k) = (&x.model.layout.blocks[x.layer], x.condition);
    // h2 = h1 + a2 f
    if let Some(BlockSink { condition: BlockCondition { a2: Some(da2), .. }, .. }) = &mut sink {
        c.accumulate_dot(da2, dh2, &saved.f);
    }
    let df = gated(c, dh2, k.a2.as_ref());
    let (grads, balance) = match &mut sink {
        Some(s) => (Some(&mut *s.grads), s.balance),
        None => (None, None),
    };
    let moe = x.model.config.mixture(x.layer);
    let dn2 =
        feed_forward::backward(c, weights, ids.feed_forward, moe, &saved.n2, &saved.feed_forward, &df, balance, grads);
    // n2 = norm(h1)
    if let Some(s) = &mut sink {
        c.accumulate_norm(&mut s.condition.w2, s.condition.b2.as_mut(), &saved.h1, &saved.r2, &dn2);
    }
    let dh1 = c.add(dh2, &c.norm_backward(&saved.h1, &k.w2, &saved.r2, &dn2));
    attention_half_backward(c, x, saved, &dh1, dmemory, sink)
}

/// The part of [`backward`] from `dh1 (n,D)` down.
fn attention_half_backward<C: Compute>(
    c: &C,
    x: &BlockContext<'_, C::Leaf, C::Index>,
    saved: &BlockSaved<C::Tensor, C::Index>,
    dh1: &C::Tensor,
    dmemory: Option<&C::Tensor>,
    mut sink: Option<BlockSink<'_, C::Leaf>>,
) -> C::Tensor {
    let (weights, geometry) = (x.model.weights, x.geometry);
    let (ids, k) = (&x.model.layout.blocks[x.layer], x.condition);
    // h1 = h + a1 o, o = out Wo^T
    if let Some(BlockSink { condition: BlockCondition { a1: Some(da1), .. }, .. }) = &mut sink {
        c.accumulate_dot(da1, dh1, &saved.o);
    }
    let do_ = gated(c, dh1, k.a1.as_ref());
    let grads = sink.as_mut().map(|s| &mut *s.grads);
    let dout = linear::backward(c, weights, ids.wo, &saved.attended.out, &do_, grads);
    let mut dqkv = match x.stream {
        Stream::Observed => {
            c.causal_attention_backward(&saved.qkv, geometry.starts, geometry.shape, &saved.attended, &dout)
        }
        Stream::Predicted(memory) => {
            let collected = sink.as_mut().and_then(|s| s.memory.as_deref_mut());
            c.predicted_attention_backward(predicted(x, &saved.qkv, memory), &saved.attended, &dout, collected)
        }
        Stream::Joint => {
            // a lone key has weight 1 whatever is added to its score
            let learned = x.model.config.joint.relations == RelationKind::Bias && geometry.shape.joint_reach() > 0;
            let dbias = sink.as_mut().and_then(|s| ids.relations.filter(|_| learned).map(|id| &mut s.grads[id]));
            c.joint_attention_backward(joint(x, &saved.qkv), &saved.attended, &dout, dbias)
        }
    };
    let keys = match x.stream {
        Stream::Observed => geometry.shape.causal_slots(),
        Stream::Predicted(_) => 1 + geometry.shape.predicted_slots(),
        Stream::Joint => 2 * geometry.shape.joint_reach() + 1,
    };
    if keys == 1 {
        // a lone key has weight 1 whatever its score: only the value has a gradient, where kernels leave rounding
        let columns = geometry.shape.key_columns();
        let first = geometry.shape.query_columns() + columns;
        dqkv = c.pad_columns(&c.slice_columns(&dqkv, first, columns), first, first + columns);
    }
    if let Some(dmemory) = dmemory {
        let columns = geometry.shape.query_columns();
        let total = columns + 2 * geometry.shape.key_columns();
        dqkv = c.add(&dqkv, &c.pad_columns(dmemory, columns, total));
    }
    let dqkv = turned(c, x, dqkv, true);
    let grads = sink.as_mut().map(|s| &mut *s.grads);
    let dn1 = linear::backward(c, weights, ids.qkv, &saved.n1, &dqkv, grads);
    // n1 = norm(h)
    if let Some(s) = &mut sink {
        c.accumulate_norm(&mut s.condition.w1, s.condition.b1.as_mut(), &saved.h, &saved.r1, &dn1);
    }
    c.add(dh1, &c.norm_backward(&saved.h, &k.w1, &saved.r1, &dn1))
}

/// Queries and keys turned by their positions, or back, where positions are rotary.
fn turned<C: Compute>(c: &C, x: &BlockContext<'_, C::Leaf, C::Index>, qkv: C::Tensor, inverse: bool) -> C::Tensor {
    let (config, shape) = (x.model.config, &x.geometry.shape);
    if config.kind == ModelKind::Joint && config.joint.positions != Positions::Rotary {
        return qkv;
    }
    let offset = usize::from(matches!(x.stream, Stream::Predicted(_)));
    c.rotary(&qkv, &x.geometry.rotary(config, shape.heads + shape.kv_heads, offset), inverse)
}

fn joint<'a, T, L, I>(x: &BlockContext<'a, L, I>, qkv: &'a T) -> JointAttention<'a, T, L, I> {
    let bias = x.model.layout.blocks[x.layer].relations.map(|id| &x.model.weights[id]);
    let relations = bias.zip(x.geometry.classes).map(|(bias, classes)| Relations { bias, classes });
    JointAttention { qkv, relations, starts: x.geometry.starts, shape: x.geometry.shape }
}

fn predicted<'a, T, L, I>(x: &BlockContext<'a, L, I>, qkv: &'a T, memory: &'a L) -> PredictedAttention<'a, T, L, I> {
    PredictedAttention { qkv, memory, starts: x.geometry.starts, shape: x.geometry.shape }
}

/// `a * dh (n,D)`, or `dh` where the block has no gate.
fn gated<C: Compute>(c: &C, dh: &C::Tensor, gate: Option<&C::Leaf>) -> C::Tensor {
    match gate {
        Some(a) => c.modulate(dh, a),
        None => dh.clone(),
    }
}

/// What the last observed block computes: nothing reads its output, so keys and values are enough, and the gates where
/// a balance loss counts them.
#[derive(Clone, Debug)]
pub enum LastSaved<T, I> {
    /// Keys and values only.
    KeysAndValues {
        /// Block input `(n,D)`.
        h: T,
        /// Inverse root mean square of `h (n,1)`.
        r1: T,
        /// Normed input `(n,D)`.
        n1: T,
        /// Rotated keys and values `(n, 2 K d)`.
        memory: T,
    },
    /// The whole block up to its gates.
    Gates(BlockSaved<T, I>),
}

impl<T: Clone, I> LastSaved<T, I> {
    /// Gates and routing decision, where they were computed.
    pub fn gate(&self) -> Option<&mixture::GateSaved<T, I>> {
        match self {
            Self::KeysAndValues { .. } => None,
            Self::Gates(saved) => saved.feed_forward.gate(),
        }
    }
}

/// The last observed block, from its input `h (n,D)`.
pub fn last_forward<C: Compute>(
    c: &C,
    x: &BlockContext<'_, C::Leaf, C::Index>,
    h: &C::Tensor,
) -> LastSaved<C::Tensor, C::Index> {
    let config = x.model.config;
    let balanced = config.mixture(x.layer).is_some_and(|m| m.aux_coeff > 0.0 || m.bias_rate > 0.0);
    if balanced && matches!(x.model.layout.blocks[x.layer].feed_forward, FeedForwardIds::Mixture { .. }) {
        return LastSaved::Gates(forward(c, x, h).1);
    }
    let shape = &x.geometry.shape;
    let k = x.condition;
    let (n1, r1) = c.norm(h, &k.w1, k.b1.as_ref(), config.eps);
    let kv = linear::rows_forward(c, x.model.weights, key_value_rows(x), &n1);
    let memory = c.rotary(&kv, &x.geometry.rotary(config, shape.kv_heads, 0), false);
    LastSaved::KeysAndValues { h: h.clone(), r1, n1, memory }
}

/// `dh (n,D)` of [`last_forward`] from the gradient `dmemory (n, 2 K d)` on its keys and values.
pub fn last_backward<C: Compute>(
    c: &C,
    x: &BlockContext<'_, C::Leaf, C::Index>,
    saved: &LastSaved<C::Tensor, C::Index>,
    dmemory: &C::Tensor,
    sink: BlockSink<'_, C::Leaf>,
) -> C::Tensor {
    let shape = &x.geometry.shape;
    match saved {
        LastSaved::Gates(saved) => {
            let (n, d) = c.shape(&saved.h);
            backward(c, x, saved, &c.fill(n, d, 0.0), Some(dmemory), Some(sink))
        }
        LastSaved::KeysAndValues { h, r1, n1, .. } => {
            let dkv = c.rotary(dmemory, &x.geometry.rotary(x.model.config, shape.kv_heads, 0), true);
            let dn1 = linear::rows_backward(c, x.model.weights, key_value_rows(x), n1, &dkv, sink.grads);
            c.accumulate_norm(&mut sink.condition.w1, sink.condition.b1.as_mut(), h, r1, &dn1);
            c.norm_backward(h, &x.condition.w1, r1, &dn1)
        }
    }
}

/// The rows `[wk; wv]` of the stacked projection: its number, first row and `2 K d` rows.
fn key_value_rows<L, I>(x: &BlockContext<'_, L, I>) -> (ParameterId, usize, usize) {
    let shape = &x.geometry.shape;
    (x.model.layout.blocks[x.layer].qkv, shape.query_columns(), 2 * shape.key_columns())
}
