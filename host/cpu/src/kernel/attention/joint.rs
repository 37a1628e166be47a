//! Attention among all positions.

use super::super::element::Element;
use super::super::shared::SharedMut;
use super::layout::Layout;
use super::relations::Relations;
use super::scores::{Keys, Projection, Scores};
use super::tangent::TangentPass;
use super::{backward, forward, own_keys};

/// The scores of a layer, along `qkv_dot` where it is given.
fn joint_scores<'a, E: Element>(
    layout: Layout,
    (qkv, along): (&'a [E], Option<&'a [E]>),
    relations: Option<Relations<'a, E>>,
    starts: Option<&'a [u32]>,
) -> Scores<'a, E> {
    if let Some(relations) = relations {
        relations.check(layout);
    }
    let keys = Keys { along, ahead: layout.window - 1, ..own_keys(layout, qkv) };
    Scores { q: Projection { data: qkv, layout }, keys, starts, relations }
}

/// The gradient of the biases of every sequence, to share, after a check of its
/// length.
fn by_sequence<'a, E: Element>(
    layout: Layout,
    n: usize,
    relations: Option<Relations<'_, E>>,
    dbias: Option<&'a mut [E]>,
) -> Option<SharedMut<'a, E>> {
    dbias.map(|dbias| {
        let biases = relations.map_or(0, |r| r.bias.len());
        assert!(dbias.len() == n / layout.context * biases, "attention: gradient of the biases");
        SharedMut::new(dbias)
    })
}

/// Attention among all positions: `out` and `lse` of `qkv`.
pub fn joint_forward<E: Element>(
    layout: Layout,
    qkv: &[E],
    relations: Option<Relations<'_, E>>,
    starts: Option<&[u32]>,
    out: &mut [E],
    lse: &mut [E],
) {
    let n = layout.rows(qkv.len(), starts, &[], &[out.len()], &[lse.len()]);
    forward::all(n, joint_scores(layout, (qkv, None), relations, starts), out, lse);
}

/// Gradient of [`joint_forward`]: overwrites `dqkv` given its inputs, its
/// results and the gradient `dout` of `out`, and, where it is given, `dbias`
/// `(B, classes, H)` by the gradient of the biases of every sequence.
pub fn joint_backward<E: Element>(
    layout: Layout,
    qkv: &[E],
    relations: Option<Relations<'_, E>>,
    starts: Option<&[u32]>,
    (out, lse): (&[E], &[E]),
    dout: &[E],
    dqkv: &mut [E],
    dbias: Option<&mut [E]>,
) {
    let outs = [out.len(), dout.len()];
    let n = layout.rows(qkv.len(), starts, &[dqkv.len()], &outs, &[lse.len()]);
    let scores = joint_scores(layout, (qkv, None), relations, starts);
    let (dqkv, dbias) = (SharedMut::new(dqkv), by_sequence(layout, n, relations, dbias));
    let (dq, dkeys) = (Some(&dqkv), Some((&dqkv, true)));
    backward::Pass { scores, out, lse, dout, dq, dkeys, dbias: dbias.as_ref() }.all(n);
}

/// Tangent of [`joint_forward`] along `qkv_dot`: `out_dot` and `lse_dot`, given
/// the results of the forward pass.
pub fn joint_forward_tangent<E: Element>(
    layout: Layout,
    (qkv, qkv_dot): (&[E], &[E]),
    relations: Option<Relations<'_, E>>,
    starts: Option<&[u32]>,
    (out, lse): (&[E], &[E]),
    out_dot: &mut [E],
    lse_dot: &mut [E],
) {
    let (outs, sums) = ([out.len(), out_dot.len()], [lse.len(), lse_dot.len()]);
    let n = layout.rows(qkv.len(), starts, &[qkv_dot.len()], &outs, &sums);
    let scores = joint_scores(layout, (qkv, Some(qkv_dot)), relations, starts);
    forward::all_tangent(n, scores, Projection { data: qkv_dot, layout }, (out, lse), out_dot, lse_dot);
}

/// Tangent of [`joint_backward`] along `qkv_dot` (with the `out_dot` and
/// `lse_dot` which belong to it) and `dout_dot`: overwrites `dqkv_dot`, and,
/// where it is given, `dbias_dot` by the tangent of `dbias`.
pub fn joint_backward_tangent<E: Element>(
    layout: Layout,
    (qkv, qkv_dot): (&[E], &[E]),
    relations: Option<Relations<'_, E>>,
    starts: Option<&[u32]>,
    (out, out_dot): (&[E], &[E]),
    (lse, lse_dot): (&[E], &[E]),
    (dout, dout_dot): (&[E], &[E]),
    dqkv_dot: &mut [E],
    dbias_dot: Option<&mut [E]>,
) {
    let outs = [out.len(), out_dot.len(), dout.len(), dout_dot.len()];
    let sums = [lse.len(), lse_dot.len()];
    let n = layout.rows(qkv.len(), starts, &[qkv_dot.len(), dqkv_dot.len()], &outs, &sums);
    let (dqkv_dot, dbias_dot) = (SharedMut::new(dqkv_dot), by_sequence(layout, n, relations, dbias_dot));
    let pass = TangentPass {
        scores: joint_scores(layout, (qkv, Some(qkv_dot)), relations, starts),
        q_dot: Projection { data: qkv_dot, layout },
        out,
        out_dot,
        lse,
        lse_dot,
        dout,
        dout_dot: Some(dout_dot),
        dq_dot: &dqkv_dot,
        dkeys_dot: Some((&dqkv_dot, true)),
        dbias_dot: dbias_dot.as_ref(),
    };
    pass.all(n);
}
