//! The forward pass of one head and its tangent.

use super::super::element::Element;
use super::super::gemm::gemm_shared;
use super::super::par::simd;
use super::super::shared::SharedMut;
use super::layout::BLOCK;
use super::relations::{Biases, biases_len};
use super::rows;
use super::scores::{Projection, Scores, logit_scale};
use super::span::Span;

/// Attention of all heads of `n` rows.
pub(super) fn all<E: Element>(n: usize, scores: Scores<'_, E>, out: &mut [E], lse: &mut [E]) {
    let heads = scores.q.layout.heads;
    let (out, lse) = (SharedMut::new(out), SharedMut::new(lse));
    scores.tasks(n, heads, &|h, sequences| {
        let size = scores.largest();
        E::with_workspace(size + biases_len(scores.relations, heads, size), |space| {
            let (p, space) = space.split_at_mut(size);
            let mut biases = Biases::new(scores.relations, heads, space);
            let mut sums = [(E::ZERO, E::ZERO); BLOCK];
            for span in sequences.flat_map(|batch| scores.spans(batch)) {
                block(&scores, &span, h, (&mut p[..span.len()], &mut sums), &mut biases, &out, &lse);
            }
        });
    });
}

/// Head `h` of one block: its columns of `out` and `lse`. `p` is scratch, and
/// `sums` holds the greatest score and the sum of exponentials of every query
/// over the blocks of these queries so far.
fn block<E: Element>(
    scores: &Scores<'_, E>,
    span: &Span<'_>,
    h: usize,
    (p, sums): (&mut [E], &mut [(E, E); BLOCK]),
    biases: &mut Biases<'_, E>,
    out: &SharedMut<'_, E>,
    lse: &SharedMut<'_, E>,
) {
    let Scores { q, keys, .. } = scores;
    let layout = q.layout;
    let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
    let scale = logit_scale::<E>(d);
    let stride = span.stride();
    let own = |row: usize| scale * rows::dot(q.query(row, h), q.key(row, g));
    // SAFETY: only the task of head `h` touches its columns of the rows of this sequence.
    let out_row = |i: usize| unsafe { out.part(((span.row + i) * heads + h) * d, d) };
    let x = (q.queries(span.row, h), layout.columns());
    scores.products(span, scale, x, keys.rows(span, keys.keys + g * d), false, p);
    let added = biases.of(span, h);
    simd(
        #[inline(always)]
        || {
            for (i, of) in sums[..span.queries].iter_mut().enumerate() {
                if span.opens {
                    *of = if keys.own { (own(span.row + i), E::ONE) } else { (rows::least(), E::ZERO) };
                }
                let line = i * stride..(i + 1) * stride;
                let (top, sum) = rows::weigh(&mut p[line.clone()], added.map(|a| &a[line]), span.visible(i), of.0);
                let kept = (of.0 - top).exp();
                if !span.opens {
                    rows::scale(kept, out_row(i));
                }
                *of = (top, of.1.mul_add(kept, sum));
            }
        },
    );
    let (at, v) = (span.row * heads * d + h * d, keys.rows(span, keys.values + g * d));
    let (shape, sv, beta) = ((span.queries, span.keys, d), (keys.stride, 1), if span.opens { E::ZERO } else { E::ONE });
    // SAFETY: as above.
    unsafe { gemm_shared(shape, E::ONE, p, (stride, 1), v, sv, beta, out, at, heads * d) };
    if !span.closes {
        return;
    }
    simd(
        #[inline(always)]
        || {
            for (i, &(top, sum)) in sums[..span.queries].iter().enumerate() {
                let row = span.row + i;
                // a query which sees nothing gives zeros
                let share = if sum > E::ZERO { E::ONE / sum } else { E::ZERO };
                rows::scale(share, out_row(i));
                if keys.own {
                    rows::add(true, share * (own(row) - top).exp(), q.value(row, g), out_row(i));
                }
                // SAFETY: as above.
                unsafe { lse.part(row * heads + h, 1) }.fill(if sum > E::ZERO { top + sum.ln() } else { top });
            }
        },
    );
}

