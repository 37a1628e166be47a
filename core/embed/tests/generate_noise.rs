//! What noisy descents sample: against densities known exactly.

mod toys;

use ebt::engine::descent::{DescentOptions, Dynamics, Noise};
use ebt_core::config::UpdateRule;
use std::ops::ControlFlow;
use toys::{Energy, Toy, dynamics, run};

const CHAINS: usize = 200;

/// Time averages of `f(P)` after `burn_in` in independent chains: their mean and its standard error.
fn averages(
    energy: &Energy,
    model: &Dynamics,
    noise: Noise,
    steps: usize,
    f: impl Fn(&[f32]) -> f64,
) -> (f64, f64, f64) {
    let mut sums = vec![0.0; CHAINS];
    let positions: Vec<usize> = (0..CHAINS).collect();
    let burn_in = steps / 4;
    let think = DescentOptions { steps, noise, seed: 11, ..DescentOptions::default() };
    let mut toy = Toy::new(vec![energy.clone(); CHAINS]);
    let rate = run(
        &mut toy,
        (&think, model, &positions),
        &mut |r| {
            if r.step >= burn_in {
                sums[r.index] += f(r.probabilities) / (steps - burn_in) as f64;
            }
            ControlFlow::Continue(())
        },
        |d, _| {
            let rates = (0..CHAINS).filter_map(|k| d.certificate(k).and_then(|c| c.acceptance));
            rates.map(f64::from).sum::<f64>() / CHAINS as f64
        },
    );
    let mean = sums.iter().sum::<f64>() / CHAINS as f64;
    let variance = sums.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (CHAINS - 1) as f64;
    (mean, (variance / CHAINS as f64).sqrt(), rate.expect("a run"))
}

/// Mean and second moment of the first component of a Dirichlet distribution.
fn dirichlet(a: &[f64], tau: f64) -> [f64; 2] {
    let (a0, total) = (a[0] / tau, a.iter().sum::<f64>() / tau);
    [a0 / total, a0 * (a0 + 1.0) / (total * (total + 1.0))]
}

#[test]
fn metropolis_steps_sample_the_density_exactly() {
    let a = vec![2.0, 3.0, 4.0];
    let exact = dirichlet(&a, 0.8);
    let energy = Energy::Dirichlet(a);
    for (rule, alpha) in [(UpdateRule::Mirror, 0.05), (UpdateRule::Logit, 0.4)] {
        let noise = Noise::Metropolis { tau: 0.8, warm_up: 0 };
        let model = Dynamics { zero_start: false, sigma0: 0.5, ..dynamics(rule, alpha) };
        for (power, exact) in [1, 2].into_iter().zip(exact) {
            let (mean, error, rate) = averages(&energy, &model, noise, 800, |p| f64::from(p[0]).powi(power));
            assert!(rate > 0.02 && error < 0.02, "{rule:?}: acceptance {rate}, error {error}");
            assert!((mean - exact).abs() <= 5.0 * error, "{rule:?} {power}: {mean} +- {error}, exact {exact}, {rate}");
        }
    }
}

#[test]
fn unadjusted_steps_sample_it_up_to_the_step_size() {
    let a = vec![2.0, 3.0, 4.0];
    let energy = Energy::Dirichlet(a.clone());
    let model = dynamics(UpdateRule::Logit, 0.02);
    for (power, exact) in [1, 2].into_iter().zip(dirichlet(&a, 1.0)) {
        let noise = Noise::Temperature { tau: 1.0 };
        // reports show the state after the drift; its variance is smaller by order alpha
        let (mean, error, _) = averages(&energy, &model, noise, 1500, |p| f64::from(p[0]).powi(power));
        assert!((mean - exact).abs() <= 5.0 * error + 0.03 * exact, "{power}: {mean} +- {error}, exact {exact}");
    }
}

#[test]
fn adaptation_reaches_the_acceptance_it_aims_at() {
    let energy = Energy::Dirichlet(vec![2.0, 3.0, 4.0, 1.0, 2.0]);
    for alpha in [1e-3, 10.0] {
        let noise = Noise::Metropolis { tau: 1.0, warm_up: 500 };
        let (_, _, rate) = averages(&energy, &dynamics(UpdateRule::Logit, alpha), noise, 1000, |_| 0.0);
        assert!((rate - 0.574).abs() < 0.04, "from {alpha}: {rate}");
    }
}
