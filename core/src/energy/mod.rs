//! The energy `E(x, P, s)`: observed stream, predicted stream, head, and their backward passes.
//!
//! The observed stream runs on the plain backend, once a landscape; only its keys and values are read by the
//! predictions. The predicted stream is generic: on a recording backend it is the inner gradient, on `Dual` the same
//! code is the Hessian-vector product and the mixed derivative. Products with the vocabulary matrix stay outside:
//! the energy here is a function of `p = P W_v (n,D)`.
//!
//! A joint energy has one stream: `p` with the flags and positions of [`joint`] added, all positions attending to each other.

mod checkpointed;
pub mod joint;

use alloc::vec;
use alloc::vec::Vec;

pub use checkpointed::{CheckpointedSaved, checkpointed_backward, checkpointed_forward};

use crate::compute::{Backend, Compute, Scope};
use crate::config::ModelKind;
use crate::layer::block::{self, BlockContext, BlockSaved, BlockSink, LastSaved, Stream};
use crate::layer::condition::Condition;
use crate::layer::mixture::GateSaved;
use crate::layer::{Geometry, Model, linear};
use crate::objective::Checkpointing;

/// What the energy reads beside the candidates, with what its backward pass needs: keys and values of the observed stream.
#[derive(Clone, Debug)]
pub struct Observed<T, I> {
    /// Rotated keys and values `(n, 2 K d)` of every block; of a joint model one matrix `(n,D)`, see [`joint`].
    pub memory: Vec<T>,
    blocks: Vec<Kept<T, I>>,
    last: Option<LastSaved<T, I>>,
}

/// What is kept of an observed block for its backward pass.
#[derive(Clone, Debug)]
enum Kept<T, I> {
    /// All its activations.
    Whole(BlockSaved<T, I>),
    /// Its input `(n,D)`: the block runs again for its backward pass. Gates stay for the balance loss.
    Input { h: T, gate: Option<GateSaved<T, I>> },
}

impl<T: Clone, I> Observed<T, I> {
    /// Gates and routing of block `layer`, where a balance loss needs them.
    pub fn gate(&self, layer: usize) -> Option<&GateSaved<T, I>> {
        match self.blocks.get(layer) {
            Some(Kept::Whole(saved)) => saved.feed_forward.gate(),
            Some(Kept::Input { gate, .. }) => gate.as_ref(),
            None => self.last.as_ref().and_then(LastSaved::gate),
        }
    }
}

/// Runs the observed stream on `tokens (n)` under condition vectors `(1,D)`, see [`Observed`].
pub fn observe<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    condition: &Condition<B::Array>,
    tokens: &B::Index,
    checkpointing: Checkpointing,
) -> Observed<B::Array, B::Index> {
    let left = b.enter(Scope::Observed);
    let layers = model.config.layers;
    let (q, k) = (geometry.shape.query_columns(), geometry.shape.key_columns());
    let mut h = b.gather_rows(&model.weights[model.layout.embedding], tokens);
    let mut observed = Observed { memory: Vec::new(), blocks: Vec::new(), last: None };
    let embedded = model.config.last_token.then(|| h.clone());
    for layer in 0..layers {
        let x = BlockContext { model, layer, condition: &condition.blocks[layer], geometry, stream: Stream::Observed };
        if layer + 1 == layers {
            let saved = block::last_forward(b, &x, &h);
            observed.memory.push(match &saved {
                LastSaved::KeysAndValues { memory, .. } => memory.clone(),
                LastSaved::Gates(saved) => b.slice_columns(&saved.qkv, q, 2 * k),
            });
            observed.last = Some(saved);
        } else {
            let (out, saved) = block::forward(b, &x, &h);
            observed.memory.push(b.slice_columns(&saved.qkv, q, 2 * k));
            observed.blocks.push(match checkpointing {
                Checkpointing::Block => Kept::Input { h, gate: saved.feed_forward.gate().cloned() },
                Checkpointing::None | Checkpointing::Step => Kept::Whole(saved),
            });
            h = out;
        }
    }
    observed.memory.extend(embedded);
    b.enter(left);
    observed
}

/// Gradients that the predictions leave on an observed stream.
#[derive(Clone, Debug)]
pub struct ObservedGradient<T> {
    /// On the keys and values of every block `(n, 2 K d)`; of a joint model on its one matrix `(n,D)`.
    pub memory: Vec<T>,
    /// On the gates of every block `(n, E)`: balance loss, absent in dense blocks.
    pub balance: Vec<Option<T>>,
}

impl<T: Clone> ObservedGradient<T> {
    /// Zero gradients on the keys and values of every block, none on the gates.
    pub fn zeros<B: Backend<Array = T>>(b: &B, model: Model<'_, T>, geometry: Geometry<'_, B::Index>) -> Self {
        let (n, columns) = (geometry.shape.rows(), 2 * geometry.shape.key_columns());
        let layers = model.config.layers;
        let shapes = match model.config.kind {
            ModelKind::Joint => vec![(n, model.config.dim)],
            ModelKind::Ebt | ModelKind::Transformer => {
                let embedded = model.config.last_token.then_some((n, model.config.dim));
                core::iter::repeat_n((n, columns), layers).chain(embedded).collect()
            }
        };
        Self { memory: b.zeros(&shapes), balance: vec![None; layers] }
    }
}

