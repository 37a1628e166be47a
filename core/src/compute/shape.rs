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

/// Geometry of a banded contraction: row `t` of a sequence meets rows `t + ahead - j`, `0 <= j < slots`, of the same
/// sequence.
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
    /// Number of slots, at least 1: slot 0 is the row furthest ahead.
    pub slots: usize,
    /// Rows ahead of its own that a row meets; 0 where it only looks back.
    pub ahead: usize,
}

impl Band {
    /// The position that slot `slot` of position `t` meets, if it lies in the sequence.
    pub fn meets(&self, t: usize, slot: usize) -> Option<usize> {
        (t + self.ahead).checked_sub(slot).filter(|&u| u < self.context)
    }
    /// The slot in which position `t` meets position `u`, if it does.
    pub fn slot(&self, t: usize, u: usize) -> Option<usize> {
        (t + self.ahead).checked_sub(u).filter(|&slot| slot < self.slots)
    }
}

/// The class of the relation of a query to a key of the same sequence of `T` positions.
#[derive(Debug)]
pub struct Classes<'a, I> {
    /// Class of query `t` and key `u` at `t T + u`; if `by_distance`, at `T - 1 + u - t`.
    pub table: &'a I,
    /// Whether the class depends on the distance alone: the table has `2T - 1` entries, else `T T`.
    pub by_distance: bool,
}

impl<I> Clone for Classes<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<I> Copy for Classes<'_, I> {}

impl<I> Classes<'_, I> {
    /// Where the class of query `t` and key `u` of `context` positions stands in the table.
    pub fn place(&self, context: usize, t: usize, u: usize) -> usize {
        if self.by_distance { context - 1 + u - t } else { t * context + u }
    }
    /// Entries of the table for `context` positions.
    pub fn entries(&self, context: usize) -> usize {
        if self.by_distance { 2 * context - 1 } else { context * context }
    }
}

/// What is added to the score of a query and a key, by the class of their relation and by head.
#[derive(Debug)]
pub struct Relations<'a, L, I> {
    /// `(classes, H)`.
    pub bias: &'a L,
    /// The classes.
    pub classes: Classes<'a, I>,
}

impl<L, I> Clone for Relations<'_, L, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<L, I> Copy for Relations<'_, L, I> {}

/// Geometry of attention (guide/mathematics.md section 3.3).
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
    /// Rows before and rows after its own that a position of a joint energy sees, less its own: `window - 1` within the
    /// sequence.
    pub fn joint_reach(&self) -> usize {
        (self.window.min(self.context)).saturating_sub(1)
    }
    /// The band over `slots` look-back rows with this geometry.
    pub fn band(&self, slots: usize) -> Band {
        let &Attention { batch, context, heads, kv_heads, head_dim, .. } = self;
        Band { batch, context, heads, kv_heads, head_dim, slots, ahead: 0 }
    }
    /// The band over all rows that a position of a joint energy sees.
    pub fn joint_band(&self) -> Band {
        let reach = self.joint_reach();
        Band { ahead: reach, ..self.band(2 * reach + 1) }
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

/// Inputs of attention among all positions: key `u` is visible to query `t` of the same sequence where `u` is not before the
/// first visible index of `t` and `|t - u| < window`. `qkv (n, (H+2K) d)` is rotated where positions are rotary.
#[derive(Debug)]
pub struct JointAttention<'a, T, L, I> {
    /// Queries, keys and values.
    pub qkv: &'a T,
    /// Biases by relation, where there are any.
    pub relations: Option<Relations<'a, L, I>>,
    /// First visible index inside its sequence for every row, or `None` for 0.
    pub starts: Option<&'a I>,
    /// Sequences, positions, heads and window.
    pub shape: Attention,
}

impl<T, L, I> Clone for JointAttention<'_, T, L, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, L, I> Copy for JointAttention<'_, T, L, I> {}

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
