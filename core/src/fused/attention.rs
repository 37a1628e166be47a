//! Two-stream sliding-window attention from banded contractions: O(T window) time, no (T,T) array.
//!
//! Scores live as `(n, H slots)`; for the predicted stream one more column per head holds the self term. With
//! `P = exp(s - lse)`, `delta = <dout, out>` per head and `dP = dout . v`, the backward pass is
//! `ds = P (dP - delta)`, then `dq = ds k`, `dk = ds^T q`, `dv = P^T dout`, each times the score scale where due.

use super::{dual, over, tangent_of};
use crate::compute::{Attention, AttentionOutput, Band, Compute, PredictedAttention, Relations};
use crate::dual::DualTensor;

fn score_scale(shape: Attention) -> f64 {
    1.0 / libm::sqrt(shape.head_dim as f64)
}

pub(super) fn split<C: Compute>(c: &C, qkv: &C::Tensor, shape: Attention) -> [C::Tensor; 3] {
    let (q, k) = (shape.query_columns(), shape.key_columns());
    [c.slice_columns(qkv, 0, q), c.slice_columns(qkv, q, k), c.slice_columns(qkv, q + k, k)]
}

pub(super) fn join<C: Compute>(c: &C, parts: [&C::Tensor; 3], shape: Attention) -> C::Tensor {
    let (q, k) = (shape.query_columns(), shape.key_columns());
    let total = q + 2 * k;
    let qk = c.add(&c.pad_columns(parts[0], 0, total), &c.pad_columns(parts[1], q, total));
    c.add(&qk, &c.pad_columns(parts[2], q + k, total))
}

/// One group of visible keys: a band of rows over `k`, `v`, with its mask and what is added by relation.
pub(super) struct Keys<'a, C: Compute> {
    pub(super) k: &'a C::Tensor,
    pub(super) v: &'a C::Tensor,
    pub(super) band: Band,
    pub(super) masked: bool,
    pub(super) relations: Option<Relations<'a, C::Leaf, C::Index>>,
}

/// What the backward pass leaves on a group of keys.
pub(super) struct KeysGradient<T> {
    pub(super) dk: T,
    pub(super) dv: T,
    /// On what is added to the scores `(n, H slots)`.
    pub(super) added: T,
}

