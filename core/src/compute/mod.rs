//! `Compute`: the primitives the model is written in, and the fused operations a backend may override.
//!
//! Every array is a row-major matrix `(rows, columns)`. Three kinds of value keep differentiation honest:
//!
//! * [`Compute::Leaf`]: weights and observed quantities. No tangent can ever enter one, and the type says so.
//! * [`Compute::Tensor`]: values that may carry tangents ([`crate::dual::Dual`]).
//! * [`Compute::Index`]: integer arrays, constants of differentiation.
//!
//! The primitives are closed under differentiation: the derivative of each is written with the others. They are listed in
//! one table, [`for_each_primitive!`](crate::for_each_primitive).
//! A *fused operation* has a default that composes primitives (in [`crate::fused`]) and four entry points: forward,
//! backward, and the tangent of each. `accumulate_*` methods are the gradient sink: they add a weight gradient to a
//! leaf; under `Dual` they add *only its tangent*, so one backward pass serves the inner gradient (collect nothing),
//! first-order training (plain) and the mixed second derivative (`Dual`).
//!
//! The modules `compute` (with [`Backend`]), [`crate::fused`] and [`crate::dual`] refer to each other in a circle, by design: the defaults of
//! the trait call compositions, the compositions are generic over the trait and take their tangents from `Dual`, and `Dual`
//! is an instance of the trait.
//!
//! Operations do not return `Result`: a backend keeps its first failure (a full arena, a lost device) and reports it
//! from [`Backend::status`], as asynchronous devices do. After a failure results are unspecified but memory-safe.

mod backend;
mod shape;

pub use backend::{
    AdamW, AdamWStep, Backend, Modulated, Modulation, ParamGroup, ParameterUpdate, Parameters, SoftmaxRows,
};
pub use shape::{Attention, AttentionOutput, Band, Layout, PredictedAttention, Rotary, Route, RouteSpec, Scope};

use crate::{for_each_primitive, for_each_sink, fused};

