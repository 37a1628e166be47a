//! Attention among all positions of a problem (definition: [`ebt_core::fused::joint_attention`]): a query sees the keys
//! that are less than a window away, and a bias by the relation of the two is added to their score.
//!
//! Key heads come one after the other, and of each a block of queries at a time. Nothing is kept for the way back, where weights
//! `P` are computed again: memory grows with the length of a problem, not with its square. With `delta = sum P dP`,
//! `dS = P (dP - delta) scale`: `dq = dS K`, `dk = dS^T q`, `dv = P^T dout`.

use core::ops::Range;

use super::attention::Shape;
use super::columns::{Columns, of_floats, softmax};
use crate::engine::arena::Arena;
use crate::engine::error::Error;
use crate::engine::math;
use crate::engine::number::Number;
use crate::engine::sizes::Sizes;
use crate::engine::slices::front;
use crate::packed::{Floats, Isa, Matrix};
use ebt_core::config::JointConfig;

/// Positions whose queries are computed together.
const QUERIES: usize = 64;

/// What is added to scores.
#[derive(Clone, Copy, Debug)]
pub struct Relations<'s> {
    /// Biases by class and query head `(classes, H)`.
    pub bias: Floats<'s>,
    /// Says which class a relation has.
    pub joint: &'s JointConfig,
    /// Row, column and box of every cell of a grid `(n, 3)`; empty without a grid.
    pub places: &'s [u32],
}

impl Relations<'_> {
    fn class(&self, t: usize, u: usize) -> usize {
        let place = |cell: usize| self.places.as_chunks::<3>().0.get(cell);
        match (place(t), place(u)) {
            (Some(a), Some(b)) => {
                a.iter().zip(b).zip([1, 2, 4]).map(|((a, b), bit)| if a == b { bit } else { 0 }).sum()
            }
            _ => self.joint.class(t, u) as usize,
        }
    }

    /// Biases of query `t` of head `head` of `heads` on `keys`.
    fn of(&self, t: usize, (head, heads): (usize, usize), keys: Range<usize>) -> impl Iterator<Item = f32> {
        keys.map(move |u| self.bias.get(self.class(t, u).saturating_mul(heads).saturating_add(head)))
    }
}

/// Attention of one block.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'s> {
    /// Positions, heads and their width; positions see themselves as all others.
    pub shape: Shape,
    /// Positions on one side that a query sees, itself included.
    pub window: usize,
    /// What is added to scores, where relations count.
    pub relations: Option<Relations<'s>>,
    /// How products are computed.
    pub kernel: Isa,
}

/// Scratch of one key head at a time, `n` being positions, `m` the queries of a block, of a group of heads, and `k` the keys
/// that these see.
#[derive(Debug)]
pub struct Buffers<'a> {
    /// Keys and values and their gradients, each `(n, d)`.
    keys: &'a mut [f32],
    values: &'a mut [f32],
    dkeys: &'a mut [f32],
    dvalues: &'a mut [f32],
    /// Queries, gradients of their results, and their results or their gradients, each `(m, d)`.
    queries: &'a mut [f32],
    douts: &'a mut [f32],
    mixed: &'a mut [f32],
    /// Weights and gradients of scores, each `(m, k)`, and the transpose of either.
    weights: &'a mut [f32],
    scores: &'a mut [f32],
    turned: &'a mut [f32],
    /// What a block adds to the gradients of its keys or values `(k, d)`.
    piece: &'a mut [f32],
    /// One product more, where there are tangents.
    extra: &'a mut [f32],
}

impl<'a> Buffers<'a> {
    /// Room for problems of at most `sizes.rows` positions.
    pub fn alloc(arena: &mut Arena<'a>, sizes: &Sizes) -> Result<Self, Error> {
        let (n, d, parts) = (sizes.rows, sizes.head_width, sizes.parts);
        let together = n.min(QUERIES);
        let k = n.min(together.saturating_add(sizes.window.saturating_sub(1).saturating_mul(2)));
        let m = together.saturating_mul(sizes.group);
        let (wide, queries, keys) = (parts.saturating_mul(n), parts.saturating_mul(m), parts.saturating_mul(k));
        let most = m.saturating_mul(k).max(m.max(k).saturating_mul(d));
        Ok(Self {
            keys: arena.matrix(wide, d)?,
            values: arena.matrix(wide, d)?,
            dkeys: arena.matrix(wide, d)?,
            dvalues: arena.matrix(wide, d)?,
            queries: arena.matrix(queries, d)?,
            douts: arena.matrix(queries, d)?,
            mixed: arena.matrix(queries, d)?,
            weights: arena.matrix(queries, k)?,
            scores: arena.matrix(queries, k)?,
            turned: arena.matrix(queries, k)?,
            piece: arena.matrix(keys, d)?,
            extra: arena.floats(if parts > 1 { most } else { 0 })?,
        })
    }
}

