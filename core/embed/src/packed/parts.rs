//! What a packed model is made of: of views of matrices `M` and vectors `V`, or of nothing while sizes are counted.

use super::matrix::{Floats, Matrix};

/// A block of a packed model.
pub type Block<'m> = BlockOf<Matrix<'m>, Floats<'m>>;
/// A feed-forward of a packed model.
pub type FeedForward<'m> = FeedForwardOf<Matrix<'m>, Floats<'m>>;
/// A SwiGLU of a packed model.
pub type Swiglu<'m> = SwigluOf<Matrix<'m>>;
/// The condition vectors of a block of a packed model.
pub type BlockCondition<'m> = BlockConditionOf<Floats<'m>>;
/// The condition vectors of the final norm of a packed model.
pub type HeadCondition<'m> = HeadConditionOf<Floats<'m>>;

/// What tells the positions of a packed joint model apart.
pub type Marks<'m> = MarksOf<Floats<'m>>;
/// The head of logits of a packed joint model.
pub type Output<'m> = OutputOf<Matrix<'m>, Floats<'m>>;

/// A block, stacked as in training.
#[derive(Clone, Copy, Debug)]
pub struct BlockOf<M, V> {
    /// `[wq; wk; wv] ((H + 2K) d, D)`.
    pub qkv: M,
    /// Output projection of attention `(D, H d)`.
    pub wo: M,
    /// Added to scores by relation and head, `(classes, H)`, in a joint model where relations count.
    pub relations: Option<V>,
    /// What follows attention in the block: one SwiGLU, or a mixture of experts.
    pub feed_forward: FeedForwardOf<M, V>,
}

/// A feed-forward layer.
#[derive(Clone, Copy, Debug)]
pub enum FeedForwardOf<M, V> {
    /// One SwiGLU of width `F`.
    Dense(SwigluOf<M>),
    /// Mixture of experts of width `h`, stacked: expert `e` has rows `e 2h ..` of `w13 (E 2h, D)` and `e D ..` of
    /// `w2 (E D, h)`.
    Mixture {
        /// `W_gate (E, D)`: a row for every routed expert.
        gate: M,
        /// Routing bias `(E)`, used for choosing only; none unless the model was trained with one.
        bias: Option<V>,
        /// The routed experts, stacked by rows as above.
        experts: SwigluOf<M>,
        /// Shared experts side by side.
        shared: Option<SwigluOf<M>>,
    },
}

/// `W2 (silu(W1 x) * W3 x)`.
#[derive(Clone, Copy, Debug)]
pub struct SwigluOf<M> {
    /// `[w1; w3] (2F, D)`.
    pub w13: M,
    /// Projection from the hidden width back to the model's, `(D, F)`.
    pub w2: M,
}

/// Vectors `(D)` of a block; absent shift and gate mean 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct BlockConditionOf<V> {
    /// `gain1 (1 + g1)`.
    pub w1: V,
    /// Shift of the attention norm.
    pub b1: Option<V>,
    /// Gate of attention.
    pub a1: Option<V>,
    /// `gain2 (1 + g2)`.
    pub w2: V,
    /// Shift of the feed-forward norm.
    pub b2: Option<V>,
    /// Gate of the feed-forward.
    pub a2: Option<V>,
}

/// Vectors `(D)` of the final norm.
#[derive(Clone, Copy, Debug)]
pub struct HeadConditionOf<V> {
    /// `gain (1 + g)`.
    pub w: V,
    /// Shift that is added after the norm; none means 0.
    pub b: Option<V>,
}

/// A head of logits.
#[derive(Clone, Copy, Debug)]
pub struct OutputOf<M, V> {
    /// Output matrix `(V, D)`.
    pub weight: M,
    /// Added to the logits `(V)`.
    pub bias: V,
}

/// What tells the positions of a joint model apart.
#[derive(Clone, Copy, Debug)]
pub struct MarksOf<V> {
    /// Added to given positions (row 0) and to unknown ones (row 1), `(2, D)`.
    pub flags: V,
    /// Rows that positions add up, `(rows, D)`; none where they are told apart by other means.
    pub positions: Option<V>,
}

/// Which condition vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOf {
    /// Those of a landscape.
    Landscape(usize),
    /// The gains alone, without modulation: of the observed stream with `condition = predictions`, of the baseline, and of joint
    /// models with `condition = none`.
    Plain,
}
