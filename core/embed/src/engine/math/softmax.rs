//! Softmax, log-sum-exp and entropy of one row.

use super::elementary::{exp, ln};
use super::lanes::sum1;

/// The largest element; `-inf` of none. NaN is passed over.
#[inline]
pub fn maximum(y: &[f32]) -> f32 {
    let larger = |m: f32, x: f32| if x > m { x } else { m };
    let (chunks, tail) = y.as_chunks::<8>();
    let mut lanes = [f32::NEG_INFINITY; 8];
    for x in chunks {
        lanes.iter_mut().zip(x).for_each(|(m, &x)| *m = larger(*m, x));
    }
    lanes.iter().chain(tail).fold(f32::NEG_INFINITY, |m, &x| larger(m, x))
}

/// `p = softmax(y)` and its log-sum-exp. A NaN, `+inf`, or nothing but `-inf` in `y` makes `p` NaN.
#[inline]
pub fn softmax(y: &[f32], p: &mut [f32]) -> f32 {
    let shift = maximum(y);
    p.iter_mut().zip(y).for_each(|(p, &y)| *p = exp(y - shift));
    let sum = sum1(p, |p| p);
    let inverse = 1.0 / sum;
    p.iter_mut().for_each(|p| *p *= inverse);
    shift + ln(sum)
}

/// `ln sum exp y`, with the bits of [`softmax`].
#[inline]
pub fn log_sum_exp(y: &[f32]) -> f32 {
    let shift = maximum(y);
    shift + ln(sum1(y, |y| exp(y - shift)))
}

/// `-sum p ln p` in nats, `0 ln 0 = 0`.
#[inline]
pub fn entropy(p: &[f32]) -> f32 {
    sum1(p, |p| if p == 0.0 { 0.0 } else { -(p * ln(p)) })
}