/// Rows of an array `(n, width)`, as the right factor of products.
struct Factor<'s> {
    array: &'s [f32],
    n: usize,
    width: usize,
    rows: Range<usize>,
}

impl Factor<'_> {
    /// The values of the rows (part 0) or their tangents (part 1).
    fn part(&self, part: usize) -> Matrix<'_> {
        let first = part.saturating_mul(self.n).saturating_add(self.rows.start).saturating_mul(self.width);
        let end = first.saturating_add(self.rows.len().saturating_mul(self.width));
        of_floats(self.array.get(first..end).unwrap_or_default(), self.rows.len(), self.width)
    }

    /// `y = x W^T`.
    fn product<N: Number>(&self, kernel: Isa, x: &[f32], y: &mut [f32], extra: &mut [f32]) {
        self.run::<N>(|w, x, y| w.product(kernel, x, y), x, y, extra);
    }

    /// `y = x W`.
    fn adjoint<N: Number>(&self, kernel: Isa, x: &[f32], y: &mut [f32], extra: &mut [f32]) {
        self.run::<N>(|w, x, y| w.adjoint(kernel, x, y), x, y, extra);
    }

    /// The products with the values, and those of the values with the tangents, which belong to the tangents.
    fn run<N: Number>(
        &self,
        run: impl Fn(Matrix<'_>, &[f32], &mut [f32]),
        x: &[f32],
        y: &mut [f32],
        extra: &mut [f32],
    ) {
        run(self.part(0), x, y);
        if N::PARTS > 1 {
            let (half, values) = (y.len() / 2, x.len() / 2);
            let extra = front(extra, half);
            run(self.part(1), x.get(..values).unwrap_or_default(), extra);
            y.iter_mut().skip(half).zip(extra).for_each(|(y, extra)| *y += *extra);
        }
    }
}

/// Transposes every part of an array `(rows, width)`.
fn transpose(array: &[f32], rows: usize, width: usize, out: &mut [f32]) {
    let size = rows.saturating_mul(width).max(1);
    for (part, out) in array.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
        for (row, values) in part.chunks_exact(width.max(1)).enumerate() {
            out.iter_mut().skip(row).step_by(rows.max(1)).zip(values).for_each(|(out, &x)| *out = x);
        }
    }
}

/// `array (n, d)` from row `first` on `+= piece (rows, d)`.
fn add<N: Number>(array: &mut [f32], n: usize, d: usize, keys: &Range<usize>, piece: &[f32]) {
    let to = N::rows_mut(array, n, d).skip(keys.start);
    for (mut to, piece) in to.zip(N::rows(piece, keys.len(), d)) {
        N::update(&mut to, piece, |x, piece| x + piece);
    }
}

