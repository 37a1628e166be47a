//! One transformer block on one stream:
//!
//! ```text
//! h1 = h  + a1 * Attention(rms(h;  gain1) (1 + g1) + b1)
//! h2 = h1 + a2 * FeedForward(rms(h1; gain2) (1 + g2) + b2)
//! ```
//!
//! The observed stream attends to itself; the predicted stream to the observed keys and values and to itself. Nothing
//! else differs, and the baseline transformer is the observed stream with all condition vectors absent.

use super::feed_forward::{self, FeedForwardSaved};
use super::weights::{Block, FeedForward, Weight};
use super::{Geometry, linear, mixture};
use crate::compute::{Attended, Candidate, Compute};
use crate::config::Config;

/// Which stream runs, with what it attends to.
#[derive(Debug)]
pub enum Stream<'a, L> {
    /// Observed tokens, at positions 0...
    Observed,
    /// Predictions, at positions 1..., over the observed keys and values `(n, 2 K d)`.
    Predicted(&'a L),
}

impl<L> Clone for Stream<'_, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L> Copy for Stream<'_, L> {}

/// Vectors of one block, each (1,D); absent shift and gate mean 0 and 1.
#[derive(Clone, Copy, Debug)]
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

impl<L> BlockCondition<L> {
    /// Every vector mapped; absent ones stay absent.
    pub fn map<U>(&self, mut f: impl FnMut(&L) -> U) -> BlockCondition<U> {
        BlockCondition {
            w1: f(&self.w1),
            b1: self.b1.as_ref().map(&mut f),
            a1: self.a1.as_ref().map(&mut f),
            w2: f(&self.w2),
            b2: self.b2.as_ref().map(&mut f),
            a2: self.a2.as_ref().map(&mut f),
        }
    }
}