macro_rules! declare {
    ($($(#[$doc:meta])* $kind:ident $name:ident($($t:ident),*)($($x:ident: $type:ty),*);)*) => {
        $($(#[$doc])* fn $name(&self, $($t: &Self::Tensor,)* $($x: $type),*) -> Self::Tensor;)*
    };
}
macro_rules! declare_sink {
    ($($(#[$doc:meta])* $name:ident($($x:ident: $type:ty),*);)*) => {
        $($(#[$doc])* fn $name(&self, $($x: $type),*);)*
    };
}

/// Primitives and fused operations. See the module text for the three kinds of value.
pub trait Compute: Sized {
    /// A constant matrix: weight, modulation vector, observed keys and values, accumulated gradient.
    type Leaf: Clone;
    /// A matrix that may carry tangents. Cloning copies a handle.
    type Tensor: Clone;
    /// An array of `u32`.
    type Index: Clone;

    // ---- structure ----
    /// The leaf as a tensor with a zero tangent.
    fn lift(&self, leaf: &Self::Leaf) -> Self::Tensor;
    /// Rows `start .. start + len` of a leaf.
    fn slice_rows(&self, leaf: &Self::Leaf, start: usize, len: usize) -> Self::Leaf;
    /// `(rows, columns)` of a matrix.
    fn shape(&self, a: &Self::Tensor) -> (usize, usize);
    /// Attributes what follows to `scope` (profiles and budgets) and returns the scope left.
    fn enter(&self, _scope: Scope) -> Scope {
        Scope::Other
    }

    for_each_primitive!(declare);

    // ---- decisions: constants of differentiation ----
    /// Chooses experts by `gate (n,E) (+ bias)`, see [`RouteSpec`]. Equal scores go to the lower index.
    fn route(&self, gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index>;

    for_each_sink!(declare_sink);

    /// `a + leaf` where the leaf is a cotangent of the outer objective; under `Dual` it enters the tangent only.
    fn add_outer_cotangent(&self, a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor;

    // ---- fused: products with a constant matrix (linear: the tangent is the operation itself) ----
    /// `x (n,in) . w (out,in)^T`.
    fn linear(&self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.matmul(x, &self.lift(w), Layout::NT)
    }
    /// As [`Compute::linear`] for few outputs whose exact value matters: energies and gate scores. Backends with narrow
    /// storage keep these wide.
    fn linear_wide(&self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.linear(x, w)
    }
    /// `dy (n,out) . w (out,in)`: the adjoint of [`Compute::linear`].
    fn linear_adjoint(&self, dy: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.matmul(dy, &self.lift(w), Layout::NN)
    }
    /// Expert products `grouped(x, w, NT)`.
    fn grouped_linear(&self, x: &Self::Tensor, w: &Self::Leaf, route: &Route<Self::Index>) -> Self::Tensor {
        self.grouped(x, &self.lift(w), route, Layout::NT)
    }
    /// Adjoint of [`Compute::grouped_linear`].
    fn grouped_linear_adjoint(&self, dy: &Self::Tensor, w: &Self::Leaf, route: &Route<Self::Index>) -> Self::Tensor {
        self.grouped(dy, &self.lift(w), route, Layout::NN)
    }
    /// `a * x` with `a (1,m)`.
    fn modulate(&self, x: &Self::Tensor, a: &Self::Leaf) -> Self::Tensor {
        self.mul(x, &self.lift(a))
    }
    /// `h + a * y` with `a (1,m)`, or `h + y`.
    fn gate_residual(&self, h: &Self::Tensor, a: Option<&Self::Leaf>, y: &Self::Tensor) -> Self::Tensor {
        match a {
            Some(a) => self.add(h, &self.mul(y, &self.lift(a))),
            None => self.add(h, y),
        }
    }

    // ---- fused: modulated root-mean-square norm, y = x r w + b, r = rsqrt(mean(x^2) + eps) ----
    /// `(y (n,m), r (n,1))`.
    fn norm(&self, x: &Self::Tensor, w: &Self::Leaf, b: Option<&Self::Leaf>, eps: f64) -> (Self::Tensor, Self::Tensor) {
        fused::norm::forward(self, x, w, b, eps)
    }
    /// `dx (n,m)` from `dy (n,m)`, with `r (n,1)` of the forward pass.
    fn norm_backward(&self, x: &Self::Tensor, w: &Self::Leaf, r: &Self::Tensor, dy: &Self::Tensor) -> Self::Tensor {
        fused::norm::backward(self, x, w, r, dy)
    }
    /// Tangents of `y` and `r` along `xt`.
    fn norm_tangent(
        &self,
        x: &Self::Tensor,
        xt: &Self::Tensor,
        w: &Self::Leaf,
        r: &Self::Tensor,
    ) -> (Self::Tensor, Self::Tensor) {
        fused::norm::tangent(self, x, xt, w, r)
    }
    /// Tangent of `dx` along `(xt, rt, dyt)`.
    fn norm_backward_tangent(
        &self,
        x: [&Self::Tensor; 2],
        w: &Self::Leaf,
        r: [&Self::Tensor; 2],
        dy: [&Self::Tensor; 2],
    ) -> Self::Tensor {
        fused::norm::backward_tangent(self, x, w, r, dy)
    }

    // ---- fused: SwiGLU on u = [u1 | u3] (n, 2F): silu(u1) * u3 ----
    /// `silu(u1) * u3 (n,F)`.
    fn swiglu(&self, u: &Self::Tensor) -> Self::Tensor {
        fused::swiglu::forward(self, u)
    }
    /// `du (n,2F)` from `dy (n,F)`.
    fn swiglu_backward(&self, u: &Self::Tensor, dy: &Self::Tensor) -> Self::Tensor {
        fused::swiglu::backward(self, u, dy)
    }
    /// Tangent of the forward pass.
    fn swiglu_tangent(&self, u: &Self::Tensor, ut: &Self::Tensor) -> Self::Tensor {
        fused::swiglu::tangent(self, u, ut)
    }
    /// Tangent of the backward pass.
    fn swiglu_backward_tangent(&self, u: [&Self::Tensor; 2], dy: [&Self::Tensor; 2]) -> Self::Tensor {
        fused::swiglu::backward_tangent(self, u, dy)
    }

    // ---- fused: softmax over columns ----
    /// `P = softmax(y)`.
    fn softmax(&self, y: &Self::Tensor) -> Self::Tensor {
        fused::softmax::forward(self, y)
    }
    /// `J dp = P (dp - <P, dp>)`; J is symmetric, so this is the tangent of the forward pass too.
    fn softmax_backward(&self, p: &Self::Tensor, dp: &Self::Tensor) -> Self::Tensor {
        fused::softmax::backward(self, p, dp)
    }
    /// Tangent of the backward pass along `(pt, dpt)`.
    fn softmax_backward_tangent(&self, p: [&Self::Tensor; 2], dp: [&Self::Tensor; 2]) -> Self::Tensor {
        fused::softmax::backward_tangent(self, p, dp)
    }

    // ---- fused: cross entropy of logits against token ids (u32::MAX: no target) ----
    /// `(loss (n,1), dy (n,V))`: loss and its derivative, each times `weight (n,1)`.
    fn cross_entropy(
        &self,
        y: &Self::Tensor,
        targets: &Self::Index,
        weight: &Self::Leaf,
    ) -> (Self::Tensor, Self::Tensor) {
        fused::cross_entropy::forward(self, y, targets, weight)
    }

    // ---- fused: two-stream attention ----
    /// Causal sliding-window attention of the observed stream over itself.
    fn causal_attention(
        &self,
        qkv: &Self::Tensor,
        starts: Option<&Self::Index>,
        shape: Attention,
    ) -> AttentionOutput<Self::Tensor> {
        fused::attention::causal(self, qkv, starts, shape)
    }
    /// `dqkv (n, (H+2K) d)`.
    fn causal_attention_backward(
        &self,
        qkv: &Self::Tensor,
        starts: Option<&Self::Index>,
        shape: Attention,
        attended: &AttentionOutput<Self::Tensor>,
        dout: &Self::Tensor,
    ) -> Self::Tensor {
        fused::attention::causal_backward(self, qkv, starts, shape, attended, dout)
    }
    /// Attention of every prediction over the observed keys before it and itself.
    fn predicted_attention(
        &self,
        input: PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
    ) -> AttentionOutput<Self::Tensor> {
        fused::attention::predicted(self, input)
    }
    /// `dqkv` of the predictions; the gradient of the observed keys and values is collected in `dmemory`.
    fn predicted_attention_backward(
        &self,
        input: PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
        attended: &AttentionOutput<Self::Tensor>,
        dout: &Self::Tensor,
        dmemory: Option<&mut Self::Leaf>,
    ) -> Self::Tensor {
        fused::attention::predicted_backward(self, input, attended, dout, dmemory)
    }
    /// Tangent of the forward pass along `qkvt`.
    fn predicted_attention_tangent(
        &self,
        input: PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
        qkvt: &Self::Tensor,
        attended: &AttentionOutput<Self::Tensor>,
    ) -> AttentionOutput<Self::Tensor> {
        fused::attention::predicted_tangent(self, input, qkvt, attended)
    }
    /// Tangent of the backward pass; the tangent of the memory gradient is collected in `dmemory`.
    fn predicted_attention_backward_tangent(
        &self,
        input: PredictedAttention<'_, Self::Tensor, Self::Leaf, Self::Index>,
        qkvt: &Self::Tensor,
        attended: [&AttentionOutput<Self::Tensor>; 2],
        dout: [&Self::Tensor; 2],
        dmemory: Option<&mut Self::Leaf>,
    ) -> Self::Tensor {
        fused::attention::predicted_backward_tangent(self, input, qkvt, attended, dout, dmemory)
    }
}