/// Backward pass of [`observe`] from the gradient on its keys and values `(n, 2 K d)` and gates `(n,E)`: weight gradients
/// are added to `grads` (layout order), those of the condition vectors `(1,D)` to `dcondition`.
pub fn observe_backward<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    geometry: Geometry<'_, B::Index>,
    condition: &Condition<B::Array>,
    observed: &Observed<B::Array, B::Index>,
    gradient: &ObservedGradient<B::Array>,
    tokens: &B::Index,
    grads: &mut [B::Array],
    dcondition: &mut Condition<B::Array>,
) {
    let left = b.enter(Scope::Observed);
    let mut dh: Option<B::Array> = None;
    for layer in (0..model.config.layers).rev() {
        let x = BlockContext { model, layer, condition: &condition.blocks[layer], geometry, stream: Stream::Observed };
        let sink = BlockSink {
            grads: &mut *grads,
            condition: &mut dcondition.blocks[layer],
            memory: None,
            balance: gradient.balance[layer].as_ref(),
        };
        dh = match (&dh, observed.blocks.get(layer), &observed.last) {
            (Some(dh), Some(Kept::Whole(saved)), _) => {
                Some(block::backward(b, &x, saved, dh, Some(&gradient.memory[layer]), Some(sink)))
            }
            (Some(dh), Some(Kept::Input { h, .. }), _) => {
                let (_, saved) = block::forward(b, &x, h);
                Some(block::backward(b, &x, &saved, dh, Some(&gradient.memory[layer]), Some(sink)))
            }
            (None, _, Some(last)) => Some(block::last_backward(b, &x, last, &gradient.memory[layer], sink)),
            _ => dh,
        };
    }
    let dh = match (dh, gradient.memory.get(model.config.layers)) {
        (Some(dh), Some(d)) => Some(b.add(&dh, d)),
        (dh, _) => dh,
    };
    if let Some(dh) = dh {
        b.accumulate_scatter(&mut grads[model.layout.embedding], tokens, &dh);
    }
    b.enter(left);
}

/// Everything the predicted stream's passes share.
#[derive(Debug)]
pub struct Prediction<'a, L, I> {
    /// The model whose energy this is.
    pub model: Model<'a, L>,
    /// Sequences of the `n` rows.
    pub geometry: Geometry<'a, I>,
    /// Condition vectors of the landscape, each `(1,D)`.
    pub condition: &'a Condition<L>,
    /// What was observed, see [`Observed::memory`].
    pub memory: &'a [L],
}

impl<L, I> Clone for Prediction<'_, L, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L, I> Copy for Prediction<'_, L, I> {}

impl<'a, L, I> Prediction<'a, L, I> {
    fn block(&self, layer: usize) -> BlockContext<'a, L, I> {
        BlockContext {
            model: self.model,
            layer,
            condition: &self.condition.blocks[layer],
            geometry: self.geometry,
            stream: match self.model.config.kind {
                ModelKind::Joint => Stream::Joint,
                ModelKind::Ebt | ModelKind::Transformer => Stream::Predicted(&self.memory[layer]),
            },
        }
    }

    /// Whether the energy is that of all positions together.
    fn joint(&self) -> bool {
        self.model.config.kind == ModelKind::Joint
    }

    /// Which of what was observed is added to the candidates, if any: the place of a joint model, or the last token.
    fn added(&self) -> Option<usize> {
        let config = self.model.config;
        if self.joint() { Some(0) } else { config.last_token.then_some(config.layers) }
    }

    /// The hidden state `(n,D)` that the first block reads.
    fn enter<C: Compute<Leaf = L>>(&self, c: &C, p: &C::Tensor) -> C::Tensor {
        match self.added() {
            Some(i) => c.add(p, &c.lift(&self.memory[i])),
            None => p.clone(),
        }
    }
}

/// Activations of the head: last hidden state `h (n,D)`, itself normed `n (n,D)`, and its inverse root mean square
/// `r (n,1)`.
#[derive(Clone, Debug)]
struct HeadSaved<T> {
    h: T,
    n: T,
    r: T,
}

/// `e (n,1) = w . norm(h)` of `h (n,D)`.
fn head_forward<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    h: C::Tensor,
) -> (C::Tensor, HeadSaved<C::Tensor>) {
    let (n, r) = c.norm(&h, &x.condition.w, x.condition.b.as_ref(), x.model.config.eps);
    let energy = match x.model.layout.energy {
        Some(ids) => linear::wide_forward(c, x.model.weights, ids.head, &n),
        None => c.fill(x.geometry.shape.rows(), 1, 0.0),
    };
    (energy, HeadSaved { h, n, r })
}

