//! The matrix product of the CPU backend against an independent library (ndarray, which calls matrixmultiply).
#![allow(clippy::unwrap_used)]

use ebt_core::compute::{Backend, Compute, Layout};
use ebt_core::random::{Purpose, Stream};
use ebt_cpu::kernel::element::Element;
use ebt_cpu::{Cpu, Matrix};
use ndarray::Array2;
use proptest::prelude::*;

fn draw<E: Element>(b: &Cpu<E>, rows: usize, columns: usize, seed: u64) -> Matrix<E> {
    b.normal(rows, columns, Stream::new(seed, 0, Purpose::Test), 0, 1.0)
}

fn wide<E: Element>(a: &Matrix<E>) -> Array2<f64> {
    a.view().mapv(|x| x.to_f64())
}

/// Largest error of all three layouts over the largest value a sum of `k` products of this size can have.
fn worst<E: Element>(m: usize, k: usize, n: usize, seed: u64) -> f64 {
    let b = Cpu::<E>::poisoned(2);
    let mut worst: f64 = 0.0;
    for layout in [Layout::NN, Layout::NT, Layout::TN] {
        let (left, right) = match layout {
            Layout::NN => ((m, k), (k, n)),
            Layout::NT => ((m, k), (n, k)),
            Layout::TN => ((k, m), (k, n)),
        };
        let (x, y) = (draw(&b, left.0, left.1, seed), draw(&b, right.0, right.1, seed + 1));
        let (wx, wy) = (wide(&x), wide(&y));
        let expected = match layout {
            Layout::NN => wx.dot(&wy),
            Layout::NT => wx.dot(&wy.t()),
            Layout::TN => wx.t().dot(&wy),
        };
        let ours = wide(&b.matmul(&x, &y, layout));
        let error = (&ours - &expected).iter().fold(0.0f64, |e, d| e.max(d.abs()));
        worst = worst.max(error / (k as f64).sqrt());
    }
    b.status().unwrap();
    worst
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_agree_with_an_independent_library(m in 1usize..90, k in 1usize..420, n in 1usize..120, seed in 0u64..1000) {
        prop_assert!(worst::<f64>(m, k, n, seed) < 1e-13);
        prop_assert!(worst::<f32>(m, k, n, seed) < 1e-4);
    }
}
