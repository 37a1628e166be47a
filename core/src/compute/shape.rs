//! Arguments of operations beside their arrays: geometry, routing; and results of more than one array.

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
    /// Number `B` of sequences; operands have `B T` rows, and no row meets one of another sequence.
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

/// Geometry of two-stream attention (guide/mathematics.md section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Number `B` of sequences; each stream has `B T` rows, and no row sees one of another sequence.
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
    pub fn predicted_slots(&self) -> usize {
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

/// Inputs of predicted-stream attention. `qkv (n, (H+2K) d)` is rotated; `memory (n, 2 K d)` holds the
/// rotated keys and the values of the observed stream.
#[derive(Debug)]
pub struct PredictedAttention<'a, T, L, I> {
    /// Queries, keys and values of the predictions.
    pub qkv: &'a T,
    /// Keys and values of the observed stream.
    pub memory: &'a L,
    /// First visible index inside its sequence for every row, or `None` for 0.
    pub starts: Option<&'a I>,
    /// Sequences, positions, heads and window.
    pub shape: Attention,
}

impl<T, L, I> Clone for PredictedAttention<'_, T, L, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, L, I> Copy for PredictedAttention<'_, T, L, I> {}

/// Result of an attention forward pass: `out (n, H d)` and the log of the softmax denominator `lse (n, H)`.
#[derive(Clone, Debug)]
pub struct AttentionOutput<T> {
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

    /// The name of the scope in reports, in lower case.
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
