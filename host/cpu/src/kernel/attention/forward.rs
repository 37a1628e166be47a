//! The forward pass of one head and its tangent.

use super::super::element::Element;
use super::super::gemm::gemm_shared;
use super::super::lanes;
use super::super::par::{self, simd};
use super::super::shared::SharedMut;
use super::layout::BLOCK;
use super::rows;
use super::span::{Keys, Projection, largest, logit_scale, products, spans};

/// Attention of all heads of `n` rows.
pub(super) fn all<E: Element>(
    n: usize,
    q: Projection<'_, E>,
    keys: Keys<'_, E>,
    starts: Option<&[u32]>,
    out: &mut [E],
    lse: &mut [E],
) {
    let (layout, out, lse) = (q.layout, SharedMut::new(out), SharedMut::new(lse));
    par::tasks(n / layout.context * layout.heads, &|i| {
        head(q, keys, starts, (i / layout.heads, i % layout.heads), &out, &lse);
    });
}

/// Attention of head `h` of sequence `batch`: its columns of `out`, `lse`.
fn head<E: Element>(
    q: Projection<'_, E>,
    keys: Keys<'_, E>,
    starts: Option<&[u32]>,
    (batch, h): (usize, usize),
    out: &SharedMut<'_, E>,
    lse: &SharedMut<'_, E>,
) {
    let layout = q.layout;
    let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
    let scale = logit_scale::<E>(d);
    let values = keys.values + g * d;
    E::with_workspace(largest(layout.context, &keys), |space| {
        for span in spans(layout.context, &keys, starts, batch) {
            let (nq, nk) = (span.queries, span.keys);
            let p = &mut space[..nq * nk];
            let x = (q.queries(span.row, h), layout.columns());
            products(&span, d, scale, x, &keys, keys.keys + g * d, p);
            let mut own = [E::ZERO; BLOCK];
            simd(
                #[inline(always)]
                || {
                    for i in 0..nq {
                        let row = span.row + i;
                        let logit =
                            if keys.own { scale * lanes::dot(q.query(row, h), q.key(row, g)) } else { E::NEG_INFINITY };
                        let s = &mut p[i * nk..(i + 1) * nk];
                        let (sum, p_own) = rows::softmax(s, span.visible(i), logit);
                        own[i] = p_own;
                        // SAFETY: only this task writes column `h`.
                        unsafe { lse.part(row * heads + h, 1) }.fill(sum);
                    }
                },
            );
            let (at, v) = (span.row * heads * d + h * d, keys.rows(&span, values));
            let (shape, sv) = ((nq, nk, d), (keys.stride, 1));
            // SAFETY: only this task touches the columns of head `h` of the
            // rows of this sequence.
            unsafe { gemm_shared(shape, E::ONE, p, (nk, 1), v, sv, E::ZERO, out, at, heads * d) };
            if keys.own {
                simd(
                    #[inline(always)]
                    || {
                        for (i, &p) in own[..nq].iter().enumerate() {
                            let row = span.row + i;
                            // SAFETY: as above.
                            let out = unsafe { out.part((row * heads + h) * d, d) };
                            rows::add(true, p, q.value(row, g), out);
                        }
                    },
                );
            }
        }
    });
}

/// Tangent of [`head`] along a projection tangent; the keys of other rows
/// carry none. Writes the columns of head `h` of `out_dot` and `lse_dot`.
pub(super) fn head_tangent<E: Element>(
    (q, t): (Projection<'_, E>, Projection<'_, E>),
    keys: Keys<'_, E>,
    starts: Option<&[u32]>,
    (batch, h): (usize, usize),
    lse: &[E],
    out_dot: &SharedMut<'_, E>,
    lse_dot: &SharedMut<'_, E>,
) {
    let layout = q.layout;
    let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
    let scale = logit_scale::<E>(d);
    let column = keys.keys + g * d;
    let size = largest(layout.context, &keys);
    E::with_workspace(2 * size, |space| {
        let (p, p_dot) = space.split_at_mut(size);
        for span in spans(layout.context, &keys, starts, batch) {
            let (nq, nk) = (span.queries, span.keys);
            let (p, p_dot) = (&mut p[..nq * nk], &mut p_dot[..nq * nk]);
            let stride = layout.columns();
            products(&span, d, scale, (q.queries(span.row, h), stride), &keys, column, p);
            products(&span, d, scale, (t.queries(span.row, h), stride), &keys, column, p_dot);
            let mut own = [(E::ZERO, E::ZERO); BLOCK];
            simd(
                #[inline(always)]
                || {
                    for i in 0..nq {
                        let row = span.row + i;
                        let (p, s_dot) = (&mut p[i * nk..(i + 1) * nk], &mut p_dot[i * nk..]);
                        let s_dot = &mut s_dot[..nk];
                        rows::probabilities(p, span.visible(i), lse[row * heads + h]);
                        let (logit, logit_dot) = own_logit(q, t, (row, h, g), scale);
                        let p_own = (logit - lse[row * heads + h]).exp();
                        let mean = p_own.mul_add(logit_dot, lanes::dot(p, s_dot));
                        for (s, &p) in s_dot.iter_mut().zip(p.iter()) {
                            *s = p * (*s - mean);
                        }
                        own[i] = (p_own, p_own * (logit_dot - mean));
                        // SAFETY: only this task writes column `h`.
                        unsafe { lse_dot.part(row * heads + h, 1) }.fill(mean);
                    }
                },
            );
            let (at, v) = (span.row * heads * d + h * d, keys.rows(&span, keys.values + g * d));
            let (shape, sv) = ((nq, nk, d), (keys.stride, 1));
            // SAFETY: only this task touches the columns of head `h` of the
            // rows of this sequence.
            unsafe {
                gemm_shared(shape, E::ONE, p_dot, (nk, 1), v, sv, E::ZERO, out_dot, at, heads * d);
            }
            simd(
                #[inline(always)]
                || {
                    for (i, &(p, p_dot)) in own[..nq].iter().enumerate() {
                        let row = span.row + i;
                        // SAFETY: as above.
                        let out = unsafe { out_dot.part((row * heads + h) * d, d) };
                        rows::add(true, p_dot, q.value(row, g), out);
                        rows::add(true, p, t.value(row, g), out);
                    }
                },
            );
        }
    });
}

/// The logit of a row with its own key, and its tangent.
#[inline(always)]
pub(super) fn own_logit<E: Element>(
    q: Projection<'_, E>,
    t: Projection<'_, E>,
    (row, h, g): (usize, usize, usize),
    scale: E,
) -> (E, E) {
    let (x, y) = (q.query(row, h), q.key(row, g));
    let dot = lanes::dot(t.query(row, h), y) + lanes::dot(x, t.key(row, g));
    (scale * lanes::dot(x, y), scale * dot)
}
