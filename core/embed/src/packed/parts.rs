//! What a packed model is made of: of views of matrices and vectors, or of nothing while sizes are counted.

use ebt_core::layer::{block, weights};

use super::matrix::{Floats, Matrix};

/// A block of a packed model; a mixture has a routing bias if the model was trained with one.
pub type Block<'m> = weights::Block<Matrix<'m>, Option<Floats<'m>>>;
/// A feed-forward of a packed model.
pub type FeedForward<'m> = weights::FeedForward<Matrix<'m>, Option<Floats<'m>>>;
/// A mixture of experts of a packed model.
pub type Mixture<'m> = weights::Mixture<Matrix<'m>, Option<Floats<'m>>>;
/// A SwiGLU of a packed model.
pub type Swiglu<'m> = weights::Swiglu<Matrix<'m>>;
/// The condition vectors of a block of a packed model.
pub type BlockCondition<'m> = block::BlockCondition<Floats<'m>>;
/// The condition vectors of the final norm of a packed model.
pub type HeadCondition<'m> = HeadConditionOf<Floats<'m>>;

/// Vectors `(D)` of the final norm.
#[derive(Clone, Copy, Debug)]
pub struct HeadConditionOf<V> {
    /// `gain (1 + g)`.
    pub w: V,
    /// Shift.
    pub b: Option<V>,
}

/// Which condition vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionOf {
    /// Those of a landscape.
    Landscape(usize),
    /// The gains alone, without modulation: of the observed stream with `condition = predictions`, and of the baseline.
    Plain,
}
