//! Matrices `(n,V)` of a rollout, stored or given by logits: candidate distributions and directions.

use crate::compute::{Backend, CrossEntropy, Rows};

/// The candidate distributions `P (n,V)` of all positions.
#[derive(Clone, Debug)]
pub enum Distribution<T> {
    /// The matrix.
    Stored(T),
    /// Its logits `y (n,V)` and their log-sum-exp `(n,1)`.
    Logits {
        /// Logits.
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

    /// The whole matrix.
    pub fn dense<B: Backend<Array = T>>(&self, b: &B) -> T {
        match self {
            Self::Stored(p) => p.clone(),
            Self::Logits { y, .. } => b.softmax(y),
        }
    }

    /// `P w`, `(n,D)`.
    pub(super) fn mix<B: Backend<Array = T>>(&self, b: &B, w: &T) -> T {
        match self {
            Self::Stored(p) => b.linear_adjoint(p, w),
            Self::Logits { y, lse } => b.mix_rows(rows(y, lse), w),
        }
    }

    /// `slot += P^T x`.
    pub(super) fn collect<B: Backend<Array = T>>(&self, b: &B, slot: &mut T, x: &T) {
        match self {
            Self::Stored(p) => b.collect_product(slot, 0, p, x),
            Self::Logits { y, lse } => b.collect_rows(slot, rows(y, lse), x),
        }
    }
}

fn rows<'a, T, I>(logits: &'a T, lse: &'a T) -> Rows<'a, T, I> {
    Rows { logits, lse, scale: None, targets: None }
}

/// A direction `u (n,V)` of the tangent pass.
#[derive(Debug)]
pub(super) enum Direction<'a, T, I> {
    /// The matrix.
    Stored(&'a T),
    /// `scale (softmax(y) - q)`, see [`Rows`].
    Logits {
        /// Next state.
        y: &'a T,
        /// Log-sum-exp of its rows.
        lse: &'a T,
        /// Factor of every row.
        scale: &'a T,
        /// Next tokens.
        targets: &'a I,
        /// Label softening.
        spec: CrossEntropy,
    },
}

impl<'a, T: Clone, I> Direction<'a, T, I> {
    fn rows(y: &'a T, lse: &'a T, scale: &'a T, targets: &'a I, spec: CrossEntropy) -> Rows<'a, T, I> {
        Rows { logits: y, lse, scale: Some(scale), targets: Some((targets, spec)) }
    }

    /// `u w`, `(n,D)`.
    pub(super) fn mix<B: Backend<Array = T, Index = I>>(&self, b: &B, w: &T) -> T {
        match *self {
            Self::Stored(u) => b.linear_adjoint(u, w),
            Self::Logits { y, lse, scale, targets, spec } => b.mix_rows(Self::rows(y, lse, scale, targets, spec), w),
        }
    }

    /// `slot += u^T x`.
    pub(super) fn collect<B: Backend<Array = T, Index = I>>(&self, b: &B, slot: &mut T, x: &T) {
        match *self {
            Self::Stored(u) => b.collect_product(slot, 0, u, x),
            Self::Logits { y, lse, scale, targets, spec } => {
                b.collect_rows(slot, Self::rows(y, lse, scale, targets, spec), x);
            }
        }
    }
}
