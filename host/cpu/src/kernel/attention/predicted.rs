//! Attention of the predicted stream to the observed one.

use super::super::element::Element;
use super::super::shared::SharedMut;
use super::layout::Layout;
use super::scores::{Keys, Projection, Scores};
use super::tangent::TangentPass;
use super::{backward, forward};

/// The scores of predictions with the keys of the observed stream and their own.
fn predicted_scores<'a, E: Element>(
    layout: Layout,
    qkv: &'a [E],
    memory: &'a [E],
    starts: Option<&'a [u32]>,
) -> Scores<'a, E> {
    let keys = Keys {
        data: memory,
        along: None,
        stride: layout.memory_columns(),
        keys: 0,
        values: layout.kv_heads * layout.width,
        reach: layout.window - 1,
        ahead: 0,
        own: true,
    };
    Scores { q: Projection { data: qkv, layout }, keys, starts, relations: None }
}

/// Asserts that a memory has `n` rows.
fn check_memory(layout: Layout, n: usize, len: usize) {
    assert!(len == n * layout.memory_columns(), "attention: memory shape");
}

/// Attention of the predicted stream: `out` and `lse` of `qkv` and `memory`.
pub fn predicted_forward<E: Element>(
    layout: Layout,
    qkv: &[E],
    memory: &[E],
    starts: Option<&[u32]>,
    out: &mut [E],
    lse: &mut [E],
) {
    let n = layout.rows(qkv.len(), starts, &[], &[out.len()], &[lse.len()]);
    check_memory(layout, n, memory.len());
    forward::all(n, predicted_scores(layout, qkv, memory, starts), out, lse);
}

/// Gradient of [`predicted_forward`] with respect to `qkv`: overwrites `dqkv`.
pub fn predicted_backward<E: Element>(
    layout: Layout,
    qkv: &[E],
    memory: &[E],
    starts: Option<&[u32]>,
    out: &[E],
    lse: &[E],
    dout: &[E],
    dqkv: &mut [E],
) {
    let outs = [out.len(), dout.len()];
    let n = layout.rows(qkv.len(), starts, &[dqkv.len()], &outs, &[lse.len()]);
    check_memory(layout, n, memory.len());
    let dq = SharedMut::new(dqkv);
    let scores = predicted_scores(layout, qkv, memory, starts);
    backward::Pass { scores, out, lse, dout, dq: Some(&dq), dkeys: None, dbias: None }.all(n);
}

/// Gradient of [`predicted_forward`] with respect to `memory`: adds to
/// `dmemory`.
pub fn memory_backward<E: Element>(
    layout: Layout,
    qkv: &[E],
    memory: &[E],
    starts: Option<&[u32]>,
    out: &[E],
    lse: &[E],
    dout: &[E],
    dmemory: &mut [E],
) {
    let outs = [out.len(), dout.len()];
    let n = layout.rows(qkv.len(), starts, &[], &outs, &[lse.len()]);
    check_memory(layout, n, memory.len());
    check_memory(layout, n, dmemory.len());
    let dkeys = SharedMut::new(dmemory);
    let scores = predicted_scores(layout, qkv, memory, starts);
    backward::Pass { scores, out, lse, dout, dq: None, dkeys: Some((&dkeys, false)), dbias: None }.all(n);
}

/// Tangent of [`predicted_forward`] along `qkv_dot` (`memory` carries none):
/// `out_dot` and `lse_dot`, given the results of the forward pass.
pub fn predicted_forward_tangent<E: Element>(
    layout: Layout,
    qkv: &[E],
    qkv_dot: &[E],
    memory: &[E],
    starts: Option<&[u32]>,
    (out, lse): (&[E], &[E]),
    out_dot: &mut [E],
    lse_dot: &mut [E],
) {
    let (outs, sums) = ([out.len(), out_dot.len()], [lse.len(), lse_dot.len()]);
    let n = layout.rows(qkv.len(), starts, &[qkv_dot.len()], &outs, &sums);
    check_memory(layout, n, memory.len());
    let (scores, along) = (predicted_scores(layout, qkv, memory, starts), Projection { data: qkv_dot, layout });
    forward::all_tangent(n, scores, along, (out, lse), out_dot, lse_dot);
}

/// Tangent of [`predicted_backward`] along `qkv_dot` (with the `out_dot` and
/// `lse_dot` which belong to it) and `dout_dot` (zero when absent): overwrites
/// `dqkv_dot`. Where `dmemory_dot` is given, the tangent of the gradient of
/// [`memory_backward`] is added to it.
pub fn predicted_backward_tangent<E: Element>(
    layout: Layout,
    (qkv, qkv_dot): (&[E], &[E]),
    memory: &[E],
    starts: Option<&[u32]>,
    (out, out_dot): (&[E], &[E]),
    (lse, lse_dot): (&[E], &[E]),
    (dout, dout_dot): (&[E], Option<&[E]>),
    dqkv_dot: &mut [E],
    dmemory_dot: Option<&mut [E]>,
) {
    let along = dout_dot.map_or(out.len(), <[E]>::len);
    let outs = [out.len(), out_dot.len(), dout.len(), along];
    let sums = [lse.len(), lse_dot.len()];
    let n = layout.rows(qkv.len(), starts, &[qkv_dot.len(), dqkv_dot.len()], &outs, &sums);
    check_memory(layout, n, memory.len());
    let dkeys = dmemory_dot.map(|m| {
        check_memory(layout, n, m.len());
        SharedMut::new(m)
    });
    let pass = TangentPass {
        scores: predicted_scores(layout, qkv, memory, starts),
        q_dot: Projection { data: qkv_dot, layout },
        out,
        out_dot,
        lse,
        lse_dot,
        dout,
        dout_dot,
        dq_dot: &SharedMut::new(dqkv_dot),
        dkeys_dot: dkeys.as_ref().map(|dkeys| (dkeys, false)),
        dbias_dot: None,
    };
    pass.all(n);
}
