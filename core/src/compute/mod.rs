//! `Compute`: the primitives the model is written in, and the fused operations a backend may override.
//!
//! Every array is a row-major matrix `(rows, columns)`. Three kinds of value keep differentiation honest:
//!
//! * [`Compute::Leaf`]: weights and observed quantities. No tangent can ever enter one, and the type says so.
//! * [`Compute::Tensor`]: values that may carry tangents ([`crate::dual::Dual`]).
//! * [`Compute::Index`]: integer arrays, constants of differentiation.
//!
//! The primitives are closed under differentiation: the derivative of each is written with the others.
//! A *fused operation* has a default that composes primitives (in [`crate::fused`]) and four entry points: forward,
//! backward, and the tangent of each. `collect_*` methods are the gradient sink: they add a weight gradient to a
//! leaf; under `Dual` they add *only its tangent*, so one backward pass serves the inner gradient (collect nothing),
//! first-order training (plain) and the mixed second derivative (`Dual`).
//!
//! Operations do not return `Result`: a backend keeps its first failure (a full arena, a lost device) and reports it
//! from [`Backend::status`], as asynchronous devices do. After a failure results are unspecified but memory-safe.

mod backend;
mod shape;

pub use backend::{Adam, AdamW, Backend, Modulated, Modulation, Parameters, Rows, Treatment};
pub use shape::{Attended, Attention, Band, Candidate, Layout, Rotary, Route, RouteSpec, Scope};