/// Scores of every group side by side, `(n H, total slots)`.
fn scores<C: Compute>(
    c: &C,
    q: &C::Tensor,
    groups: &[Keys<'_, C>],
    starts: Option<&C::Index>,
    shape: Attention,
) -> C::Tensor {
    let nh = shape.rows() * shape.heads;
    let total: usize = groups.iter().map(|g| g.band.slots).sum();
    let mut start = 0;
    let mut all = c.fill(nh, total, 0.0);
    for g in groups {
        let mut s = c.scale(&c.window_scores(q, g.k, g.band), score_scale(shape));
        if g.masked {
            s = c.add(&s, &c.window_mask(g.band, starts));
        }
        if let Some(relations) = g.relations {
            s = c.add(&s, &c.relation_bias(g.band, relations));
        }
        all = c.add(&all, &c.pad_columns(&c.reshape(&s, nh, g.band.slots), start, total));
        start += g.band.slots;
    }
    all
}

pub(super) fn attend<C: Compute>(
    c: &C,
    q: &C::Tensor,
    groups: &[Keys<'_, C>],
    starts: Option<&C::Index>,
    shape: Attention,
) -> AttentionOutput<C::Tensor> {
    let n = shape.rows();
    let s = scores(c, q, groups, starts, shape);
    let top = c.max_columns(&s);
    let e = c.exp(&c.add(&s, &c.scale(&top, -1.0)));
    let sum = c.sum_columns(&e);
    let lse = c.add(&c.ln(&sum), &top);
    let p = c.mul(&e, &c.recip(&sum));
    let mut out = c.fill(n, shape.query_columns(), 0.0);
    let mut start = 0;
    for g in groups {
        let part = c.reshape(&c.slice_columns(&p, start, g.band.slots), n, shape.heads * g.band.slots);
        out = c.add(&out, &c.window_mix(&part, g.v, g.band));
        start += g.band.slots;
    }
    AttentionOutput { out, lse: c.reshape(&lse, n, shape.heads) }
}

/// `dq`, and what is left on every group.
pub(super) fn attend_backward<C: Compute>(
    c: &C,
    q: &C::Tensor,
    groups: &[Keys<'_, C>],
    starts: Option<&C::Index>,
    shape: Attention,
    attended: &AttentionOutput<C::Tensor>,
    dout: &C::Tensor,
    mut each: impl FnMut(usize, KeysGradient<C::Tensor>),
) -> C::Tensor {
    let n = shape.rows();
    let nh = n * shape.heads;
    let lse = c.reshape(&attended.lse, nh, 1);
    let p = c.exp(&c.add(&scores(c, q, groups, starts, shape), &c.scale(&lse, -1.0)));
    let products = c.reshape(&c.mul(dout, &attended.out), nh, shape.head_dim);
    let minus_delta = c.scale(&c.sum_columns(&products), -1.0);
    let mut dq = c.fill(n, shape.query_columns(), 0.0);
    let mut start = 0;
    for (i, g) in groups.iter().enumerate() {
        let slots = g.band.slots;
        let p = c.slice_columns(&p, start, slots);
        let dp = c.reshape(&c.window_scores(dout, g.v, g.band), nh, slots);
        let added = c.reshape(&c.mul(&p, &c.add(&dp, &minus_delta)), n, shape.heads * slots);
        let ds = c.scale(&added, score_scale(shape));
        let p = c.reshape(&p, n, shape.heads * slots);
        dq = c.add(&dq, &c.window_mix(&ds, g.k, g.band));
        let (dk, dv) = (c.window_scatter(&ds, q, g.band), c.window_scatter(&p, dout, g.band));
        each(i, KeysGradient { dk, dv, added });
        start += slots;
    }
    dq
}

/// Observed stream: keys of the same stream up to the query's own row.
pub fn causal<C: Compute>(
    c: &C,
    qkv: &C::Tensor,
    starts: Option<&C::Index>,
    shape: Attention,
) -> AttentionOutput<C::Tensor> {
    let [q, k, v] = split(c, qkv, shape);
    let band = shape.band(shape.causal_slots());
    attend(c, &q, &[Keys { k: &k, v: &v, band, masked: true, relations: None }], starts, shape)
}

/// `dqkv` of [`causal`].
pub fn causal_backward<C: Compute>(
    c: &C,
    qkv: &C::Tensor,
    starts: Option<&C::Index>,
    shape: Attention,
    attended: &AttentionOutput<C::Tensor>,
    dout: &C::Tensor,
) -> C::Tensor {
    let [q, k, v] = split(c, qkv, shape);
    let band = shape.band(shape.causal_slots());
    let mut rest = None;
    let keys = [Keys { k: &k, v: &v, band, masked: true, relations: None }];
    let dq = attend_backward(c, &q, &keys, starts, shape, attended, dout, |_, on_keys| rest = Some(on_keys));
    match rest {
        Some(KeysGradient { dk, dv, .. }) => join(c, [&dq, &dk, &dv], shape),
        None => join(c, [&dq, &k, &v], shape),
    }
}

/// Keys of the predicted stream: its own row, then the observed rows before (if the window holds any).
fn with_predicted_keys<C: Compute, R>(
    c: &C,
    input: PredictedAttention<'_, C::Tensor, C::Leaf, C::Index>,
    run: impl FnOnce(&C::Tensor, &[Keys<'_, C>]) -> R,
) -> R {
    let shape = input.shape;
    let [q, k, v] = split(c, input.qkv, shape);
    let own = Keys { k: &k, v: &v, band: shape.band(1), masked: false, relations: None };
    let slots = shape.predicted_slots();
    if slots == 0 {
        return run(&q, &[own]);
    }
    let memory = c.lift(input.memory);
    let columns = shape.key_columns();
    let mk = c.slice_columns(&memory, 0, columns);
    let mv = c.slice_columns(&memory, columns, columns);
    run(&q, &[own, Keys { k: &mk, v: &mv, band: shape.band(slots), masked: true, relations: None }])
}

/// Predicted stream: observed keys in the window and the prediction's own.
pub fn predicted<C: Compute>(
    c: &C,
    input: PredictedAttention<'_, C::Tensor, C::Leaf, C::Index>,
) -> AttentionOutput<C::Tensor> {
    with_predicted_keys(c, input, |q, keys| attend(c, q, keys, input.starts, input.shape))
}

/// `dqkv` of [`predicted`]; the memory's gradient goes to `dmemory`.
pub fn predicted_backward<C: Compute>(
    c: &C,
    input: PredictedAttention<'_, C::Tensor, C::Leaf, C::Index>,
    attended: &AttentionOutput<C::Tensor>,
    dout: &C::Tensor,
    dmemory: Option<&mut C::Leaf>,
) -> C::Tensor {
    let shape = input.shape;
    let columns = shape.key_columns();
    with_predicted_keys(c, input, |q, keys| {
        let (mut own, mut memory) = (None, None);
        let dq = attend_backward(c, q, keys, input.starts, shape, attended, dout, |i, on_keys| {
            *(if i == 0 { &mut own } else { &mut memory }) = Some(on_keys);
        });
        if let (Some(slot), Some(KeysGradient { dk, dv, .. })) = (dmemory, memory) {
            c.accumulate(slot, &c.pad_columns(&dk, 0, 2 * columns));
            c.accumulate(slot, &c.pad_columns(&dv, columns, 2 * columns));
        }
        match own {
            Some(KeysGradient { dk, dv, .. }) => join(c, [&dq, &dk, &dv], shape),
            None => c.pad_columns(&dq, 0, shape.query_columns() + 2 * columns),
        }
    })
}

fn lifted<'a, C: Compute>(
    input: PredictedAttention<'a, C::Tensor, C::Leaf, C::Index>,
    qkv: &'a DualTensor<C::Tensor>,
) -> PredictedAttention<'a, DualTensor<C::Tensor>, C::Leaf, C::Index> {
    PredictedAttention { qkv, memory: input.memory, starts: input.starts, shape: input.shape }
}

/// Tangent of [`predicted`] along `qkvt`.
pub fn predicted_tangent<C: Compute>(
    c: &C,
    input: PredictedAttention<'_, C::Tensor, C::Leaf, C::Index>,
    qkvt: &C::Tensor,
    _attended: &AttentionOutput<C::Tensor>,
) -> AttentionOutput<C::Tensor> {
    let qkv = dual::<C>([input.qkv, qkvt]);
    let both = predicted(&over(c), lifted::<C>(input, &qkv));
    AttentionOutput { out: tangent_of(c, both.out), lse: tangent_of(c, both.lse) }
}

/// Tangent of [`predicted_backward`]; the tangent of the memory's gradient goes to `dmemory`.
pub fn predicted_backward_tangent<C: Compute>(
    c: &C,
    input: PredictedAttention<'_, C::Tensor, C::Leaf, C::Index>,
    qkvt: &C::Tensor,
    attended: [&AttentionOutput<C::Tensor>; 2],
    dout: [&C::Tensor; 2],
    dmemory: Option<&mut C::Leaf>,
) -> C::Tensor {
    let qkv = dual::<C>([input.qkv, qkvt]);
    let both = AttentionOutput {
        out: dual::<C>([&attended[0].out, &attended[1].out]),
        lse: dual::<C>([&attended[0].lse, &attended[1].lse]),
    };
    let d = over(c);
    tangent_of(c, predicted_backward(&d, lifted::<C>(input, &qkv), &both, &dual::<C>(dout), dmemory))
}
