//! The tangent of the backward pass of the query heads of one key head.

use super::super::element::Element;
use super::super::gemm::gemm_shared;
use super::super::par::simd;
use super::super::shared::SharedMut;
use super::blocks::{Block, each_block};
use super::forward::own_logit;
use super::layout::BLOCK;
use super::rows;
use super::scores::{Projection, Scores, logit_scale};
use super::span::Span;

/// Inputs and outputs of the tangent of a backward pass.
pub(super) struct TangentPass<'a, E> {
    pub scores: Scores<'a, E>,
    pub q_dot: Projection<'a, E>,
    pub out: &'a [E],
    pub out_dot: &'a [E],
    pub lse: &'a [E],
    pub lse_dot: &'a [E],
    pub dout: &'a [E],
    pub dout_dot: Option<&'a [E]>,
    /// Tangent of the gradient of the projection.
    pub dq_dot: &'a SharedMut<'a, E>,
    /// Tangent of the gradient of `keys.data`, which is added to, after it has
    /// been cleared where the flag says so.
    pub dkeys_dot: Option<(&'a SharedMut<'a, E>, bool)>,
    /// Tangent of the gradient of the biases by sequence, where it is asked for.
    pub dbias_dot: Option<&'a SharedMut<'a, E>>,
}

impl<E: Element> TangentPass<'_, E> {
    /// Runs the pass for every key head of `n` rows.
    pub(super) fn all(&self, n: usize) {
        each_block(n, &self.scores, self.dkeys_dot, self.dbias_dot, &|block| self.block(block));
    }

    /// One block of queries of one head. The scratch: probabilities, gradients of scores, their tangents.
    fn block(&self, block: Block<'_, '_, E, 4>) {
        let Scores { q, keys, .. } = &self.scores;
        let Block { span, h, space: [p, p_dot, ds, ds_dot], added, sums } = block;
        let layout = q.layout;
        let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
        let (scale, columns, stride) = (logit_scale::<E>(d), layout.columns(), span.stride());
        let (key, value) = (keys.keys + g * d, keys.values + g * d);
        let at = (span.row * heads + h) * d;
        let (x, t) = (q.queries(span.row, h), self.q_dot.queries(span.row, h));
        let (y, y_dot) = (&self.dout[at..], self.dout_dot.map(|y| (&y[at..], heads * d)));
        let products = |scale: E, x: (&[E], usize), y: &[E], onto: bool, to: &mut [E]| {
            self.scores.products(span, scale, x, y, onto, to);
        };
        let (k, v) = (keys.rows(span, key), keys.rows(span, value));
        products(scale, (x, columns), k, false, p);
        products(scale, (t, columns), k, false, p_dot);
        products(E::ONE, (y, heads * d), v, false, ds);
        match y_dot {
            Some(y) => products(E::ONE, y, v, false, ds_dot),
            None => ds_dot.fill(E::ZERO),
        }
        let along = keys.rows_along(span, key).zip(keys.rows_along(span, value));
        if let Some((k_dot, v_dot)) = along {
            products(scale, (x, columns), k_dot, true, p_dot);
            products(E::ONE, (y, heads * d), v_dot, true, ds_dot);
        }
        let mut deltas = [(E::ZERO, E::ZERO); BLOCK];
        simd(
            #[inline(always)]
            || {
                for (i, delta) in deltas[..span.queries].iter_mut().enumerate() {
                    let (row, line) = (span.row + i, i * stride..(i + 1) * stride);
                    *delta = self.deltas((row * heads + h) * d);
                    let sum = row * heads + h;
                    let (p, added) = (&mut p[line.clone()], added.map(|a| &a[line.clone()]));
                    rows::probabilities(p, added, span.visible(i), self.lse[sum]);
                    rows::logit_gradient_tangent(
                        p,
                        (&mut p_dot[line.clone()], self.lse_dot[sum]),
                        (&mut ds[line.clone()], delta.0),
                        (&mut ds_dot[line], delta.1),
                    );
                }
                if let Some(sums) = sums {
                    sums.add(span, ds_dot);
                }
            },
        );
        let to = span.row * columns + h * d;
        let mix = |onto: bool, weights: &[E], k: &[E]| {
            let (shape, sk, beta) =
                ((span.queries, span.keys, d), (keys.stride, 1), if onto { E::ONE } else { E::ZERO });
            // SAFETY: only the task of key head `g` touches its query heads.
            unsafe { gemm_shared(shape, scale, weights, (stride, 1), k, sk, beta, self.dq_dot, to, columns) };
        };
        mix(!span.opens, ds_dot, k);
        if let Some((k_dot, _)) = along {
            mix(true, ds, k_dot);
        }
        if keys.own && span.closes {
            self.own(span, h, &deltas);
        }
        let Some((dkeys, _)) = self.dkeys_dot else { return };
        let (first, shape) = (span.key * keys.stride, (span.keys, span.queries, d));
        let add = |by: E, s: &[E], (x, sx): (&[E], usize), column: usize| {
            let (sx, to) = ((sx, 1), first + column);
            // SAFETY: only the task of key head `g` touches its columns.
            unsafe { gemm_shared(shape, by, s, (1, stride), x, sx, E::ONE, dkeys, to, keys.stride) };
        };
        add(scale, ds_dot, (x, columns), key);
        add(scale, ds, (t, columns), key);
        add(E::ONE, p_dot, (y, heads * d), value);
        if let Some(y) = y_dot {
            add(E::ONE, p, y, value);
        }
    }

    /// `<dout, out>` of the head which starts at `at`, and its tangent.
    #[inline(always)]
    fn deltas(&self, at: usize) -> (E, E) {
        let of = at..at + self.scores.q.layout.width;
        let (out, dout) = (&self.out[of.clone()], &self.dout[of.clone()]);
        let along = rows::dot(dout, &self.out_dot[of.clone()]);
        let more = self.dout_dot.map_or(E::ZERO, |y| rows::dot(&y[of], out));
        (rows::dot(dout, out), along + more)
    }

    /// The part of the own key and value of each query of a block.
    fn own(&self, span: &Span<'_>, h: usize, deltas: &[(E, E)]) {
        let (q, t) = (self.scores.q, self.q_dot);
        let layout = q.layout;
        let (d, heads, group) = (layout.width, layout.heads, layout.group());
        let (g, onto) = (h / group, !h.is_multiple_of(group));
        let scale = logit_scale::<E>(d);
        simd(
            #[inline(always)]
            || {
                for (i, &(delta, delta_dot)) in deltas[..span.queries].iter().enumerate() {
                    let row = span.row + i;
                    let (at, sum) = ((row * heads + h) * d, row * heads + h);
                    let dout = &self.dout[at..at + d];
                    let (logit, logit_dot) = own_logit(q, t, (row, h, g), scale);
                    let p = (logit - self.lse[sum]).exp();
                    let p_dot = p * (logit_dot - self.lse_dot[sum]);
                    let (v, v_dot) = (q.value(row, g), t.value(row, g));
                    let inner = rows::dot(dout, v) - delta;
                    let mut inner_dot = rows::dot(dout, v_dot) - delta_dot;
                    if let Some(y) = self.dout_dot {
                        inner_dot += rows::dot(&y[at..at + d], v);
                    }
                    let ds = scale * p * inner;
                    let ds_dot = scale * (p_dot * inner + p * inner_dot);
                    let to = row * layout.columns();
                    // SAFETY: three different heads of the row, which only
                    // the task of key head `g` touches.
                    let part = |i: usize| unsafe { self.dq_dot.part(to + i * d, d) };
                    rows::add(true, ds_dot, q.key(row, g), part(h));
                    rows::add(true, ds, t.key(row, g), part(h));
                    rows::add(onto, ds_dot, q.query(row, h), part(heads + g));
                    rows::add(true, ds, t.query(row, h), part(heads + g));
                    let dv = part(heads + layout.kv_heads + g);
                    rows::add(onto, p_dot, dout, dv);
                    if let Some(y) = self.dout_dot {
                        rows::add(true, p, &y[at..at + d], dv);
                    }
                }
            },
        );
    }
}
