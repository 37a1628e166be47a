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
    /// Gates `(n,E)`: softmax over the routed experts, chosen or not.
    pub gate: &'s mut [f32],
    /// 1 where an expert was chosen `(n,E)`.
    pub chosen: &'s mut [f32],
}

/// Scratch of a feed-forward layer; nothing in it is kept from one call to the next.
#[derive(Debug)]
pub struct Buffers<'s> {
    /// `silu(u1) u3` of one SwiGLU `(n, F)`; in the backward pass its gradient.
    pub hidden: &'s mut [f32],
    /// Gradient of `[W1 x | W3 x] (n, 2F)`; used in the backward pass alone.
    pub up: &'s mut [f32],
    /// Inputs of the rows that chose an expert `(n, D)`; in the backward pass gradients of its outputs.
    pub xs: &'s mut [f32],
    /// Gradients of an expert's inputs, and lastly of the gates' inputs, `(n, D)`.
    pub dxs: &'s mut [f32],
    /// Gradients of the gates, then of their logits, `(n, E)`.
    pub gates: &'s mut [f32],
}

/// The part of a buffer that `n` rows of this width take.
pub fn rows<N: Number>(array: &mut [f32], n: usize, width: usize) -> &mut [f32] {
    front(array, N::PARTS.saturating_mul(n).saturating_mul(width))
}
