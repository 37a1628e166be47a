//! The steps of the optimiser.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use ebt_core::compute::{AdamWStep, DirectionStep};
use rayon::prelude::*;

/// One AdamW step on a parameter; all slices of the same length:
/// `g = factor * grad`, `m += (1 - beta1) (g - m)`,
/// `v += (1 - beta2) (g^2 - v)`,
/// `p -= rate * (m / correction1 / (sqrt(v / correction2) + eps) + decay * p)`.
pub fn adamw<E: Element>(p: &mut [E], m: &mut [E], v: &mut [E], grad: &[E], s: AdamWStep) {
    let len = p.len();
    assert!(m.len() == len && v.len() == len && grad.len() == len, "adamw: lengths differ");
    let keep = E::from_f64(1.0 - s.rate * s.decay);
    let step = E::from_f64(s.rate / s.correction1);
    let root = E::from_f64(s.correction2.sqrt().recip());
    let (take1, take2) = (E::from_f64(1.0 - s.constants.beta1), E::from_f64(1.0 - s.constants.beta2));
    let (eps, scale) = (E::from_f64(s.constants.eps), E::from_f64(s.factor));
    let chunk = rows_per_chunk(len, 4);
    let moments = m.par_chunks_mut(chunk).zip(v.par_chunks_mut(chunk));
    let params = p.par_chunks_mut(chunk).zip(grad.par_chunks(chunk));
    params.zip(moments).for_each(|((p, grad), (m, v))| {
        simd(
            #[inline(always)]
            || {
                for ((p, &g), (m, v)) in p.iter_mut().zip(grad).zip(m.iter_mut().zip(v)) {
                    let g = g * scale;
                    *m = take1.mul_add(g - *m, *m);
                    *v = take2.mul_add(g * g - *v, *v);
                    *p = keep * *p - step * *m / v.sqrt().mul_add(root, eps);
                }
            },
        );
    });
}

/// One step along a direction `d`; all slices of the same length:
/// `m += (1 - momentum) (factor * grad - m)`, `p = (1 - rate * decay) * p - rate * d`.
pub fn follow<E: Element>(p: &mut [E], m: &mut [E], d: &[E], grad: &[E], s: DirectionStep) {
    let len = p.len();
    assert!(m.len() == len && d.len() == len && grad.len() == len, "follow: lengths differ");
    let (keep, step) = (E::from_f64(1.0 - s.rate * s.decay), E::from_f64(s.rate));
    let (take, scale) = (E::from_f64(1.0 - s.momentum), E::from_f64(s.factor));
    let chunk = rows_per_chunk(len, 4);
    let read = d.par_chunks(chunk).zip(grad.par_chunks(chunk));
    p.par_chunks_mut(chunk).zip(m.par_chunks_mut(chunk)).zip(read).for_each(|((p, m), (d, grad))| {
        simd(
            #[inline(always)]
            || {
                for ((p, &d), (m, &g)) in p.iter_mut().zip(d).zip(m.iter_mut().zip(grad)) {
                    *m = take.mul_add(g * scale - *m, *m);
                    *p = keep * *p - step * d;
                }
            },
        );
    });
}
