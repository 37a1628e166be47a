//! Metropolis steps on problems: they sample `exp(-F / T)` over the logits of the unknown cells.

use crate::problem::{Problem, mirror, solve};
use ebt::engine::descent::{DescentOptions, Dynamics, Noise};
use std::ops::ControlFlow;

const CHAINS: usize = 200;

/// `E p` and `E p^2` of a cell of two tokens with the energy `-d0 ln p - d1 ln (1 - p)` and entropy: quadrature over the
/// difference of its logits.
fn exact(d: [f64; 2], tau: f64, temperature: f64) -> [f64; 2] {
    let (mut sums, mut all) = ([0.0; 2], 0.0);
    for k in -4000..=4000 {
        let p = 1.0 / (1.0 + (-f64::from(k) * 0.01).exp());
        let q = 1.0 - p;
        if p <= 0.0 || q <= 0.0 {
            continue;
        }
        let free = -d[0] * p.ln() - d[1] * q.ln() + tau * (p * p.ln() + q * q.ln());
        let weight = (-free / temperature).exp();
        all += weight;
        sums[0] += weight * p;
        sums[1] += weight * p * p;
    }
    sums.map(|sum| sum / all)
}

#[test]
fn metropolis_steps_sample_the_free_energy_of_the_allowed_tokens() {
    let (tau, temperature, steps) = (0.6, 0.8, 800);
    // cell 0: tokens 1 and 2 of 3; cell 1 is given; cell 2: tokens 0 and 2
    let mut problem = Problem::flat(3, 3);
    problem.allowed = [[false, true, true], [true, false, false], [true, false, true]].concat();
    problem.d = vec![0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 1.5, 0.0, 1.5];
    let think = DescentOptions {
        steps,
        noise: Noise::Metropolis { tau: temperature as f32, warm_up: 0 },
        seed: 3,
        ..DescentOptions::default()
    };
    let model = Dynamics { zero_start: false, sigma0: 0.5, ..mirror(0.05, tau as f32) };
    let problems: Vec<_> = (0..CHAINS).map(|k| (k, problem.clone())).collect();
    let mut sums = vec![[0.0; 4]; CHAINS];
    solve(
        &problems,
        (&think, &model),
        &mut |r| {
            if r.step >= steps / 4 {
                let (p, q) = (f64::from(r.probabilities[1]), f64::from(r.probabilities[6]));
                let share = 1.0 / (steps - steps / 4) as f64;
                sums[r.index].iter_mut().zip([p, p * p, q, q * q]).for_each(|(sum, x)| *sum += share * x);
            }
            assert_eq!((r.probabilities[0], r.probabilities[3], r.probabilities[7]), (0.0, 1.0, 0.0));
            ControlFlow::Continue(())
        },
        |_, _| (),
    )
    .expect("a run");
    let expected = [exact([1.0, 2.0], tau, temperature), exact([1.5, 1.5], tau, temperature)].concat();
    for (k, expected) in expected.into_iter().enumerate() {
        let mean = sums.iter().map(|s| s[k]).sum::<f64>() / CHAINS as f64;
        let variance = sums.iter().map(|s| (s[k] - mean).powi(2)).sum::<f64>() / (CHAINS - 1) as f64;
        let error = (variance / CHAINS as f64).sqrt();
        assert!(error < 0.02 && (mean - expected).abs() <= 5.0 * error, "{k}: {mean} +- {error}, exact {expected}");
    }
}
