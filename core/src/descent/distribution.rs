//! Matrices `(n,V)` of a rollout, stored or given by logits: candidate distributions and directions.

use crate::compute::{Backend, SoftmaxRows};

/// The candidate distributions `P (n,V)` of all positions.
#[derive(Clone, Debug)]
pub enum Distribution<T> {
    /// The matrix `P (n,V)` itself.
    Stored(T),
    /// Its logits `y (n,V)` and their log-sum-exp `(n,1)`.
    Logits {
        /// Logits `y (n,V)`, of which `P = exp(y - lse)` row by row.
        y: T,
        /// Log-sum-exp of every row.
        lse: T,
    },
}

impl<T: Clone> Distribution<T> {
    /// `softmax(y)`, not stored.
    pub fn of_logits<B: Backend<Array = T>>(b: &B, y: &T) -> Self {
        Self::Logits { lse: b.log_sum_exp(y), y: y.clone() }
    }

    /// The whole matrix `P (n,V)`.
    pub fn dense<B: Backend<Array = T>>(&self, b: &B) -> T {
        match self {
            Self::Stored(p) => p.clone(),
            Self::Logits { y, .. } => b.softmax(y),
        }
    }

    /// As what products take.
    pub(super) fn view<I>(&self) -> VocabMatrix<'_, T, I> {
        match self {
            Self::Stored(p) => VocabMatrix::Stored(p),
            Self::Logits { y, lse } => VocabMatrix::Rows(SoftmaxRows { logits: y, lse, scale: None, targets: None }),
        }
    }
}

/// A matrix `m (n,V)` to be multiplied: a distribution, or a direction of the tangent pass.
#[derive(Debug)]
pub(super) enum VocabMatrix<'a, T, I> {
    /// The matrix `m (n,V)` itself.
    Stored(&'a T),
    /// What gives it.
    Rows(SoftmaxRows<'a, T, I>),
}

impl<T: Clone, I> VocabMatrix<'_, T, I> {
    /// `m w`, `(n,D)`.
    pub(super) fn mix<B: Backend<Array = T, Index = I>>(&self, b: &B, w: &T) -> T {
        match *self {
            Self::Stored(m) => b.linear_adjoint(m, w),
            Self::Rows(m) => b.rows_matmul(m, w),
        }
    }

    /// `slot += m^T x`.
    pub(super) fn accumulate<B: Backend<Array = T, Index = I>>(&self, b: &B, slot: &mut T, x: &T) {
        match *self {
            Self::Stored(m) => b.accumulate_product(slot, 0, m, x),
            Self::Rows(m) => b.accumulate_rows(slot, m, x),
        }
    }
}
