//! Attention of rows over the cached keys of one observed stream, and of predictions over their own key as well
//! (definition: [`ebt_core::fused::attention`]).
//!
//! For every key head, the queries of all rows and of its group of heads are one matrix: scores, mixtures and their
//! gradients are products with the ring of keys or values. With `P` the weights of the keys and `P0` that of the own key,
//! `delta = sum P dP + P0 dP0`, the backward pass is `dS = P (dP - delta) scale`, `dq = dS K + dS0 k`, `dk = dS0 q`, `dv = P0 dout`.

use super::columns::{Columns, softmax};
use crate::engine::cache::{Cache, Visibility};
use crate::engine::math;
use crate::engine::number::Number;
use crate::engine::slices::{front, row_mut};
use crate::packed::Isa;

/// Geometry of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows `n` of queries: observed tokens or candidates, each counted once, with or without a tangent.
    pub n: usize,
    /// Query heads of a key head.
    pub group: usize,
    /// Key heads `K`; each has a ring of keys and one of values.
    pub key_heads: usize,
    /// Width of a head.
    pub width: usize,
    /// Whether rows see their own key (predictions; that of an observed token is in the cache).
    pub own: bool,
}

impl Shape {
    /// Columns of queries.
    pub fn queries(&self) -> usize {
        self.group.saturating_mul(self.key_heads).saturating_mul(self.width)
    }
    /// Columns of keys.
    pub fn keys(&self) -> usize {
        self.key_heads.saturating_mul(self.width)
    }
    /// Columns of `[q | k | v]`.
    pub fn columns(&self) -> usize {
        self.queries().saturating_add(self.keys().saturating_mul(2))
    }
    /// Rows of queries that share a key head.
    fn stacked(&self) -> usize {
        self.n.saturating_mul(self.group)
    }
    /// Columns `from ..` of arrays `(n, columns)`, as many as one group of queries has.
    pub fn of_group(&self, columns: usize, from: usize) -> Columns {
        Columns { n: self.n, columns, from, wide: self.group.saturating_mul(self.width) }
    }
    /// First columns of head `head`'s group of queries, of its key and of its value.
    pub fn places(&self, head: usize) -> [usize; 3] {
        let query = head.saturating_mul(self.group).saturating_mul(self.width);
        let key = self.queries().saturating_add(head.saturating_mul(self.width));
        [query, key, key.saturating_add(self.keys())]
    }
}

/// Which stream and block of the cache is read, and what each row sees of it.
#[derive(Clone, Copy, Debug)]
pub struct KeysAndValues<'s, 'a> {
    /// Keys and values.
    pub cache: &'s Cache<'a>,
    /// Observed stream whose rings are read: a landscape, or 0 where one stream serves all.
    pub stream: usize,
    /// Block whose rings are read, from 0.
    pub layer: usize,
    /// What the rows see.
    pub visible: Visibility<'s>,
    /// How products are computed.
    pub kernel: Isa,
}

/// Weights that the backward pass needs: per key head `(n group, used)`, and `(n group, 1)` of the own keys.
#[derive(Debug)]
pub struct Weights<'s> {
    /// Of the cached keys.
    pub cached: &'s mut [f32],
    /// Of the own keys.
    pub own: &'s mut [f32],
}

/// Scratch of a pass, each `(n group, d)`.
#[derive(Debug)]
pub struct Scratch<'s> {
    /// Gathered queries of a key head; in the backward pass the gradient of their results.
    pub a: &'s mut [f32],
    /// Results before they are scattered; in the backward pass the gradient of the queries.
    pub b: &'s mut [f32],
    /// Scores' gradient `(n group, used)`.
    pub scores: &'s mut [f32],
}

