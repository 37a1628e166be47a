//! Windowed attention in blocks of queries.
//!
//! A projection `qkv` is `(n, (H + 2K) d)`: the columns of `H` query heads,
//! then of `K` key heads, then of `K` value heads, each `d` wide and already
//! rotated. Rows are `n = batch * context` positions. Query head `h` uses key
//! and value head `h / (H / K)`; logits are scaled by `1 / sqrt(d)`. `out` and
//! its gradients are `(n, H d)`, `lse` (log of the sum of exponentials of the
//! visible logits) is `(n, H)`.
//!
//! * Causal (observed stream): position `t` of a sequence sees the positions
//!   `max(t - window + 1, start[t]) ..= t` of the same sequence.
//! * Predicted stream: position `t` sees the observed keys and
//!   values at `max(t - window + 2, start[t]) ..= t` (none for a window of
//!   one), and its own key and value. The observed ones come as `memory`,
//!   `(n, 2K d)`: key columns, then value columns.
//!
//! `starts`, where given, is `(n)`: the first visible index inside the
//! sequence of each position (at most its own index).
//!
//! Time is `O(n * window)`; a thread keeps scratch of a few times
//! `BLOCK * (window + BLOCK)` elements and allocates nothing once it has it.
//! Work is divided by sequence and head; results do not depend on the number
//! of threads.

mod backward;
mod blocks;
mod forward;
mod joint;
mod layout;
mod predicted;
mod relations;
mod rows;
mod scores;
mod span;
mod tangent;
#[cfg(test)]
mod tests;

use super::element::Element;
use super::shared::SharedMut;
pub use joint::{joint_backward, joint_backward_tangent, joint_forward, joint_forward_tangent};
pub use layout::Layout;
pub use predicted::{
    memory_backward, predicted_backward, predicted_backward_tangent, predicted_forward, predicted_forward_tangent,
};
pub use relations::Relations;
use scores::{Keys, Projection, Scores};

/// The keys and values of a layer's own projection, up to the query's.
fn own_keys<E: Element>(layout: Layout, qkv: &[E]) -> Keys<'_, E> {
    let keys = layout.heads * layout.width;
    let values = keys + layout.kv_heads * layout.width;
    let (stride, reach) = (layout.columns(), layout.window);
    Keys { data: qkv, along: None, stride, keys, values, reach, ahead: 0, own: false }
}

/// The scores of a causal layer.
fn causal_scores<'a, E: Element>(layout: Layout, qkv: &'a [E], starts: Option<&'a [u32]>) -> Scores<'a, E> {
    Scores { q: Projection { data: qkv, layout }, keys: own_keys(layout, qkv), starts, relations: None }
}

/// Causal attention: `out` and `lse` of `qkv`.
pub fn causal_forward<E: Element>(layout: Layout, qkv: &[E], starts: Option<&[u32]>, out: &mut [E], lse: &mut [E]) {
    let n = layout.rows(qkv.len(), starts, &[], &[out.len()], &[lse.len()]);
    forward::all(n, causal_scores(layout, qkv, starts), out, lse);
}

/// Gradient of [`causal_forward`]: overwrites `dqkv` given its inputs, its
/// results and the gradient `dout` of `out`.
pub fn causal_backward<E: Element>(
    layout: Layout,
    qkv: &[E],
    starts: Option<&[u32]>,
    out: &[E],
    lse: &[E],
    dout: &[E],
    dqkv: &mut [E],
) {
    let outs = [out.len(), dout.len()];
    let n = layout.rows(qkv.len(), starts, &[dqkv.len()], &outs, &[lse.len()]);
    let dqkv = SharedMut::new(dqkv);
    let (dq, dkeys) = (Some(&dqkv), Some((&dqkv, true)));
    backward::Pass { scores: causal_scores(layout, qkv, starts), out, lse, dout, dq, dkeys, dbias: None }.all(n);
}