/// `dh (n,D)` of [`head_forward`] from `de (n,1)`.
fn head_backward<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    saved: &HeadSaved<C::Tensor>,
    de: &C::Leaf,
    mut sink: Option<&mut PredictionSink<'_, C::Leaf>>,
) -> C::Tensor {
    let de = c.lift(de);
    let dn = match x.model.layout.energy {
        Some(ids) => {
            let grads = sink.as_deref_mut().map(|s| &mut *s.grads);
            linear::backward(c, x.model.weights, ids.head, &saved.n, &de, grads)
        }
        None => c.scale(&saved.n, 0.0),
    };
    if let Some(s) = sink {
        c.accumulate_norm(&mut s.condition.w, s.condition.b.as_mut(), &saved.h, &saved.r, &dn);
    }
    c.norm_backward(&saved.h, &x.condition.w, &saved.r, &dn)
}

/// Activations of the predicted stream: what [`backward`] reads.
#[derive(Clone, Debug)]
pub struct PredictionSaved<T, I> {
    blocks: Vec<BlockSaved<T, I>>,
    head: HeadSaved<T>,
}

impl<T: Clone, I: Clone> PredictionSaved<T, I> {
    /// Gates and routing of every block, where it has experts.
    pub fn gates(&self) -> Vec<Option<GateSaved<T, I>>> {
        self.blocks.iter().map(|saved| saved.feed_forward.gate().cloned()).collect()
    }
}

/// Energies `(n,1)` of the candidates mixed to `p (n,D)`.
pub fn forward<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    p: &C::Tensor,
) -> (C::Tensor, PredictionSaved<C::Tensor, C::Index>) {
    let left = c.enter(Scope::Predicted);
    let mut h = x.enter(c, p);
    let mut blocks = Vec::with_capacity(x.model.config.layers);
    for layer in 0..x.model.config.layers {
        let (out, saved) = block::forward(c, &x.block(layer), &h);
        blocks.push(saved);
        h = out;
    }
    let (energy, head) = head_forward(c, x, h);
    c.enter(left);
    (energy, PredictionSaved { blocks, head })
}

/// Where the gradients of the predicted stream go.
#[derive(Debug)]
pub struct PredictionSink<'a, L> {
    /// Weight gradients in layout order.
    pub grads: &'a mut [L],
    /// Gradients of the condition vectors, each `(1,D)`.
    pub condition: &'a mut Condition<L>,
    /// Gradients of what was observed, see [`ObservedGradient::memory`].
    pub memory: &'a mut [L],
    /// Outer gradient on the gates `(n,E)` of the *predicted* stream, by block.
    pub balance: &'a [Option<L>],
}

impl<L> PredictionSink<'_, L> {
    /// Where the gradients of one block go.
    fn block(&mut self, layer: usize, joint: bool) -> BlockSink<'_, L> {
        BlockSink {
            grads: &mut *self.grads,
            condition: &mut self.condition.blocks[layer],
            memory: if joint { None } else { self.memory.get_mut(layer) },
            balance: self.balance.get(layer).and_then(Option::as_ref),
        }
    }
}

/// `dp (n,D)` from the gradient `de (n,1)` on the energies.
pub fn backward<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    saved: &PredictionSaved<C::Tensor, C::Index>,
    de: &C::Leaf,
    mut sink: Option<PredictionSink<'_, C::Leaf>>,
) -> C::Tensor {
    let left = c.enter(Scope::Predicted);
    let mut dh = head_backward(c, x, &saved.head, de, sink.as_mut());
    for (layer, saved) in saved.blocks.iter().enumerate().rev() {
        let sink = sink.as_mut().map(|s| s.block(layer, x.joint()));
        dh = block::backward(c, &x.block(layer), saved, &dh, None, sink);
    }
    leave(c, x, &dh, sink);
    c.enter(left);
    dh
}

/// Collects the gradient of what was added to the candidates.
fn leave<C: Compute>(
    c: &C,
    x: &Prediction<'_, C::Leaf, C::Index>,
    dh: &C::Tensor,
    sink: Option<PredictionSink<'_, C::Leaf>>,
) {
    if let Some((slot, i)) = sink.zip(x.added()) {
        c.accumulate(&mut slot.memory[i], dh);
    }
}

/// A sink's condition slots: zeros in the shape of `condition`.
pub fn zeros_like_condition<B: Backend>(b: &B, condition: &Condition<B::Array>) -> Condition<B::Array> {
    let mut shapes = Vec::new();
    condition.map(|x| {
        shapes.push(b.shape(x));
        x.clone()
    });
    // in the order of the shapes
    let mut zeros = b.zeros(&shapes).into_iter();
    condition.map(|x| {
        let (rows, columns) = b.shape(x);
        zeros.next().unwrap_or_else(|| b.fill(rows, columns, 0.0))
    })
}