/// Everything a block's passes share.
#[derive(Debug)]
pub struct BlockContext<'a, L, I> {
    /// Sizes and semantics.
    pub config: &'a Config,
    /// Its weights.
    pub weights: Block<Weight<'a, L>>,
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
    /// Input `(n,D)`.
    h: T,
    /// Inverse root mean square of `h (n,1)`, and `h` normed `(n,D)`.
    r1: T,
    n1: T,
    /// Rotated queries and keys, and values `(n, (H+2K) d)`.
    pub qkv: T,
    attended: Attended<T>,
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
    let (config, w, k) = (x.config, x.weights, x.condition);
    let (n1, r1) = c.norm(h, &k.w1, k.b1.as_ref(), config.eps);
    let qkv = linear::forward(c, w.qkv, &n1);
    let qkv = c.rotary(&qkv, &rotary(x), false);
    let attended = match x.stream {
        Stream::Observed => c.causal_attention(&qkv, x.geometry.starts, x.geometry.shape),
        Stream::Predicted(memory) => c.candidate_attention(candidate(x, &qkv, memory)),
    };
    let o = linear::forward(c, w.wo, &attended.out);
    let h1 = c.gate_residual(h, k.a1.as_ref(), &o);
    let (n2, r2) = c.norm(&h1, &k.w2, k.b2.as_ref(), config.eps);
    let (f, feed_forward) = feed_forward::forward(c, w.feed_forward, config.mixture(x.layer), &n2);
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
    let (w, k) = (x.weights, x.condition);
    // h2 = h1 + a2 f
    if let Some(BlockSink { condition: BlockCondition { a2: Some(da2), .. }, .. }) = &mut sink {
        c.collect_dot(da2, dh2, &saved.f);
    }
    let df = gated(c, dh2, k.a2.as_ref());
    let (grads, balance) = match &mut sink {
        Some(s) => (Some(&mut *s.grads), s.balance),
        None => (None, None),
    };
    let moe = x.config.mixture(x.layer);
    let dn2 = feed_forward::backward(c, w.feed_forward, moe, &saved.n2, &saved.feed_forward, &df, balance, grads);
    // n2 = norm(h1)
    if let Some(s) = &mut sink {
        c.collect_norm(&mut s.condition.w2, s.condition.b2.as_mut(), &saved.h1, &saved.r2, &dn2);
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
    let (w, k, geometry) = (x.weights, x.condition, x.geometry);
    // h1 = h + a1 o, o = out Wo^T
    if let Some(BlockSink { condition: BlockCondition { a1: Some(da1), .. }, .. }) = &mut sink {
        c.collect_dot(da1, dh1, &saved.o);
    }
    let do_ = gated(c, dh1, k.a1.as_ref());
    let grads = sink.as_mut().map(|s| &mut *s.grads);
    let dout = linear::backward(c, w.wo, &saved.attended.out, &do_, grads);
    let mut dqkv = match x.stream {
        Stream::Observed => {
            c.causal_attention_backward(&saved.qkv, geometry.starts, geometry.shape, &saved.attended, &dout)
        }
        Stream::Predicted(memory) => {
            let collected = sink.as_mut().and_then(|s| s.memory.as_deref_mut());
            c.candidate_attention_backward(candidate(x, &saved.qkv, memory), &saved.attended, &dout, collected)
        }
    };
    let keys = match x.stream {
        Stream::Observed => geometry.shape.causal_slots(),
        Stream::Predicted(_) => 1 + geometry.shape.candidate_slots(),
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
    let dqkv = c.rotary(&dqkv, &rotary(x), true);
    let grads = sink.as_mut().map(|s| &mut *s.grads);
    let dn1 = linear::backward(c, w.qkv, &saved.n1, &dqkv, grads);
    // n1 = norm(h)
    if let Some(s) = &mut sink {
        c.collect_norm(&mut s.condition.w1, s.condition.b1.as_mut(), &saved.h, &saved.r1, &dn1);
    }
    c.add(dh1, &c.norm_backward(&saved.h, &k.w1, &saved.r1, &dn1))
}

fn rotary<L, I>(x: &BlockContext<'_, L, I>) -> crate::compute::Rotary {
    let offset = usize::from(matches!(x.stream, Stream::Predicted(_)));
    let shape = &x.geometry.shape;
    x.geometry.rotary(x.config, shape.heads + shape.kv_heads, offset)
}

fn candidate<'a, T, L, I>(x: &BlockContext<'a, L, I>, qkv: &'a T, memory: &'a L) -> Candidate<'a, T, L, I> {
    Candidate { qkv, memory, starts: x.geometry.starts, shape: x.geometry.shape }
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
    Memory {
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
            Self::Memory { .. } => None,
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
    let config = x.config;
    let balanced = config.mixture(x.layer).is_some_and(|m| m.aux_coeff > 0.0 || m.bias_rate > 0.0);
    if balanced && matches!(x.weights.feed_forward, FeedForward::Mixture(_)) {
        return LastSaved::Gates(forward(c, x, h).1);
    }
    memory_forward(c, x, h)
}

/// The last observed block, from its input `h (n,D)`, where nothing reads its gates: keys and values only.
pub fn memory_forward<C: Compute>(
    c: &C,
    x: &BlockContext<'_, C::Leaf, C::Index>,
    h: &C::Tensor,
) -> LastSaved<C::Tensor, C::Index> {
    let shape = &x.geometry.shape;
    let k = x.condition;
    let (n1, r1) = c.norm(h, &k.w1, k.b1.as_ref(), x.config.eps);
    let kv = linear::rows_forward(c, key_value_rows(x), &n1);
    let memory = c.rotary(&kv, &x.geometry.rotary(x.config, shape.kv_heads, 0), false);
    LastSaved::Memory { h: h.clone(), r1, n1, memory }
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
        LastSaved::Memory { h, r1, n1, .. } => {
            let dkv = c.rotary(dmemory, &x.geometry.rotary(x.config, shape.kv_heads, 0), true);
            let dn1 = linear::rows_backward(c, key_value_rows(x), n1, &dkv, sink.grads);
            c.collect_norm(&mut sink.condition.w1, sink.condition.b1.as_mut(), h, r1, &dn1);
            c.norm_backward(h, &x.condition.w1, r1, &dn1)
        }
    }
}

/// The rows `[wk; wv]` of the stacked projection: the weight, first row and `2 K d` rows.
fn key_value_rows<'a, L, I>(x: &BlockContext<'a, L, I>) -> (Weight<'a, L>, usize, usize) {
    let shape = &x.geometry.shape;
    (x.weights.qkv, shape.query_columns(), 2 * shape.key_columns())
}
