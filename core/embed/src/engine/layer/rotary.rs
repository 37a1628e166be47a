//! Rotary embedding of rows that each stand at a position of their own (definition: [`ebt_core::compute::Rotary`]): the
//! interleaved pair `(2i, 2i+1)` of every turned head turns by `position theta^(-2i/d)`.

use crate::engine::math;

/// `e^x` for `|x| < 100`: a Taylor series of `x / 1024`, squared ten times; relative error below 1e-12.
fn exp(x: f64) -> f64 {
    let small = x * (1.0 / 1024.0);
    let mut e = 1.0;
    for k in [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0] {
        e = 1.0 + e * small * (1.0 / k);
    }
    (0..10).fold(e, |e, _| e * e)
}

/// `ln x` for normal `x > 0`: Newton steps on `e^y = x` from the single-precision logarithm.
fn ln(x: f64) -> f64 {
    let y = f64::from(math::ln(x as f32));
    let y = y + x * exp(-y) - 1.0;
    y + x * exp(-y) - 1.0
}

/// Frequencies `theta^(-2i/d)`, `i < d/2`, each as the high and the low half of a double.
pub fn frequencies(theta: f64, width: usize, out: &mut [f32]) {
    let step = -2.0 * ln(theta) / width.max(1) as f64;
    for (i, pair) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let exact = exp(step * i as f64);
        let high = exact as f32;
        *pair = [high, (exact - f64::from(high)) as f32];
    }
}

/// Cosines and sines `(d/2, 2)` of one position.
pub fn turns(frequencies: &[f32], position: u64, out: &mut [f32]) {
    let pairs = frequencies.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<2>().0);
    for ([high, low], turn) in pairs {
        let (sin, cos) = math::sin_cos(position as f64 * (f64::from(*high) + f64::from(*low)));
        *turn = [cos, sin];
    }
}

/// Turns the heads of `row` (any number of heads of width `d`), forward or back.
pub fn rotate(row: &mut [f32], width: usize, turns: &[f32], back: bool) {
    for head in row.chunks_exact_mut(width.max(1)) {
        for ([x0, x1], &[cos, sin]) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns.as_chunks::<2>().0) {
            let sin = if back { -sin } else { sin };
            (*x0, *x1) = (*x0 * cos - *x1 * sin, *x0 * sin + *x1 * cos);
        }
    }
}
