//! What feed-forward layers keep and what they work in.

use crate::engine::number::Number;
use crate::engine::slices::front;

/// What the backward pass needs.
#[derive(Debug)]
pub struct Saved<'s> {
    /// `[W1 x | W3 x]` of the dense layer or of the shared experts `(n, 2F)`.
    pub up: &'s mut [f32],
    /// The same of the routed experts, slot by slot.
    pub expert_up: &'s mut [f32],
    /// Outputs of the routed experts, slot by slot `(n k, D)`.
    pub expert_out: &'s mut [f32],
    /// Gates `(n,E)`.
    pub gate: &'s mut [f32],
    /// 1 where an expert was chosen `(n,E)`.
    pub chosen: &'s mut [f32],
}

/// Scratch.
#[derive(Debug)]
pub struct Buffers<'s> {
    /// `(n, F)`.
    pub hidden: &'s mut [f32],
    /// `(n, 2F)`.
    pub up: &'s mut [f32],
    /// `(n, D)`.
    pub xs: &'s mut [f32],
    /// `(n, D)`.
    pub dxs: &'s mut [f32],
    /// `(n, E)`.
    pub gates: &'s mut [f32],
}

/// The part of a buffer that `n` rows of this width take.
pub fn rows<N: Number>(array: &mut [f32], n: usize, width: usize) -> &mut [f32] {
    front(array, N::PARTS.saturating_mul(n).saturating_mul(width))
}
