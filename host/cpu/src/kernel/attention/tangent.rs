//! The tangent of the backward pass of the query heads of one key head.

use super::super::element::Element;
use super::super::gemm::gemm_shared;
use super::super::lanes;
use super::super::par::{self, simd};
use super::super::shared::SharedMut;
use super::forward::own_logit;
use super::layout::BLOCK;
use super::rows;
use super::span::{Keys, Projection, Span, largest, logit_scale, products, spans};

/// Inputs and outputs of the tangent of a backward pass; the keys of other
/// rows carry no tangent.
pub(super) struct TangentPass<'a, E> {
    pub q: Projection<'a, E>,
    pub q_dot: Projection<'a, E>,
    pub keys: Keys<'a, E>,
    pub starts: Option<&'a [u32]>,
    pub out: &'a [E],
    pub out_dot: &'a [E],
    pub lse: &'a [E],
    pub lse_dot: &'a [E],
    pub dout: &'a [E],
    pub dout_dot: Option<&'a [E]>,
    /// Tangent of the gradient of the projection.
    pub dq_dot: &'a SharedMut<'a, E>,
    /// Tangent of the gradient of `keys.data`, which is added to.
    pub dkeys_dot: Option<&'a SharedMut<'a, E>>,
}

/// Scratch of a block: probabilities, gradients of logits, their tangents.
struct Space<'a, E> {
    p: &'a mut [E],
    p_dot: &'a mut [E],
    ds: &'a mut [E],
    ds_dot: &'a mut [E],
}

impl<E: Element> TangentPass<'_, E> {
    /// Runs the pass for every key head of `n` rows.
    pub(super) fn all(&self, n: usize) {
        let layout = self.q.layout;
        par::tasks(n / layout.context * layout.kv_heads, &|i| self.group(i / layout.kv_heads, i % layout.kv_heads));
    }

    /// Runs the pass for key head `g` of sequence `batch`.
    fn group(&self, batch: usize, g: usize) {
        let layout = self.q.layout;
        let size = largest(layout.context, &self.keys);
        E::with_workspace(4 * size, |space| {
            let (ps, dss) = space.split_at_mut(2 * size);
            let ((p, p_dot), (ds, ds_dot)) = (ps.split_at_mut(size), dss.split_at_mut(size));
            for h in g * layout.group()..(g + 1) * layout.group() {
                for span in spans(layout.context, &self.keys, self.starts, batch) {
                    let len = span.queries * span.keys;
                    let space = Space {
                        p: &mut p[..len],
                        p_dot: &mut p_dot[..len],
                        ds: &mut ds[..len],
                        ds_dot: &mut ds_dot[..len],
                    };
                    self.block(&span, h, space);
                }
            }
        });
    }

    /// One block of queries of head `h`.
    fn block(&self, span: &Span<'_>, h: usize, space: Space<'_, E>) {
        let keys = &self.keys;
        let layout = self.q.layout;
        let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
        let (scale, stride) = (logit_scale::<E>(d), layout.columns());
        let (key, value) = (keys.keys + g * d, keys.values + g * d);
        let at = (span.row * heads + h) * d;
        let (x, t) = (self.q.queries(span.row, h), self.q_dot.queries(span.row, h));
        let Space { p, p_dot, ds, ds_dot } = space;
        products(span, d, scale, (x, stride), keys, key, p);
        products(span, d, scale, (t, stride), keys, key, p_dot);
        products(span, d, E::ONE, (&self.dout[at..], heads * d), keys, value, ds);
        match self.dout_dot {
            Some(y) => products(span, d, E::ONE, (&y[at..], heads * d), keys, value, ds_dot),
            None => ds_dot.fill(E::ZERO),
        }
        let mut deltas = [(E::ZERO, E::ZERO); BLOCK];
        let nk = span.keys;
        simd(
            #[inline(always)]
            || {
                for (i, delta) in deltas[..span.queries].iter_mut().enumerate() {
                    let (row, line) = (span.row + i, i * nk..(i + 1) * nk);
                    *delta = self.deltas((row * heads + h) * d);
                    let sum = row * heads + h;
                    let p = &mut p[line.clone()];
                    rows::probabilities(p, span.visible(i), self.lse[sum]);
                    rows::logit_gradient_tangent(
                        p,
                        (&mut p_dot[line.clone()], self.lse_dot[sum]),
                        (&mut ds[line.clone()], delta.0),
                        (&mut ds_dot[line], delta.1),
                    );
                }
            },
        );
        let (to, rows) = (span.row * stride + h * d, keys.rows(span, key));
        let (shape, sk) = ((span.queries, nk, d), (keys.stride, 1));
        let dq = self.dq_dot;
        // SAFETY: only the task of key head `g` touches its query heads.
        unsafe { gemm_shared(shape, scale, ds_dot, (nk, 1), rows, sk, E::ZERO, dq, to, stride) };
        self.own(span, h, &deltas);
        let Some(dkeys) = self.dkeys_dot else { return };
        let (first, shape) = (span.key * keys.stride, (nk, span.queries, d));
        let add = |by: E, s: &[E], x: &[E], sx: usize, column: usize| {
            let (sx, to) = ((sx, 1), first + column);
            // SAFETY: only the task of key head `g` touches its columns.
            unsafe { gemm_shared(shape, by, s, (1, nk), x, sx, E::ONE, dkeys, to, keys.stride) };
        };
        add(scale, ds_dot, x, stride, key);
        add(scale, ds, t, stride, key);
        add(E::ONE, p_dot, &self.dout[at..], heads * d, value);
        if let Some(y) = self.dout_dot {
            add(E::ONE, p, &y[at..], heads * d, value);
        }
    }

    /// `<dout, out>` of the head which starts at `at`, and its tangent.
    #[inline(always)]
    fn deltas(&self, at: usize) -> (E, E) {
        let of = at..at + self.q.layout.width;
        let (out, dout) = (&self.out[of.clone()], &self.dout[of.clone()]);
        let along = lanes::dot(dout, &self.out_dot[of.clone()]);
        let more = self.dout_dot.map_or(E::ZERO, |y| lanes::dot(&y[of], out));
        (lanes::dot(dout, out), along + more)
    }

    /// The part of the own key and value of each query of a block.
    fn own(&self, span: &Span<'_>, h: usize, deltas: &[(E, E)]) {
        let (q, t) = (self.q, self.q_dot);
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
                    let inner = lanes::dot(dout, v) - delta;
                    let mut inner_dot = lanes::dot(dout, v_dot) - delta_dot;
                    if let Some(y) = self.dout_dot {
                        inner_dot += lanes::dot(&y[at..at + d], v);
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