/// Mixed values `out (n, H d)` of `qkv (n, (H+2K) d)`, queries and keys turned.
pub fn forward<N: Number>(
    shape: Shape,
    memory: KeysAndValues<'_, '_>,
    qkv: &[f32],
    weights: &mut Weights<'_>,
    scratch: &mut Scratch<'_>,
    out: &mut [f32],
) {
    let scale = N::constant(1.0 / math::sqrt(shape.width as f32));
    let (stacked, d, columns) = (shape.stacked(), shape.width, shape.columns());
    let flat = N::PARTS.saturating_mul(stacked).saturating_mul(d);
    for head in 0..shape.key_heads {
        let ring = memory.cache.ring(memory.stream, memory.layer, head);
        let [at_q, at_k, at_v] = shape.places(head);
        let scores = row_mut(weights.cached, head, N::PARTS.saturating_mul(stacked).saturating_mul(ring.used));
        let own = row_mut(weights.own, head, N::PARTS.saturating_mul(stacked));
        let (queries, mixed) = (front(scratch.a, flat), front(scratch.b, flat));
        shape.of_group(columns, at_q).gather::<N>(qkv, 0..shape.n, queries);
        ring.keys.product(memory.kernel, queries, scores);
        let mut rows =
            N::rows_mut(scores, stacked, ring.used).zip(N::rows_mut(own, stacked, 1)).zip(N::rows(queries, stacked, d));
        for (number, row) in N::rows(qkv, shape.n, columns).enumerate() {
            let span = memory.cache.span(memory.visible, number);
            let key = N::part(&row, at_k, d);
            for _ in 0..shape.group {
                let Some(((mut scores, mut own), query)) = rows.next() else { break };
                let first = if shape.own { Some(N::dot(query, key) * scale) } else { None };
                let p0 = softmax(&mut scores, first, scale, ring.used, ring.visible(span));
                N::update_with(&mut own, core::iter::once(p0), |_, p| p);
            }
        }
        drop(rows);
        ring.values.adjoint(memory.kernel, scores, mixed);
        if shape.own {
            let mut rows = N::rows_mut(mixed, stacked, d).zip(N::rows(own, stacked, 1));
            for row in N::rows(qkv, shape.n, columns) {
                let value = N::part(&row, at_v, d);
                for _ in 0..shape.group {
                    let Some((mut mixed, own)) = rows.next() else { break };
                    let Some(p) = N::numbers(own).next() else { break };
                    N::update(&mut mixed, value, |y, v| y + p * v);
                }
            }
        }
        shape.of_group(shape.queries(), at_q).scatter::<N>(mixed, 0..shape.n, out);
    }
}

/// `dqkv (n, (H+2K) d)` of predictions from `dout (n, H d)`, before the turning is undone.
pub fn backward<N: Number>(
    shape: Shape,
    memory: KeysAndValues<'_, '_>,
    qkv: &[f32],
    weights: &mut Weights<'_>,
    dout: &[f32],
    scratch: &mut Scratch<'_>,
    dqkv: &mut [f32],
) {
    let scale = N::constant(1.0 / math::sqrt(shape.width as f32));
    let (stacked, d, columns) = (shape.stacked(), shape.width, shape.columns());
    let flat = N::PARTS.saturating_mul(stacked).saturating_mul(d);
    for head in 0..shape.key_heads {
        let ring = memory.cache.ring(memory.stream, memory.layer, head);
        let [at_q, at_k, at_v] = shape.places(head);
        let wide = N::PARTS.saturating_mul(stacked).saturating_mul(ring.used);
        let weight = &*row_mut(weights.cached, head, wide);
        let own = &*row_mut(weights.own, head, N::PARTS.saturating_mul(stacked));
        let (douts, dqs) = (front(scratch.a, flat), front(scratch.b, flat));
        let ds = front(scratch.scores, wide);
        shape.of_group(shape.queries(), at_q).gather::<N>(dout, 0..shape.n, douts);
        ring.values.product(memory.kernel, douts, ds);
        // dP becomes dS in place
        let mut p_rows = N::rows(weight, stacked, ring.used);
        let mut ds_rows = N::rows_mut(ds, stacked, ring.used);
        let mut stacks = N::rows(own, stacked, 1).zip(N::rows(douts, stacked, d));
        for (row, mut drow) in N::rows(qkv, shape.n, columns).zip(N::rows_mut(dqkv, shape.n, columns)) {
            let (key, value) = (N::part(&row, at_k, d), N::part(&row, at_v, d));
            let zero = N::constant(0.0);
            N::update(&mut N::part_mut(&mut drow, at_k, d), key, |_, _| zero);
            N::update(&mut N::part_mut(&mut drow, at_v, d), value, |_, _| zero);
            for member in 0..shape.group {
                let Some((own, dout)) = stacks.next() else { break };
                let Some(p0) = N::numbers(own).next() else { break };
                let dp0 = N::dot(dout, value);
                let mut delta = p0 * dp0;
                if let (Some(p), Some(mut ds)) = (p_rows.next(), ds_rows.next()) {
                    delta = delta + N::dot(p, N::read(&ds));
                    N::update(&mut ds, p, |dp, p| p * (dp - delta) * scale);
                }
                let ds0 = p0 * (dp0 - delta) * scale;
                let from = at_q.saturating_add(member.saturating_mul(d));
                let query = N::part(&row, from, d);
                N::update(&mut N::part_mut(&mut drow, from, d), key, |_, k| ds0 * k);
                N::update(&mut N::part_mut(&mut drow, at_k, d), query, |dk, q| dk + ds0 * q);
                N::update(&mut N::part_mut(&mut drow, at_v, d), dout, |dv, x| dv + p0 * x);
            }
        }
        drop(ds_rows);
        ring.keys.adjoint(memory.kernel, ds, dqs);
        let wide = shape.group.saturating_mul(d);
        for (dq, mut drow) in N::rows(dqs, shape.n, wide).zip(N::rows_mut(dqkv, shape.n, columns)) {
            N::update(&mut N::part_mut(&mut drow, at_q, wide), dq, |y, dq| y + dq);
        }
    }
}
