//! Attention of rows over the cached keys of one observed stream, and of predictions over their own key as well
//! (definition: [`ebt_core::fused::attention`]).
//!
//! For every key head, the queries of all rows and of its group of heads are one matrix: scores, mixtures and their
//! gradients are products with the ring of keys or values. With `P` the weights of the keys and `P0` that of the own key,
//! `delta = sum P dP + P0 dP0`, the backward pass is `dS = P (dP - delta) scale`, `dq = dS K + dS0 k`, `dk = dS0 q`, `dv = P0 dout`.

use core::ops::Range;

use crate::engine::cache::{Cache, Seen};
use crate::engine::math;
use crate::engine::number::Number;
use crate::engine::slices::{front, row_mut, row_of};
use crate::packed::{Kernel, Matrix, Storage};

/// Geometry of a pass.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rows.
    pub n: usize,
    /// Query heads of a key head.
    pub group: usize,
    /// Key heads.
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
    /// First columns of head `head`'s group of queries, of its key and of its value.
    fn places(&self, head: usize) -> [usize; 3] {
        let query = head.saturating_mul(self.group).saturating_mul(self.width);
        let key = self.queries().saturating_add(head.saturating_mul(self.width));
        [query, key, key.saturating_add(self.keys())]
    }
}

/// Which stream and block of the cache is read, and what each row sees of it.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'s, 'a> {
    /// Keys and values.
    pub cache: &'s Cache<'a>,
    /// Observed stream.
    pub stream: usize,
    /// Block.
    pub layer: usize,
    /// What the rows see.
    pub seen: Seen<'s>,
    /// How products are computed.
    pub kernel: Kernel,
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
    /// Gathered queries.
    pub a: &'s mut [f32],
    /// Gathered results.
    pub b: &'s mut [f32],
    /// Scores' gradient `(n group, used)`.
    pub scores: &'s mut [f32],
}

/// Copies the columns `from..` of every row to rows of their own: `(n, columns) -> (n group, d)`.
fn gather<N: Number>(shape: Shape, array: &[f32], columns: usize, from: usize, out: &mut [f32]) {
    let mut out = N::rows_mut(out, shape.n, shape.group.saturating_mul(shape.width));
    for row in N::rows(array, shape.n, columns) {
        let Some(mut to) = out.next() else { return };
        N::update(&mut to, N::part(&row, from, shape.group.saturating_mul(shape.width)), |_, x| x);
    }
}

/// The reverse of [`gather`].
fn scatter<N: Number>(shape: Shape, array: &[f32], columns: usize, from: usize, out: &mut [f32]) {
    let wide = shape.group.saturating_mul(shape.width);
    for (row, mut to) in N::rows(array, shape.n, wide).zip(N::rows_mut(out, shape.n, columns)) {
        N::update(&mut N::part_mut(&mut to, from, wide), row, |_, x| x);
    }
}

/// A ring as a matrix `(used, d)`; numbers in memory are little-endian on every target.
fn of_floats(ring: &[f32], used: usize, width: usize) -> Matrix<'_> {
    Matrix::over(Storage::F32, used, width, bytemuck::cast_slice(ring), &[]).unwrap_or(Matrix::EMPTY)
}

/// Mixed values `out (n, H d)` of `qkv (n, (H+2K) d)`, queries and keys turned.
pub fn forward<N: Number>(
    shape: Shape,
    memory: Memory<'_, '_>,
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
        gather::<N>(shape, qkv, columns, at_q, queries);
        let keys = of_floats(ring.keys, ring.used, d);
        keys.product(memory.kernel, queries, scores);
        let mut rows =
            N::rows_mut(scores, stacked, ring.used).zip(N::rows_mut(own, stacked, 1)).zip(N::rows(queries, stacked, d));
        for (number, row) in N::rows(qkv, shape.n, columns).enumerate() {
            let span = memory.cache.span(memory.seen, number);
            let key = N::part(&row, at_k, d);
            for _ in 0..shape.group {
                let Some(((mut scores, mut own), query)) = rows.next() else { break };
                let first = if shape.own { Some(N::dot(query, key) * scale) } else { None };
                softmax(&mut scores, &mut own, first, scale, ring.used, ring.visible(span));
            }
        }
        drop(rows);
        let values = of_floats(ring.values, ring.used, d);
        values.adjoint(memory.kernel, scores, mixed);
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
        scatter::<N>(shape, mixed, shape.queries(), at_q, out);
    }
}

/// Weights of one row in place of its `used` scores; what is not visible has weight 0.
fn softmax<N: Number>(
    scores: &mut N::RowMut<'_>,
    own: &mut N::RowMut<'_>,
    first: Option<N>,
    scale: N,
    used: usize,
    visible: [Range<usize>; 2],
) {
    let mut top = first.map_or(f32::NEG_INFINITY, N::value);
    for range in &visible {
        // scaling keeps the order
        let largest = N::largest(N::part(&N::read(scores), range.start, range.len())) * scale.value();
        top = if largest > top { largest } else { top };
    }
    let top = N::constant(if top > f32::NEG_INFINITY { top } else { 0.0 });
    let mut end = 0usize;
    for range in visible {
        N::map(&mut N::part_mut(scores, end, range.start.saturating_sub(end)), |_| N::constant(0.0));
        N::map(&mut N::part_mut(scores, range.start, range.len()), |s| (s * scale - top).exp());
        end = range.end.max(end);
    }
    N::map(&mut N::part_mut(scores, end, used.saturating_sub(end)), |_| N::constant(0.0));
    let sum = N::total(N::read(scores));
    let first = first.map_or(N::constant(0.0), |s| (s - top).exp());
    let over = (sum + first).recip();
    N::map(scores, |e| e * over);
    N::update_with(own, core::iter::once(first * over), |_, p| p);
}

/// `dqkv (n, (H+2K) d)` of predictions from `dout (n, H d)`, before the turning is undone.
pub fn backward<N: Number>(
    shape: Shape,
    memory: Memory<'_, '_>,
    qkv: &[f32],
    (cached, own): (&[f32], &[f32]),
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
        let weight = row_of(cached, head, wide);
        let own = row_of(own, head, N::PARTS.saturating_mul(stacked));
        let (douts, dqs) = (front(scratch.a, flat), front(scratch.b, flat));
        let ds = front(scratch.scores, wide);
        gather::<N>(shape, dout, shape.queries(), at_q, douts);
        of_floats(ring.values, ring.used, d).product(memory.kernel, douts, ds);
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
        of_floats(ring.keys, ring.used, d).adjoint(memory.kernel, ds, dqs);
        let wide = shape.group.saturating_mul(d);
        for (dq, mut drow) in N::rows(dqs, shape.n, wide).zip(N::rows_mut(dqkv, shape.n, columns)) {
            N::update(&mut N::part_mut(&mut drow, at_q, wide), dq, |y, dq| y + dq);
        }
    }
}
