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
mod forward;
mod predicted;
mod rows;
mod span;
mod tangent;
#[cfg(test)]
mod tests;

use super::element::Element;
use super::par;
use super::shared::SharedMut;
pub use predicted::{
    memory_backward, predicted_backward, predicted_backward_tangent, predicted_forward, predicted_forward_tangent,
};
use span::{Keys, Projection};

/// Queries of one block.
const BLOCK: usize = 64;

/// Shape of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Query heads `H`, a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads `K`.
    pub kv_heads: usize,
    /// Columns of a head `d`.
    pub width: usize,
    /// Rows of a sequence.
    pub context: usize,
    /// Visible positions, the own one included; at least one.
    pub window: usize,
}

impl Layout {
    /// Columns of a projection: `(H + 2K) d`.
    pub fn columns(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.width
    }

    /// Columns of a memory: `2K d`.
    pub fn memory_columns(&self) -> usize {
        2 * self.kv_heads * self.width
    }

    /// Query heads of one key head.
    fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Number of rows of a projection, after checks of the shapes: the
    /// lengths of further projections, of `(n, H d)` and of `(n, H)` slices.
    fn rows(&self, qkv: usize, starts: Option<&[u32]>, projections: &[usize], outs: &[usize], sums: &[usize]) -> usize {
        let Layout { heads, kv_heads, width, context, window } = *self;
        assert!(heads > 0 && kv_heads > 0 && width > 0, "attention: empty heads");
        assert!(heads.is_multiple_of(kv_heads), "attention: heads do not divide");
        assert!(context > 0 && window > 0, "attention: empty window");
        let n = qkv / self.columns();
        assert!(n * self.columns() == qkv && n.is_multiple_of(context), "attention: rows");
        assert!(starts.is_none_or(|s| s.len() == n), "attention: starts");
        assert!(projections.iter().all(|&len| len == qkv), "attention: projection shape");
        assert!(outs.iter().all(|&len| len == n * heads * width), "attention: output shape");
        assert!(sums.iter().all(|&len| len == n * heads), "attention: sums shape");
        n
    }
}

/// The observed keys and values of a causal layer: its own projection.
fn causal_keys<E: Element>(layout: Layout, qkv: &[E]) -> Keys<'_, E> {
    let keys = layout.heads * layout.width;
    let values = keys + layout.kv_heads * layout.width;
    Keys { data: qkv, stride: layout.columns(), keys, values, reach: layout.window, own: false }
}

/// Causal attention: `out` and `lse` of `qkv`.
pub fn causal_forward<E: Element>(layout: Layout, qkv: &[E], starts: Option<&[u32]>, out: &mut [E], lse: &mut [E]) {
    let n = layout.rows(qkv.len(), starts, &[], &[out.len()], &[lse.len()]);
    let (q, keys) = (Projection { data: qkv, layout }, causal_keys(layout, qkv));
    let (out, lse) = (SharedMut::new(out), SharedMut::new(lse));
    par::tasks(n / layout.context * layout.heads, &|i| {
        forward::head(q, keys, starts, (i / layout.heads, i % layout.heads), &out, &lse);
    });
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
    let keys = causal_keys(layout, qkv);
    let dqkv = SharedMut::new(dqkv);
    let pass = backward::Pass {
        q: Projection { data: qkv, layout },
        keys,
        starts,
        out,
        lse,
        dout,
        dq: Some(&dqkv),
        dkeys: Some((&dqkv, true)),
    };
    par::tasks(n / layout.context * layout.kv_heads, &|i| {
        pass.group(i / layout.kv_heads, i % layout.kv_heads);
    });
}
