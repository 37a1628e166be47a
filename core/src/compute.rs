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

use crate::error::Error;
use crate::fused;
use crate::random::Stream;

/// Which operand of a matrix product is transposed; the first letter is the left operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `a (m,k) . b (k,n)`
    NN,
    /// `a (m,k) . b (n,k)^T`
    NT,
    /// `a (k,m)^T . b (k,n)`
    TN,
}

/// Geometry of a banded contraction: row `t` of a sequence meets rows `t - j`, `0 <= j < slots`, of the same sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Sequences `B`.
    pub batch: usize,
    /// Positions `T` of a sequence.
    pub context: usize,
    /// Query heads `H`.
    pub heads: usize,
    /// Key/value heads `K`, a divisor of `H`; head `h` reads key head `h / (H / K)`.
    pub kv_heads: usize,
    /// Width `d` of a head.
    pub head_dim: usize,
    /// Number of look-back slots, at least 1.
    pub slots: usize,
}

/// Geometry of two-stream attention (SPEC section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Sequences `B`.
    pub batch: usize,
    /// Positions `T` of a sequence.
    pub context: usize,
    /// Query heads `H`.
    pub heads: usize,
    /// Key/value heads `K`.
    pub kv_heads: usize,
    /// Width `d` of a head.
    pub head_dim: usize,
    /// Sliding window in positions, `>= 1`; larger than the context means full attention.
    pub window: usize,
}

impl Attention {
    /// Rows of the stream, `B * T`.
    pub fn rows(&self) -> usize {
        self.batch * self.context
    }
    /// Columns of the query part, `H * d`.
    pub fn query_columns(&self) -> usize {
        self.heads * self.head_dim
    }
    /// Columns of a key (or value) part, `K * d`.
    pub fn key_columns(&self) -> usize {
        self.kv_heads * self.head_dim
    }
    /// Memory slots an observed query may see: itself and `window - 1` before.
    pub fn causal_slots(&self) -> usize {
        self.window.min(self.context)
    }
    /// Memory slots a prediction may see beside itself; zero when the window holds only the prediction.
    pub fn candidate_slots(&self) -> usize {
        (self.window - 1).min(self.context)
    }
    /// The band over `slots` look-back rows with this geometry.
    pub fn band(&self, slots: usize) -> Band {
        let &Attention { batch, context, heads, kv_heads, head_dim, .. } = self;
        Band { batch, context, heads, kv_heads, head_dim, slots }
    }
}

/// Rotation of the interleaved pairs `(2i, 2i+1)` of the first `heads * head_dim` columns; row `r` stands at position
/// `r % context + offset` and pair `i` turns by `position * theta^(-2i/head_dim)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// Positions of a sequence.
    pub context: usize,
    /// Number of rotated heads (queries and keys together).
    pub heads: usize,
    /// Width of a head, even.
    pub head_dim: usize,
    /// Base of the frequencies.
    pub theta: f64,
    /// 0 for observed tokens, 1 for predictions.
    pub offset: usize,
}

/// How experts are chosen (DeepSeek-V2, arXiv 2405.04434, section 2.2; bias of arXiv 2408.15664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// Routed experts `E`.
    pub experts: usize,
    /// Experts a token is sent to.
    pub top_k: usize,
    /// Groups of consecutive experts.
    pub groups: usize,
    /// Groups (by their best expert) that may be chosen from.
    pub top_groups: usize,
}

/// A routing decision: `slots = rows * top_k` (token, expert) pairs sorted by expert, then by token.
#[derive(Clone, Debug)]
pub struct Route<I> {
    /// Token (row) of every slot.
    pub tokens: I,
    /// `token * experts + expert` of every slot: its place in the flattened gate array.
    pub gates: I,
    /// `experts + 1` offsets: slots of expert `e` are `offsets[e]..offsets[e+1]`.
    pub offsets: I,
    /// Number of slots.
    pub slots: usize,
    /// Number of experts.
    pub experts: usize,
}

/// What a cross entropy is measured against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrossEntropy {
    /// Share `eps` of the target mass spread evenly over the vocabulary (label softening).
    pub smoothing: f64,
}

/// Inputs of candidate (predicted-stream) attention. `qkv (n, (H+2K) d)` is rotated; `memory (n, 2 K d)` holds the
/// rotated keys and the values of the observed stream.
#[derive(Debug)]
pub struct Candidate<'a, T, L, I> {
    /// Queries, keys and values of the predictions.
    pub qkv: &'a T,
    /// Keys and values of the observed stream.
    pub memory: &'a L,
    /// First visible index inside its sequence for every row, or `None` for 0.
    pub starts: Option<&'a I>,
    /// Geometry.
    pub shape: Attention,
}

impl<T, L, I> Clone for Candidate<'_, T, L, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, L, I> Copy for Candidate<'_, T, L, I> {}

