//! The AdamW step.

use super::element::Element;
use super::par::{rows_per_chunk, simd};
use rayon::prelude::*;

/// Hyper-parameters of one [`adamw`] step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step; it scales the move and the weight decay alike.
    pub rate: f64,
    /// Decay of the mean of the gradient.
    pub beta1: f64,
    /// Decay of the mean of its square.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay; zero for none.
    pub decay: f64,
    /// `1 - beta1^t` at step `t >= 1`.
    pub correction1: f64,
    /// `1 - beta2^t` at step `t >= 1`.
    pub correction2: f64,
    /// Factor on the gradient (clipping, averaging).
    pub grad_scale: f64,
}

/// One AdamW step on a parameter; all slices of the same length:
/// `g = grad_scale * grad`, `m += (1 - beta1) (g - m)`,
/// `v += (1 - beta2) (g^2 - v)`,
/// `p -= rate * (m / correction1 / (sqrt(v / correction2) + epsilon) + decay * p)`.
pub fn adamw<E: Element>(p: &mut [E], m: &mut [E], v: &mut [E], grad: &[E], h: AdamW) {
    let len = p.len();
    assert!(m.len() == len && v.len() == len && grad.len() == len, "adamw: lengths differ");
    let keep = E::from_f64(1.0 - h.rate * h.decay);
    let step = E::from_f64(h.rate / h.correction1);
    let root = E::from_f64(h.correction2.sqrt().recip());
    let (take1, take2) = (E::from_f64(1.0 - h.beta1), E::from_f64(1.0 - h.beta2));
    let (eps, scale) = (E::from_f64(h.epsilon), E::from_f64(h.grad_scale));
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
