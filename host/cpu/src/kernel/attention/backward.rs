//! The backward pass of the query heads of one key head.

use super::super::element::Element;
use super::super::gemm::gemm_shared;
use super::super::par::simd;
use super::super::shared::SharedMut;
use super::blocks::{Block, each_block};
use super::layout::BLOCK;
use super::rows;
use super::scores::{Scores, logit_scale};
use super::span::Span;

/// Inputs and outputs of a backward pass.
pub(super) struct Pass<'a, E> {
    pub scores: Scores<'a, E>,
    pub out: &'a [E],
    pub lse: &'a [E],
    pub dout: &'a [E],
    /// Gradient of the projection: queries, and own keys and values.
    pub dq: Option<&'a SharedMut<'a, E>>,
    /// Gradient of `keys.data`, to which keys and values are added, after
    /// they have been cleared where the flag says so.
    pub dkeys: Option<(&'a SharedMut<'a, E>, bool)>,
    /// Gradient of the biases by sequence, where it is asked for.
    pub dbias: Option<&'a SharedMut<'a, E>>,
}

impl<E: Element> Pass<'_, E> {
    /// Runs the pass for every key head of `n` rows.
    pub(super) fn all(&self, n: usize) {
        each_block(n, &self.scores, self.dkeys, self.dbias, &|block| self.block(block));
    }

    /// One block of queries of one head.
    fn block(&self, block: Block<'_, '_, E, 2>) {
        let Pass { scores, out, lse, dout, .. } = self;
        let Scores { q, keys, .. } = scores;
        let Block { span, h, space: [p, ds], added, sums } = block;
        let layout = q.layout;
        let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
        let scale = logit_scale::<E>(d);
        let (key, value) = (keys.keys + g * d, keys.values + g * d);
        let (nk, stride) = (span.keys, span.stride());
        let at = (span.row * heads + h) * d;
        let queries = (q.queries(span.row, h), layout.columns());
        scores.products(span, scale, queries, keys.rows(span, key), false, p);
        scores.products(span, E::ONE, (&dout[at..], heads * d), keys.rows(span, value), false, ds);
        let mut deltas = [E::ZERO; BLOCK];
        simd(
            #[inline(always)]
            || {
                for (i, delta) in deltas[..span.queries].iter_mut().enumerate() {
                    let row = span.row + i;
                    let (at, line) = ((row * heads + h) * d, i * stride..(i + 1) * stride);
                    *delta = rows::dot(&out[at..at + d], &dout[at..at + d]);
                    let p = &mut p[line.clone()];
                    let added = added.map(|a| &a[line.clone()]);
                    rows::probabilities(p, added, span.visible(i), lse[row * heads + h]);
                    rows::logit_gradient(p, *delta, &mut ds[line]);
                }
                if let Some(sums) = sums {
                    sums.add(span, ds);
                }
            },
        );
        if let Some(dq) = self.dq {
            let to = span.row * layout.columns() + h * d;
            let (shape, x) = ((span.queries, nk, d), keys.rows(span, key));
            let (sx, sc) = ((keys.stride, 1), layout.columns());
            let beta = if span.opens { E::ZERO } else { E::ONE };
            // SAFETY: only the task of key head `g` touches the columns of
            // its query heads.
            unsafe { gemm_shared(shape, scale, ds, (stride, 1), x, sx, beta, dq, to, sc) };
            if keys.own && span.closes {
                self.own(span, h, &deltas, dq);
            }
        }
        if let Some((dkeys, _)) = self.dkeys {
            let to = span.key * keys.stride;
            let shape = (nk, span.queries, d);
            let (x, sx) = (queries.0, (queries.1, 1));
            let (y, sy) = (&dout[at..], (heads * d, 1));
            // SAFETY: only the task of key head `g` touches its columns.
            unsafe {
                let (k, v) = (to + key, to + value);
                gemm_shared(shape, scale, ds, (1, stride), x, sx, E::ONE, dkeys, k, keys.stride);
                gemm_shared(shape, E::ONE, p, (1, stride), y, sy, E::ONE, dkeys, v, keys.stride);
            }
        }
    }

    /// The part of the own key and value of each query of a block.
    fn own(&self, span: &Span<'_>, h: usize, deltas: &[E], dq: &SharedMut<'_, E>) {
        let q = self.scores.q;
        let layout = q.layout;
        let (d, heads, group) = (layout.width, layout.heads, layout.group());
        let (g, onto) = (h / group, !h.is_multiple_of(group));
        let scale = logit_scale::<E>(d);
        simd(
            #[inline(always)]
            || {
                for (i, &delta) in deltas[..span.queries].iter().enumerate() {
                    let row = span.row + i;
                    let (x, k, v) = (q.query(row, h), q.key(row, g), q.value(row, g));
                    let dout = &self.dout[(row * heads + h) * d..][..d];
                    let p = (scale * rows::dot(x, k) - self.lse[row * heads + h]).exp();
                    let ds = scale * p * (rows::dot(dout, v) - delta);
                    // SAFETY: three different heads of the row, which only
                    // the task of key head `g` touches.
                    let part = |i: usize| unsafe { dq.part(row * layout.columns() + i * d, d) };
                    rows::add(true, ds, k, part(h));
                    rows::add(onto, ds, x, part(heads + g));
                    rows::add(onto, p, dout, part(heads + layout.kv_heads + g));
                }
            },
        );
    }
}