/// Tangent of [`all`] along `t`, the tangent of the projection, and that of the
/// keys where they carry one, given the results of the forward pass.
pub(super) fn all_tangent<E: Element>(
    n: usize,
    scores: Scores<'_, E>,
    t: Projection<'_, E>,
    (out, lse): (&[E], &[E]),
    out_dot: &mut [E],
    lse_dot: &mut [E],
) {
    let heads = scores.q.layout.heads;
    let (out_dot, lse_dot) = (SharedMut::new(out_dot), SharedMut::new(lse_dot));
    scores.tasks(n, heads, &|h, sequences| {
        let size = scores.largest();
        E::with_workspace(2 * size + biases_len(scores.relations, heads, size), |space| {
            let (p, space) = space.split_at_mut(size);
            let (p_dot, space) = space.split_at_mut(size);
            let mut biases = Biases::new(scores.relations, heads, space);
            let mut means = [E::ZERO; BLOCK];
            for span in sequences.flat_map(|batch| scores.spans(batch)) {
                let space = (&mut p[..span.len()], &mut p_dot[..span.len()], &mut means);
                block_tangent(&scores, t, &span, h, space, &mut biases, (out, lse), (&out_dot, &lse_dot));
            }
        });
    });
}

/// Head `h` of one block of the tangent: its columns of `out_dot` and
/// `lse_dot`. `p` and `w` are scratch, and `means` holds the means of the
/// tangents of the scores of every query under the probabilities, over the
/// blocks of these queries so far.
fn block_tangent<E: Element>(
    scores: &Scores<'_, E>,
    t: Projection<'_, E>,
    span: &Span<'_>,
    h: usize,
    (p, w, means): (&mut [E], &mut [E], &mut [E; BLOCK]),
    biases: &mut Biases<'_, E>,
    (out, lse): (&[E], &[E]),
    (out_dot, lse_dot): (&SharedMut<'_, E>, &SharedMut<'_, E>),
) {
    let Scores { q, keys, .. } = scores;
    let layout = q.layout;
    let (d, heads, g) = (layout.width, layout.heads, h / layout.group());
    let scale = logit_scale::<E>(d);
    let (stride, columns) = (span.stride(), layout.columns());
    let (key, value) = (keys.keys + g * d, keys.values + g * d);
    let (x, y) = ((q.queries(span.row, h), columns), (t.queries(span.row, h), columns));
    scores.products(span, scale, x, keys.rows(span, key), false, p);
    scores.products(span, scale, y, keys.rows(span, key), false, w);
    if let Some(along) = keys.rows_along(span, key) {
        scores.products(span, scale, x, along, true, w);
    }
    let added = biases.of(span, h);
    let own = |row: usize| {
        let (logit, logit_dot) = own_logit(*q, t, (row, h, g), scale);
        ((logit - lse[row * heads + h]).exp(), logit_dot)
    };
    simd(
        #[inline(always)]
        || {
            for (i, mean) in means[..span.queries].iter_mut().enumerate() {
                let row = span.row + i;
                if span.opens {
                    *mean = E::ZERO;
                    if keys.own {
                        let (p, logit_dot) = own(row);
                        *mean = p * logit_dot;
                    }
                }
                let line = i * stride..(i + 1) * stride;
                let p = &mut p[line.clone()];
                rows::probabilities(p, added.map(|a| &a[line.clone()]), span.visible(i), lse[row * heads + h]);
                *mean += rows::weighted(p, &mut w[line]);
            }
        },
    );
    let (at, shape, sv) = (span.row * heads * d + h * d, (span.queries, span.keys, d), (keys.stride, 1));
    let mix = |onto: bool, weights: &[E], v: &[E]| {
        let beta = if onto { E::ONE } else { E::ZERO };
        // SAFETY: only the task of head `h` touches its columns of the rows of this sequence.
        unsafe { gemm_shared(shape, E::ONE, weights, (stride, 1), v, sv, beta, out_dot, at, heads * d) };
    };
    mix(!span.opens, w, keys.rows(span, value));
    if let Some(along) = keys.rows_along(span, value) {
        mix(true, p, along);
    }
    if !span.closes {
        return;
    }
    simd(
        #[inline(always)]
        || {
            for (i, &mean) in means[..span.queries].iter().enumerate() {
                let row = span.row + i;
                let at = (row * heads + h) * d;
                // SAFETY: as above.
                let to = unsafe { out_dot.part(at, d) };
                rows::add(true, -mean, &out[at..at + d], to);
                if keys.own {
                    let (p, logit_dot) = own(row);
                    rows::add(true, p * logit_dot, q.value(row, g), to);
                    rows::add(true, p, t.value(row, g), to);
                }
                // SAFETY: as above.
                unsafe { lse_dot.part(row * heads + h, 1) }.fill(mean);
            }
        },
    );
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
    let dot = rows::dot(t.query(row, h), y) + rows::dot(x, t.key(row, g));
    (scale * rows::dot(x, y), scale * dot)
}