use crate::fused;

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
    /// `(rows, columns)`.
    fn shape(&self, a: &Self::Tensor) -> (usize, usize);
    /// Attributes what follows to `scope` (profiles and budgets) and returns the scope left.
    fn enter(&self, _scope: Scope) -> Scope {
        Scope::Other
    }

    // ---- primitives: elementwise. `b` may be (n,m), (1,m), (n,1) or (1,1) against `a (n,m)` ----
    /// A constant matrix.
    fn fill(&self, rows: usize, columns: usize, value: f64) -> Self::Tensor;
    /// `a + b`, `b` broadcast.
    fn add(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// `a * b`, `b` broadcast.
    fn mul(&self, a: &Self::Tensor, b: &Self::Tensor) -> Self::Tensor;
    /// `factor * a`.
    fn scale(&self, a: &Self::Tensor, factor: f64) -> Self::Tensor;
    /// `a + constant`.
    fn offset(&self, a: &Self::Tensor, constant: f64) -> Self::Tensor;
    /// `e^a`.
    fn exp(&self, a: &Self::Tensor) -> Self::Tensor;
    /// Natural logarithm.
    fn ln(&self, a: &Self::Tensor) -> Self::Tensor;
    /// `1 / a`.
    fn recip(&self, a: &Self::Tensor) -> Self::Tensor;
    /// `1 / sqrt(a)`.
    fn rsqrt(&self, a: &Self::Tensor) -> Self::Tensor;
    /// `1 / (1 + e^-a)`.
    fn sigmoid(&self, a: &Self::Tensor) -> Self::Tensor;
    /// 1 where `a > 0`, else 0; its derivative is zero.
    fn step(&self, a: &Self::Tensor) -> Self::Tensor;

    // ---- primitives: reductions ----
    /// Row sums, `(n,m) -> (n,1)`.
    fn sum_columns(&self, a: &Self::Tensor) -> Self::Tensor;
    /// Column sums, `(n,m) -> (1,m)`.
    fn sum_rows(&self, a: &Self::Tensor) -> Self::Tensor;
    /// Row maxima, `(n,m) -> (n,1)`; a constant of differentiation (used to shift exponents only).
    fn max_columns(&self, a: &Self::Tensor) -> Self::Tensor;

    // ---- primitives: contraction ----
    /// Matrix product.
    fn matmul(&self, a: &Self::Tensor, b: &Self::Tensor, layout: Layout) -> Self::Tensor;
    /// Matrix product of each expert's rows with its own matrix. `NT`: `x (slots,k)`, `w (E n, k) -> (slots, n)`;
    /// `NN`: `x (slots,n)`, `w (E n, k) -> (slots,k)`; `TN`: `x (slots,n)`, `w (slots,k) -> (E n, k)`.
    fn grouped(&self, x: &Self::Tensor, w: &Self::Tensor, route: &Route<Self::Index>, layout: Layout) -> Self::Tensor;
    /// `s[t, h, j] = q[t, h] . k[t-j, h']`, zero where `t - j` leaves the sequence; `(n, H slots)`.
    fn band(&self, q: &Self::Tensor, k: &Self::Tensor, band: Band) -> Self::Tensor;
    /// `o[t, h] = sum_j s[t, h, j] v[t-j, h']`; `(n, H d)`.
    fn band_mix(&self, s: &Self::Tensor, v: &Self::Tensor, band: Band) -> Self::Tensor;
    /// `g[u, k] = sum over h of key head k, j of s[u+j, h, j] q[u+j, h]`; `(n, K d)`.
    fn band_scatter(&self, s: &Self::Tensor, q: &Self::Tensor, band: Band) -> Self::Tensor;
    /// 0 where slot `j` of row `t` exists and is not before `starts[t]`, else -1e30; `(n, H slots)`.
    fn band_mask(&self, band: Band, starts: Option<&Self::Index>) -> Self::Tensor;

    // ---- primitives: movement ----
    /// The same elements in row-major order under another shape.
    fn reshape(&self, a: &Self::Tensor, rows: usize, columns: usize) -> Self::Tensor;
    /// Columns `start .. start + len`.
    fn slice_columns(&self, a: &Self::Tensor, start: usize, len: usize) -> Self::Tensor;
    /// `a` as columns `start ..` of a zero matrix `total` wide.
    fn pad_columns(&self, a: &Self::Tensor, start: usize, total: usize) -> Self::Tensor;
    /// Rows `a[index[i]]`.
    fn gather_rows(&self, a: &Self::Tensor, index: &Self::Index) -> Self::Tensor;
    /// `out[index[i]] += a[i]`, `rows` rows.
    fn scatter_rows(&self, a: &Self::Tensor, index: &Self::Index, rows: usize) -> Self::Tensor;
    /// Rows of the identity: 1 at `index[i]`, a zero row where it is `u32::MAX`; a constant.
    fn one_hot(&self, index: &Self::Index, columns: usize) -> Self::Tensor;
    /// Rotary embedding, or its inverse (which is its adjoint).
    fn rotary(&self, a: &Self::Tensor, rotary: &Rotary, inverse: bool) -> Self::Tensor;

    // ---- decisions: constants of differentiation ----
    /// Chooses experts by `gate (n,E) (+ bias)`, see [`RouteSpec`]. Equal scores go to the lower index.
    fn route(&self, gate: &Self::Tensor, bias: Option<&Self::Leaf>, spec: &RouteSpec) -> Route<Self::Index>;

    // ---- gradient sink. Under `Dual` only the tangent of what is named is added ----
    /// `slot += a` (same shape).
    fn collect(&self, slot: &mut Self::Leaf, a: &Self::Tensor);
    /// Rows `start ..` of `slot` `+= dy^T x`: the gradient of `W (out,in)` in `y = x W^T`.
    fn collect_product(&self, slot: &mut Self::Leaf, start: usize, dy: &Self::Tensor, x: &Self::Tensor);
    /// `slot += grouped(dy, x, TN)`.
    fn collect_grouped(&self, slot: &mut Self::Leaf, dy: &Self::Tensor, x: &Self::Tensor, route: &Route<Self::Index>);
    /// `slot (1,m) += sum over rows of x * y`.
    fn collect_dot(&self, slot: &mut Self::Leaf, x: &Self::Tensor, y: &Self::Tensor);
    /// `slot[index[i]] += a[i]`.
    fn collect_scatter(&self, slot: &mut Self::Leaf, index: &Self::Index, a: &Self::Tensor);
    /// Weight gradients of [`Compute::norm`]: `dw += sum dy * x * r`, `db += sum dy`.
    fn collect_norm(
        &self,
        dw: &mut Self::Leaf,
        db: Option<&mut Self::Leaf>,
        x: &Self::Tensor,
        r: &Self::Tensor,
        dy: &Self::Tensor,
    );

    /// `a + leaf` where the leaf is a cotangent of the outer objective; under `Dual` it enters the tangent only.
    fn inject(&self, a: &Self::Tensor, leaf: &Self::Leaf) -> Self::Tensor;

    // ---- fused: products with a constant matrix (linear: the tangent is the operation itself) ----
    /// `x (n,in) . w (out,in)^T`.
    fn linear(&self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
        self.matmul(x, &self.lift(w), Layout::NT)
    }
    /// As [`Compute::linear`] for few outputs whose exact value matters: energies and gate scores. Backends with narrow
    /// storage keep these wide.
    fn scores(&self, x: &Self::Tensor, w: &Self::Leaf) -> Self::Tensor {
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
    /// `dx`.
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
    /// `(n,F)`.
    fn swiglu(&self, u: &Self::Tensor) -> Self::Tensor {
        fused::swiglu::forward(self, u)
    }
    /// `du (n,2F)`.
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
    ) -> Attended<Self::Tensor> {
        fused::attention::causal(self, qkv, starts, shape)
    }
    /// `dqkv (n, (H+2K) d)`.
    fn causal_attention_backward(
        &self,
        qkv: &Self::Tensor,
        starts: Option<&Self::Index>,
        shape: Attention,
        attended: &Attended<Self::Tensor>,
        dout: &Self::Tensor,
    ) -> Self::Tensor {
        fused::attention::causal_backward(self, qkv, starts, shape, attended, dout)
    }
    /// Attention of every prediction over the observed keys before it and itself.
    fn candidate_attention(
        &self,
        input: Candidate<'_, Self::Tensor, Self::Leaf, Self::Index>,
    ) -> Attended<Self::Tensor> {
        fused::attention::candidate(self, input)
    }
    /// `dqkv` of the predictions; the gradient of the observed keys and values is collected in `dmemory`.
    fn candidate_attention_backward(
        &self,
        input: Candidate<'_, Self::Tensor, Self::Leaf, Self::Index>,
        attended: &Attended<Self::Tensor>,
        dout: &Self::Tensor,
        dmemory: Option<&mut Self::Leaf>,
    ) -> Self::Tensor {
        fused::attention::candidate_backward(self, input, attended, dout, dmemory)
    }
    /// Tangent of the forward pass along `qkvt`.
    fn candidate_attention_tangent(
        &self,
        input: Candidate<'_, Self::Tensor, Self::Leaf, Self::Index>,
        qkvt: &Self::Tensor,
        attended: &Attended<Self::Tensor>,
    ) -> Attended<Self::Tensor> {
        fused::attention::candidate_tangent(self, input, qkvt, attended)
    }
    /// Tangent of the backward pass; the tangent of the memory gradient is collected in `dmemory`.
    fn candidate_attention_backward_tangent(
        &self,
        input: Candidate<'_, Self::Tensor, Self::Leaf, Self::Index>,
        qkvt: &Self::Tensor,
        attended: [&Attended<Self::Tensor>; 2],
        dout: [&Self::Tensor; 2],
        dmemory: Option<&mut Self::Leaf>,
    ) -> Self::Tensor {
        fused::attention::candidate_backward_tangent(self, input, qkvt, attended, dout, dmemory)
    }
}