/// Result of an attention forward pass: `out (n, H d)` and the log of the softmax denominator `lse (n, H)`.
#[derive(Clone, Debug)]
pub struct Attended<T> {
    /// Weighted values, heads side by side.
    pub out: T,
    /// Log-sum-exp of the scaled scores.
    pub lse: T,
}

/// Parts of a computation, for profiles and budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Scope {
    /// Anything not named below.
    Other,
    /// The observed stream.
    Observed,
    /// The predicted stream.
    Predicted,
    /// Products with the vocabulary matrix, softmax and loss.
    Vocabulary,
    /// AdaLN condition vectors.
    Condition,
    /// Optimiser, averaging, clipping.
    Optimizer,
}

impl Scope {
    /// All scopes in order.
    pub const ALL: [Scope; 6] =
        [Scope::Other, Scope::Observed, Scope::Predicted, Scope::Vocabulary, Scope::Condition, Scope::Optimizer];

    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Other => "other",
            Scope::Observed => "observed",
            Scope::Predicted => "predicted",
            Scope::Vocabulary => "vocabulary",
            Scope::Condition => "condition",
            Scope::Optimizer => "optimizer",
        }
    }
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
    /// The innermost value of a tensor, its tangents dropped: a constant of differentiation from here on.
    fn primal(&self, a: &Self::Tensor) -> Self::Leaf;
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
    /// Rows `start .. start + len`.
    fn slice_rows(&self, a: &Self::Tensor, start: usize, len: usize) -> Self::Tensor;
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
        spec: CrossEntropy,
    ) -> (Self::Tensor, Self::Tensor) {
        fused::cross_entropy::forward(self, y, targets, weight, spec)
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

/// Hyper-parameters of one AdamW update (Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub rate: f64,
    /// First-moment decay.
    pub beta1: f64,
    /// Second-moment decay.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay (times `rate`).
    pub decay: f64,
    /// `1 - beta1^t`.
    pub correction1: f64,
    /// `1 - beta2^t`.
    pub correction2: f64,
}

/// Storage and state of a real device: what cannot be differentiated and never nests.
pub trait Backend: Compute<Leaf = <Self as Backend>::Array, Tensor = <Self as Backend>::Array> {
    /// The one kind of matrix a plain backend has.
    type Array: Clone;

    /// Copies `data` (`rows * columns` values, row-major) to the device.
    fn upload(&self, rows: usize, columns: usize, data: &[f32]) -> Self::Array;
    /// As [`Backend::upload`], from double precision.
    fn upload_f64(&self, rows: usize, columns: usize, data: &[f64]) -> Self::Array;
    /// Copies a matrix into `out`, which holds `rows * columns` values.
    fn download(&self, a: &Self::Array, out: &mut [f32]);
    /// As [`Backend::download`], to double precision.
    fn download_f64(&self, a: &Self::Array, out: &mut [f64]);
    /// Copies integers to the device.
    fn index(&self, data: &[u32]) -> Self::Index;
    /// Copies integers back; `out` has the index's length.
    fn download_index(&self, a: &Self::Index, out: &mut [u32]);
    /// Elements `first..` of a stream of `N(0, sigma^2)` draws; the same numbers on every backend up to rounding.
    fn normal(&self, rows: usize, columns: usize, stream: Stream, first: u64, sigma: f64) -> Self::Array;

    /// `acc + factor (n,1) or (1,1) broadcast * x`, in place where `acc` is the only handle.
    fn axpy(&self, acc: Self::Array, factor: &Self::Array, x: &Self::Array) -> Self::Array;
    /// Every element limited to `[-bound, bound]`, `bound` (n,1) or (1,1).
    fn clamp(&self, a: Self::Array, bound: &Self::Array) -> Self::Array;
    /// 1 where `|a| < bound`, else 0: the derivative of [`Backend::clamp`].
    fn inside(&self, a: &Self::Array, bound: &Self::Array) -> Self::Array;
    /// Replaces every element by zero.
    fn clear(&self, a: &mut Self::Array);
    /// `(1,1)`: sum of all squares over the list.
    fn sum_squares(&self, list: &[Self::Array]) -> Self::Array;
    /// One AdamW update; the gradient is multiplied by `factor (1,1)` first.
    fn adamw(
        &self,
        parameter: &mut Self::Array,
        moments: (&mut Self::Array, &mut Self::Array),
        gradient: &Self::Array,
        factor: &Self::Array,
        settings: AdamW,
    );
    /// `average += (1 - keep) * (a - average)`.
    fn average(&self, average: &mut Self::Array, a: &Self::Array, keep: f64);

    /// The first failure since the backend was made, if any.
    fn status(&self) -> Result<(), Error>;
    /// A name for reports: backend, precision, device.
    fn name(&self) -> &str;
}
