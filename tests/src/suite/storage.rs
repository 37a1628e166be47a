//! Storage, noise, in-place arithmetic and the optimiser of a backend.

use std::slice::from_mut;

use ebt_core::compute::{AdamW, Backend, ParamGroup, Parameters, Rule};
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;

use crate::compare::ensure;
use crate::factory::Reference64;
use crate::{Draw, Factory, Mat, close, for_all, same_bits};

/// What goes up comes down: single-precision numbers and integers to the bit, in both widths.
pub fn values_survive_the_device<F: Factory>() {
    F::with(|b| {
        for_all(32, (1..=40usize, 1..=40usize, any::<u64>()), |(rows, columns, seed)| {
            let draw = Draw::new(seed);
            let m = draw.matrix(rows, columns);
            let narrow: Vec<f32> = m.data.iter().map(|&x| x as f32).collect();
            for a in [m.upload(b), b.upload(rows, columns, &narrow)] {
                same_bits("as double", &Mat::download(b, &a), &m)?;
                let mut back = vec![f32::NAN; narrow.len()];
                b.download(&a, &mut back);
                ensure(back == narrow, || "as single".into())?;
            }
            let integers: Vec<u32> =
                (0..rows).map(|i| if i % 5 == 4 { u32::MAX } else { draw.below(1 << 30) as u32 }).collect();
            let mut back = vec![0; rows];
            b.download_index(&b.index(&integers), &mut back);
            ensure(back == integers, || format!("{back:?} instead of {integers:?}"))
        });
    });
}

/// Noise is the reference's stream, wherever in it a call starts.
pub fn noise_is_the_reference_noise<F: Factory>() {
    F::with(|b| {
        for_all(32, (1..=30usize, 1..=30usize, 0..=200u64, any::<u64>()), |(rows, columns, first, seed)| {
            let stream = Stream::new(seed, seed as u32 ^ 5, Purpose::Langevin).detail(3);
            let got = Mat::download(b, &b.normal(rows, columns, stream, first, 1.5));
            let want = (0..(rows * columns) as u64).map(|i| 1.5 * stream.normal(first + i)).collect();
            // single precision may compute the logarithm and the angle narrowly
            close("noise", &got, &Mat::new(rows, columns, want), 10.0 * F::TOLERANCE.value)
        });
    });
}

/// `axpy`, `clear`, `sum_squares` against the reference, for row factors and for one factor.
pub fn in_place_operations<F: Factory>() {
    fn run<B: Backend>(b: &B, x: &[Mat]) -> Vec<Mat> {
        let up = |i: usize| x[i].upload(b);
        let mut zero = up(0);
        b.clear(&mut zero);
        let results = [b.axpy(up(0), &x[2].upload(b), &up(1)), zero, b.sum_squares(&[up(0), up(1), up(2)])];
        results.iter().map(|a| Mat::download(b, a)).collect()
    }
    F::with(|b| {
        Reference64::with(|reference| {
            for_all(48, (1..=40usize, 1..=40usize, any::<bool>(), any::<u64>()), |(rows, columns, by_row, seed)| {
                let draw = Draw::new(seed);
                let r = if by_row { rows } else { 1 };
                let x = [draw.matrix(rows, columns), draw.matrix(rows, columns), draw.matrix(r, 1)];
                let want = run(reference, &x);
                let names = ["axpy", "clear", "sum of squares"];
                for ((name, got), want) in names.iter().zip(run(b, &x)).zip(want) {
                    close(name, &got, &want, 3.0 * F::TOLERANCE.value)?;
                }
                Ok(())
            });
        })
    });
}

/// Three AdamW updates and averages against the textbook in double precision.
pub fn optimiser_and_average<F: Factory>() {
    F::with(|b| {
        for_all(32, (1..=30usize, 1..=30usize, any::<u64>()), |(rows, columns, seed)| {
            let draw = Draw::new(seed);
            let mut p = draw.matrix(rows, columns);
            let (mut first, mut second) = (Mat::zeros(rows, columns), Mat::zeros(rows, columns));
            let mut mean = p.clone();
            let mut state = [&p, &first, &second, &p].map(|m| m.upload(b));
            let constants = AdamW { beta1: 0.75, beta2: 0.875, eps: 1e-6 };
            let AdamW { beta1, beta2, eps } = constants;
            for t in 1..=3 {
                let (rate, decay, factor, keep) = (0.125, 0.0625, 0.5, 0.75);
                let (correction1, correction2) = (1.0 - beta1.powi(t), 1.0 - beta2.powi(t));
                let g = draw.matrix(rows, columns);
                let [weight, first_moment, second_moment, average] = &mut state;
                let parameters = Parameters {
                    weights: from_mut(weight),
                    first: from_mut(first_moment),
                    second: from_mut(second_moment),
                    average: from_mut(average),
                    gradients: &[g.upload(b)],
                    param_groups: &[ParamGroup { rate: 1.0, decay, rule: Rule::AdamW }],
                };
                b.update(parameters, constants, &b.upload_f64(1, 5, &[rate, correction1, correction2, factor, keep]));
                for i in 0..p.data.len() {
                    let g = factor * g.data[i];
                    first.data[i] = beta1 * first.data[i] + (1.0 - beta1) * g;
                    second.data[i] = beta2 * second.data[i] + (1.0 - beta2) * g * g;
                    let change = (first.data[i] / correction1) / ((second.data[i] / correction2).sqrt() + eps);
                    p.data[i] -= rate * decay * p.data[i] + rate * change;
                    mean.data[i] += (1.0 - keep) * (p.data[i] - mean.data[i]);
                }
            }
            let tolerance = 10.0 * F::TOLERANCE.value;
            for ((what, got), want) in ["parameters", "first moments", "second moments", "average"]
                .iter()
                .zip(&state)
                .zip([&p, &first, &second, &mean])
            {
                close(what, &Mat::download(b, got), want, tolerance)?;
            }
            Ok(())
        });
    });
}