impl Attention<'_> {
    /// The blocks of queries, with the keys that they see.
    fn blocks(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<> {
        let (n, reach) = (self.shape.n, self.window.saturating_sub(1));
        (0..n).step_by(QUERIES).map(move |first| {
            let end = first.saturating_add(QUERIES).min(n);
            (first..end, first.saturating_sub(reach)..end.saturating_add(reach).min(n))
        })
    }

    /// A key head's columns from `from` on.
    fn of_head(&self, columns: usize, from: usize) -> Columns {
        Columns { n: self.shape.n, columns, from, wide: self.shape.width }
    }

    /// The keys `keys` as a factor.
    fn seen<'s>(&self, array: &'s [f32], keys: &Range<usize>) -> Factor<'s> {
        Factor { array, n: self.shape.n, width: self.shape.width, rows: keys.clone() }
    }

    /// Scales scores `(m, k)` of key head `head`, adds the biases, and makes weights of them.
    fn weigh<N: Number>(&self, head: usize, queries: &Range<usize>, keys: &Range<usize>, scores: &mut [f32]) {
        let Shape { group, key_heads, width, .. } = self.shape;
        let scale = N::constant(1.0 / math::sqrt(width as f32));
        let (heads, reach) = (key_heads.saturating_mul(group), self.window.saturating_sub(1));
        let mut rows = N::rows_mut(scores, queries.len().saturating_mul(group), keys.len());
        for t in queries.clone() {
            let from = t.saturating_sub(reach).saturating_sub(keys.start);
            let to = t.saturating_add(self.window).min(keys.end).saturating_sub(keys.start);
            for member in 0..group {
                let Some(mut row) = rows.next() else { return };
                let mut scale = scale;
                if let Some(relations) = self.relations {
                    let head = head.saturating_mul(group).saturating_add(member);
                    let bias = relations.of(t, (head, heads), keys.clone());
                    N::update_with(&mut row, bias.map(N::constant), |s, bias| s * scale + bias);
                    scale = N::constant(1.0);
                }
                softmax(&mut row, None, scale, keys.len(), [from..to, to..to]);
            }
        }
    }

    /// Mixed values `out (n, H d)` of `qkv (n, (H+2K) d)`, queries and keys turned where they are.
    pub fn forward<N: Number>(&self, qkv: &[f32], work: &mut Buffers<'_>, out: &mut [f32]) {
        let Shape { n, group, width: d, .. } = self.shape;
        let columns = self.shape.columns();
        let flat = |rows: usize, width: usize| N::PARTS.saturating_mul(rows).saturating_mul(width);
        for head in 0..self.shape.key_heads {
            let [at_q, at_k, at_v] = self.shape.places(head);
            self.of_head(columns, at_k).gather::<N>(qkv, 0..n, work.keys);
            self.of_head(columns, at_v).gather::<N>(qkv, 0..n, work.values);
            for (at, seen) in self.blocks() {
                let m = at.len().saturating_mul(group);
                let (q, mixed) = (front(work.queries, flat(m, d)), front(work.mixed, flat(m, d)));
                let weights = front(work.weights, flat(m, seen.len()));
                self.shape.of_group(columns, at_q).gather::<N>(qkv, at.clone(), q);
                self.seen(work.keys, &seen).product::<N>(self.kernel, q, weights, work.extra);
                self.weigh::<N>(head, &at, &seen, weights);
                self.seen(work.values, &seen).adjoint::<N>(self.kernel, weights, mixed, work.extra);
                self.shape.of_group(self.shape.queries(), at_q).scatter::<N>(mixed, at, out);
            }
        }
    }

    /// `dqkv (n, (H+2K) d)` from `dout (n, H d)`, before the turning is undone.
    pub fn backward<N: Number>(&self, qkv: &[f32], dout: &[f32], work: &mut Buffers<'_>, dqkv: &mut [f32]) {
        let Shape { n, group, width: d, .. } = self.shape;
        let columns = self.shape.columns();
        let scale = N::constant(1.0 / math::sqrt(d as f32));
        let flat = |rows: usize, width: usize| N::PARTS.saturating_mul(rows).saturating_mul(width);
        for head in 0..self.shape.key_heads {
            let [at_q, at_k, at_v] = self.shape.places(head);
            self.of_head(columns, at_k).gather::<N>(qkv, 0..n, work.keys);
            self.of_head(columns, at_v).gather::<N>(qkv, 0..n, work.values);
            for gradient in [&mut *work.dkeys, &mut *work.dvalues] {
                gradient.iter_mut().for_each(|x| *x = 0.0);
            }
            for (at, seen) in self.blocks() {
                let (m, k) = (at.len().saturating_mul(group), seen.len());
                let (q, douts) = (front(work.queries, flat(m, d)), front(work.douts, flat(m, d)));
                let (dq, piece) = (front(work.mixed, flat(m, d)), front(work.piece, flat(k, d)));
                let (p, ds) = (front(work.weights, flat(m, k)), front(work.scores, flat(m, k)));
                let turned = front(work.turned, flat(m, k));
                self.shape.of_group(columns, at_q).gather::<N>(qkv, at.clone(), q);
                self.shape.of_group(self.shape.queries(), at_q).gather::<N>(dout, at.clone(), douts);
                self.seen(work.keys, &seen).product::<N>(self.kernel, q, p, work.extra);
                self.weigh::<N>(head, &at, &seen, p);
                self.seen(work.values, &seen).product::<N>(self.kernel, douts, ds, work.extra);
                // dP becomes dS in place
                for (p, mut ds) in N::rows(p, m, k).zip(N::rows_mut(ds, m, k)) {
                    let delta = N::dot(p, N::read(&ds));
                    N::update(&mut ds, p, |dp, p| p * (dp - delta) * scale);
                }
                self.seen(work.keys, &seen).adjoint::<N>(self.kernel, ds, dq, work.extra);
                self.shape.of_group(columns, at_q).scatter::<N>(dq, at, dqkv);
                for (scores, rows, gradient) in [(ds, q, &mut *work.dkeys), (p, douts, &mut *work.dvalues)] {
                    transpose(scores, m, k, turned);
                    let rows = Factor { array: rows, n: m, width: d, rows: 0..m };
                    rows.adjoint::<N>(self.kernel, turned, piece, work.extra);
                    add::<N>(gradient, n, d, &seen, piece);
                }
            }
            self.of_head(columns, at_k).scatter::<N>(work.dkeys, 0..n, dqkv);
            self.of_head(columns, at_v).scatter::<N>(work.dvalues, 0..n, dqkv);
        }
    }
}
