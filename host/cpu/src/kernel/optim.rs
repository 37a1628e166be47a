//! The AdamW step.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use ebt_core::compute::AdamWStep;
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
