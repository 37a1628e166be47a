//! The backward pass of the query heads of one key head.

use super::super::element::Element;
use super::super::gemm::gemm_shared;
use super::super::lanes;
use super::super::par::{self, simd};
use super::super::shared::SharedMut;
use super::layout::BLOCK;
use super::rows;
use super::span::{Keys, Projection, Span, largest, logit_scale, products, spans};

/// Inputs and outputs of a backward pass.
pub(super) struct Pass<'a, E> {
    pub q: Projection<'a, E>,
    pub keys: Keys<'a, E>,
    pub starts: Option<&'a [u32]>,
    pub out: &'a [E],
    pub lse: &'a [E],
    pub dout: &'a [E],
    /// Gradient of the projection: queries, and own keys and values.
    pub dq: Option<&'a SharedMut<'a, E>>,
    /// Gradient of `keys.data`, to which keys and values are added, after
    /// they have been cleared where the flag says so.
    pub dkeys: Option<(&'a SharedMut<'a, E>, bool)>,
}

impl<E: Element> Pass<'_, E> {
    /// Runs the pass for every key head of `n` rows.
    pub(super) fn all(&self, n: usize) {
        let layout = self.q.layout;
        par::tasks(n / layout.context * layout.kv_heads, &|i| self.group(i / layout.kv_heads, i % layout.kv_heads));
    }

    /// Runs the pass for key head `g` of sequence `batch`.
    fn group(&self, batch: usize, g: usize) {
        let layout = self.q.layout;
        self.clear(batch, g);
        let size = largest(layout.context, &self.keys);
        E::with_workspace(2 * size, |space| {
            let (p, ds) = space.split_at_mut(size);
            for h in g * layout.group()..(g + 1) * layout.group() {
                for span in spans(layout.context, &self.keys, self.starts, batch) {
                    let len = span.queries * span.keys;
                    self.block(&span, h, &mut p[..len], &mut ds[..len]);
                }
            }
        });
    }

    /// Clears the gradient of the keys and values of head `g`.
    fn clear(&self, batch: usize, g: usize) {
        let (d, context) = (self.q.layout.width, self.q.layout.context);
        if let Some((dkeys, true)) = self.dkeys {
            for row in batch * context..(batch + 1) * context {
                for column in [self.keys.keys, self.keys.values] {
                    let at = row * self.keys.stride + column + g * d;
                    // SAFETY: only the task of head `g` touches its columns.
                    unsafe { dkeys.part(at, d) }.fill(E::ZERO);
                }
            }
        }
    }

    /// One block of queries of head `h`; `p`, `ds` are scratch.
    fn block(&self, span: &Span<'_>, h: usize, p: &mut [E], ds: &mut [E]) {
        let Pass { q, keys, out, lse, dout, .. } = self;
        let layout = q.layout;
        let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
        let scale = logit_scale::<E>(d);
        let (key, value) = (keys.keys + g * d, keys.values + g * d);
        let nk = span.keys;
        let at = (span.row * heads + h) * d;
        let queries = (q.queries(span.row, h), layout.columns());
        products(span, d, scale, queries, keys, key, p);
        products(span, d, E::ONE, (&dout[at..], heads * d), keys, value, ds);
        let mut deltas = [E::ZERO; BLOCK];
        simd(
            #[inline(always)]
            || {
                for (i, delta) in deltas[..span.queries].iter_mut().enumerate() {
                    let row = span.row + i;
                    let at = (row * heads + h) * d;
                    *delta = lanes::dot(&out[at..at + d], &dout[at..at + d]);
                    let p = &mut p[i * nk..(i + 1) * nk];
                    rows::probabilities(p, span.visible(i), lse[row * heads + h]);
                    rows::logit_gradient(p, *delta, &mut ds[i * nk..(i + 1) * nk]);
                }
            },
        );
        if let Some(dq) = self.dq {
            let to = span.row * layout.columns() + h * d;
            let (shape, x) = ((span.queries, nk, d), keys.rows(span, key));
            let (sx, sc) = ((keys.stride, 1), layout.columns());
            // SAFETY: only the task of key head `g` touches the columns of
            // its query heads.
            unsafe { gemm_shared(shape, scale, ds, (nk, 1), x, sx, E::ZERO, dq, to, sc) };
            if keys.own {
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
                gemm_shared(shape, scale, ds, (1, nk), x, sx, E::ONE, dkeys, k, keys.stride);
                gemm_shared(shape, E::ONE, p, (1, nk), y, sy, E::ONE, dkeys, v, keys.stride);
            }
        }
    }

    /// The part of the own key and value of each query of a block.
    fn own(&self, span: &Span<'_>, h: usize, deltas: &[E], dq: &SharedMut<'_, E>) {
        let layout = self.q.layout;
        let (d, heads, group) = (layout.width, layout.heads, layout.group());
        let (g, onto) = (h / group, !h.is_multiple_of(group));
        let scale = logit_scale::<E>(d);
        simd(
            #[inline(always)]
            || {
                for (i, &delta) in deltas[..span.queries].iter().enumerate() {
                    let row = span.row + i;
                    let (x, k, v) = (self.q.query(row, h), self.q.key(row, g), self.q.value(row, g));
                    let dout = &self.dout[(row * heads + h) * d..][..d];
                    let p = (scale * lanes::dot(x, k) - self.lse[row * heads + h]).exp();
                    let ds = scale * p * (lanes::dot(dout, v) - delta);
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
