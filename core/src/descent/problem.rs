//! Problems of a joint energy: which tokens each position may take, and what belongs to one problem.
//!
//! A position is *given* where its set holds one token: `softmax` over the set is then the vertex, whose Jacobian is zero, so
//! neither state nor gradient of a given position matters. Tokens outside a set have the logit [`HIDDEN`].
//!
//! A *prior* says what is likely before anything is computed: logits `l`, of which `softmax(l)` is where descent starts, and which the
//! entropy is relative to, `F = E + tau KL(P || softmax(l))` up to a constant.

use crate::compute::Backend;

/// The logit of a token that is not allowed: its probability is zero in every precision.
pub const HIDDEN: f64 = -1e4;

/// Problems on the device.
#[derive(Debug)]
pub struct Problems<'a, A, I> {
    /// 1 where a token is allowed, else 0, `(n,V)`.
    pub allowed: &'a A,
    /// 0 where a token is allowed, else [`HIDDEN`], `(n,V)`.
    pub hidden: &'a A,
    /// 1 at positions of the problem, 0 at padding, `(n,1)`.
    pub present: &'a A,
    /// Logits `l` of what is held likely beforehand `(n,V)`, 0 where nothing is said; where descent starts, and what an entropy is
    /// relative to.
    pub prior: Option<&'a A>,
    /// Rows of the table of positions that every row adds up, each `(n)`.
    pub places: &'a [I],
}

impl<A, I> Clone for Problems<'_, A, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<A, I> Copy for Problems<'_, A, I> {}

impl<A: Clone, I> Problems<'_, A, I> {
    /// `y (n,V)` with hidden tokens put out of reach.
    pub fn masked<B: Backend<Array = A, Index = I>>(&self, b: &B, y: &A) -> A {
        b.add(&b.mul(y, self.allowed), self.hidden)
    }
}
