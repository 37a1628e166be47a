//! `Compute`: the primitives the model is written in, and the fused operations a backend may override.
//!
//! Every array is a row-major matrix `(rows, columns)`. Three kinds of value keep differentiation honest:
//!
//! * [`Compute::Leaf`]: weights and observed quantities. No tangent can ever enter one, and the type says so.
//! * [`Compute::Tensor`]: values that may carry tangents ([`crate::dual::Dual`]).
//! * [`Compute::Index`]: integer arrays, constants of differentiation.
//!
//! The primitives are closed under differentiation: the derivative of each is written with the others. They stand in one
//! table, [`for_each_primitive!`](crate::for_each_primitive), as do the gradient sink and the fused operations.
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
    AdamW, AdamWStep, Backend, DirectionStep, Modulated, Modulation, ParamGroup, ParameterStep, ParameterUpdate,
    Parameters, Rule, SoftmaxRows,
};
pub use shape::{
    Attention, AttentionOutput, Band, Classes, JointAttention, Layout, PredictedAttention, Relations, Rotary, Route,
    RouteSpec, Scope,
};

use crate::{for_each_fused, for_each_primitive, for_each_sink, fused};

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
macro_rules! declare_fused {
    ($(
        $(#[$doc:meta])*
        $runs:ident $kind:ident $name:ident($self:ident, $($x:ident: $type:ty),*) -> $out:ty $default:block
    )*) => {
        $($(#[$doc])* fn $name(&$self, $($x: $type),*) -> $out $default)*
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

    for_each_fused!(declare_fused);
}
