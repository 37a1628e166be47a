//! Kernels against scalar references in `f64`.

mod basic;
mod gradients;
mod noise;

use super::element::Element;

/// Reproducible values in [-1, 1).
pub fn values(len: usize, seed: u64) -> Vec<f64> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1;
    (0..len)
        .map(|_| {
            x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((x >> 33) as f64) / f64::from(1u32 << 30) - 1.0
        })
        .collect()
}

/// Conversion to the element type.
pub fn cast<E: Element>(x: &[f64]) -> Vec<E> {
    x.iter().map(|&x| E::from_f64(x)).collect()
}

/// Asserts that `got` is within the tolerance of its type, relative to
/// `scale` where values are larger than one.
pub fn close<E: Element>(got: &[E], want: &[f64], loss: f64) {
    let unit = if size_of::<E>() == 4 { 1.2e-7 } else { 2.3e-16 };
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (g.to_f64() - w).abs() / w.abs().max(1.0);
        assert!(error <= loss * unit, "element {i}: {g} for {w}, {} units", error / unit);
    }
}

/// Central difference of `f` at `x` along `x_dot`, in `f64`.
pub fn difference(x: &[f64], x_dot: &[f64], f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let h = 1e-5;
    let at = |s: f64| -> Vec<f64> { f(&x.iter().zip(x_dot).map(|(x, t)| x + s * h * t).collect::<Vec<_>>()) };
    at(1.0).iter().zip(at(-1.0)).map(|(p, m)| (p - m) / (2.0 * h)).collect()
}

/// Inner product of two vectors of equal length, summed in their order.
pub fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Asserts that two results of derivatives agree.
pub fn agree(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() < 2e-8 * w.abs().max(1.0), "element {i}: {g} for {w}");
    }
}

/// Runs `f` on pools of one, two and five threads and asserts equal results.
pub fn same_on_pools<T: PartialEq + std::fmt::Debug + Send>(f: impl Fn() -> T + Sync) {
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool").install(&f);
    let one = on(1);
    assert!(one == on(2) && one == on(5), "the result depends on the pool");
}
