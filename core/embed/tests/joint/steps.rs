//! Steps, energies, certificates and curvature.

use crate::problem::{Problem, double, go, mirror, problem, solve};
use crate::toys;
use ebt::engine::descent::{Descent, DescentOptions, Dynamics, Noise, StepSize, Stop, Tolerance};
use ebt_core::config::UpdateRule;
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;
use std::ops::ControlFlow;

fn rule_and_tau() -> impl Strategy<Value = (UpdateRule, f32)> {
    let rules = prop::sample::select(UpdateRule::ALL).prop_map(|(.., rule)| rule);
    (rules, prop_oneof![Just(0.0f32), 0.05f32..2.0])
        .prop_map(|(rule, tau)| (rule, if rule == UpdateRule::Mirror { tau } else { 0.0 }))
}

/// The step of the update rule on every unknown cell, in f64; logits of other tokens are 0.
fn stepped(problem: &Problem, (rule, tau): (UpdateRule, f64), alpha: f64, y: &[f64]) -> Vec<f64> {
    let p = problem.softmax(y);
    let g = problem.gradient(&p);
    let mut next = vec![0.0; y.len()];
    for cell in (0..problem.cells).filter(|cell| !problem.given(*cell)) {
        let tokens = || (cell * problem.vocab..(cell + 1) * problem.vocab).filter(|k| problem.allowed[*k]);
        let mean: f64 = tokens().map(|k| p[k] * g[k]).sum();
        for k in tokens() {
            next[k] = match rule {
                UpdateRule::Probability => p[k] - alpha * g[k],
                UpdateRule::Mirror => y[k] - alpha * (g[k] + tau * y[k]),
                UpdateRule::Logit => y[k] - alpha * (p[k] * (g[k] - mean)),
            };
        }
    }
    next
}

/// Standard normal numbers of a stream for a whole problem.
fn normals(stream: Stream, number: usize, width: usize) -> Vec<f64> {
    (0..width as u64).map(|k| stream.normal(number as u64 * width as u64 + k)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn plain_steps_are_those_of_the_rule_on_all_unknown_cells(
        problem in problem(3, 5, false), (rule, tau) in rule_and_tau(), sigma0 in 0.0f32..2.0,
        langevin in prop_oneof![Just(0.0f32), Just(0.3f32)], seed: u64, number in 0usize..1000, eta in 0.2f32..1.2,
    ) {
        let noise = if langevin > 0.0 { Noise::Langevin { sigma: langevin } } else { Noise::None };
        let think = DescentOptions { steps: 4, noise, seed, step_size: StepSize::Scaled(eta), certify: true, ..DescentOptions::default() };
        let model = Dynamics { zero_start: false, sigma0, tau, ..toys::dynamics(rule, 0.4) };
        let mut seen = Vec::new();
        let report = &mut |r: &ebt::StepReport<'_>| {
            seen.push((r.energy, r.energy_after.unwrap(), r.step_size, r.dissipation, r.logits.to_vec(), r.probabilities.to_vec(), r.log_sum_exp));
            ControlFlow::Continue(())
        };
        solve(&[(number, problem.clone())], (&think, &model), report, |_, _| ()).expect("a run");
        let unknown: Vec<usize> = (0..15).filter(|k| problem.allowed[*k] && !problem.given(k / 5)).collect();
        let start = normals(Stream::new(seed, 0, Purpose::InitialState), number, 15);
        let mut y = vec![0.0; 15];
        unknown.iter().for_each(|k| y[*k] = f64::from(sigma0) * start[*k]);
        prop_assert_eq!(seen.len(), if unknown.is_empty() { 1 } else { 4 });
        for (i, (before, after, size, dissipation, logits, p, lse)) in seen.into_iter().enumerate() {
            let noise = normals(Stream::new(seed, 0, Purpose::Langevin).detail(i as u16), number, 15);
            unknown.iter().for_each(|k| y[*k] += f64::from(langevin) * noise[*k]);
            let alpha = f64::from(eta * 0.4);
            prop_assert!((problem.free(tau.into(), &problem.softmax(&y)) - f64::from(before)).abs() < 1e-4);
            prop_assert!((alpha - f64::from(size)).abs() < 1e-6);
            if rule == UpdateRule::Mirror {
                let exact = problem.dissipation(tau.into(), &y);
                prop_assert!((exact - f64::from(dissipation)).abs() < 1e-4 * (1.0 + exact), "{exact} {dissipation}");
            }
            y = stepped(&problem, (rule, tau.into()), alpha, &y);
            prop_assert!((problem.free(tau.into(), &problem.softmax(&y)) - f64::from(after)).abs() < 1e-4);
            for &k in &unknown {
                prop_assert!((y[k] - f64::from(logits[k])).abs() < 1e-4, "{} {}", y[k], logits[k]);
            }
            // sets hold exactly, in given cells and in others
            for k in 0..15 {
                prop_assert!(problem.allowed[k] || (logits[k] == f32::NEG_INFINITY && p[k].to_bits() == 0));
                prop_assert!(!(problem.given(k / 5) && problem.allowed[k]) || p[k].to_bits() == 1f32.to_bits());
            }
            let exact: f64 = (0..3).map(|cell| {
                let tokens = (cell * 5..cell * 5 + 5).filter(|k| problem.allowed[*k]);
                tokens.map(|k| if problem.given(cell) { 1.0 } else { y[k].exp() }).sum::<f64>().ln()
            }).sum();
            prop_assert!((exact - f64::from(lse)).abs() < 1e-3);
        }
    }

    #[test]
    fn backtracking_never_raises_the_energy_and_decreases_it_as_certified(
        problem in problem(3, 4, false), (rule, tau) in rule_and_tau(), start in 0.1f32..50.0, seed: u64,
    ) {
        let size = StepSize::Armijo { start, decrease: 1e-4, shrink: 0.5, grow: 1.5, most_halvings: 14 };
        let think = DescentOptions { steps: 12, step_size: size, seed, assess: true, ..DescentOptions::default() };
        let model = Dynamics { zero_start: false, sigma0: 1.0, tau, ..toys::dynamics(rule, 1.0) };
        solve(&[(7, problem.clone())], (&think, &model), &mut go, |d, _| {
            let c = d.certificate(0).expect("finished");
            for i in 0..c.steps {
                let (before, after) = (c.energies[i], c.energies_after[i]);
                prop_assert!(after <= before && c.dissipations[i] >= 0.0);
                prop_assert!(after <= before - 1e-4 * (c.step_sizes[i] * c.dissipations[i]));
                prop_assert!(c.decreased[i] && (c.step_sizes[i] > 0.0 || after == before));
                prop_assert!(i == 0 || before == c.energies_after[i - 1]);
            }
            prop_assert!(c.all_decreased == Some(true) && (c.steps == 12 || c.stop == Stop::Stationary));
            let (p, end) = (double(d.probabilities(0)), c.end.expect("assessed"));
            prop_assert!((problem.free(tau.into(), &p) - f64::from(end.free)).abs() <= 1e-4);
            prop_assert!((problem.entropy(&p) - f64::from(end.entropy)).abs() <= 1e-4);
            prop_assert!((problem.energy(&p, &problem.all_given()) - f64::from(end.energy)).abs() <= 1e-4);
            let y: Vec<f64> = d.logits(0).iter().map(|y| f64::from(y.max(-1e9))).collect();
            let residual = problem.dissipation(tau.into(), &y).sqrt();
            prop_assert!((residual - f64::from(end.residual)).abs() <= 1e-3 * (1.0 + residual), "{residual} {end:?}");
            prop_assert_eq!(end.free, c.energies_after[c.steps - 1]);
            Ok(())
        }).expect("a run")?;
    }

    #[test]
    fn steps_from_curvature_never_raise_a_convex_energy(
        problem in problem(3, 4, true), tau in prop_oneof![Just(0.0f32), 0.05f32..2.0], seed: u64, c in 0.2f32..0.5,
    ) {
        let step_size = StepSize::Curvature { c, iterations: 8 };
        let think = DescentOptions { steps: 20, step_size, seed, certify: true, ..DescentOptions::default() };
        let model = Dynamics { zero_start: false, sigma0: 0.5, ..mirror(0.1, tau) };
        solve(&[(0, problem)], (&think, &model), &mut go, |d, _| {
            let c = d.certificate(0).expect("finished");
            for (before, after) in c.energies.iter().zip(c.energies_after) {
                prop_assert!(*after <= before + 2e-6 * (1.0 + before.abs()), "{:?}", c);
            }
            Ok(())
        }).expect("a run")?;
    }

    #[test]
    fn a_full_step_on_the_entropy_of_the_step_size_is_replacement(
        problem in problem(4, 5, false), alpha in 0.2f32..3.0, seed: u64,
    ) {
        // alpha tau = 1: Y' = Y - alpha (G + Y / alpha) = -alpha G
        let think = DescentOptions { steps: 3, step_size: StepSize::Scaled(1.0), seed, ..DescentOptions::default() };
        let model = Dynamics { zero_start: false, sigma0: 1.0, ..mirror(alpha, 1.0 / alpha) };
        let mut states = Vec::new();
        solve(&[(2, problem.clone())], (&think, &model), &mut |r| {
            states.push((r.probabilities.to_vec(), r.logits.to_vec()));
            ControlFlow::Continue(())
        }, |_, _| ()).expect("a run");
        for pair in states.windows(2) {
            let g = problem.gradient(&double(&pair[0].0));
            for k in (0..20).filter(|k| problem.allowed[*k] && !problem.given(k / 5)) {
                let (found, exact) = (f64::from(pair[1].1[k]), -f64::from(alpha) * g[k]);
                prop_assert!((found - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{found} {exact}");
            }
        }
    }

    #[test]
    fn a_problem_gives_the_same_bits_alone_and_in_company(
        problems in prop::collection::vec(problem(3, 4, false), 3), (rule, tau) in rule_and_tau(), seed: u64,
        size in prop::sample::select(vec![
            StepSize::Scaled(0.5), StepSize::ARMIJO, StepSize::Curvature { c: 0.5, iterations: 4 },
        ]),
        noise in prop::sample::select(vec![
            Noise::None, Noise::Langevin { sigma: 0.1 }, Noise::Metropolis { tau: 0.5, warm_up: 3 },
        ]),
        commits in 0usize..4,
    ) {
        let step_size = if matches!(noise, Noise::Metropolis { .. }) { StepSize::Model } else { size };
        let energy = if noise == Noise::None { 1e-3 } else { 0.0 };
        let tolerance = Tolerance { energy, ..Tolerance::default() };
        let think = DescentOptions { steps: 6, step_size, noise, seed, candidates: 2, tolerance, commits, ..DescentOptions::joint() };
        let model = Dynamics { tau, ..toys::dynamics(rule, 0.7) };
        let bits = |d: &Descent<'_>, k: usize| {
            let c = d.certificate(k).expect("finished");
            let end = [0, 1].map(|m| d.assessment(k, m).expect("assessed"));
            let floats = [c.energies, c.energies_after, c.step_sizes, c.dissipations, c.candidate_energies, d.logits(k)];
            let ends = end.iter().flat_map(|e| [e.energy, e.free, e.entropy, e.residual, e.votes as f32]);
            let all: Vec<u32> = floats.concat().into_iter().chain(ends).map(f32::to_bits).collect();
            (c.candidate, c.stop, c.rounds.to_vec(), d.answer(k).collect::<Vec<_>>(), all)
        };
        let numbered: Vec<_> = [4usize, 90, 17].into_iter().zip(problems).collect();
        let together = solve(&numbered, (&think, &model), &mut go, |d, _| [bits(d, 0), bits(d, 1), bits(d, 2)]);
        for (together, problem) in together.expect("a run").into_iter().zip(numbered) {
            let alone = solve(&[problem], (&think, &model), &mut go, |d, _| bits(d, 0)).expect("a run");
            prop_assert_eq!(together, alone);
        }
    }
}

/// Largest eigenvalue of a symmetric matrix: power iteration on `B + c I`.
fn largest(b: &[f64], n: usize) -> f64 {
    let shift = b.iter().map(|x| x.abs()).sum::<f64>();
    let mut x: Vec<f64> = (0..n).map(|k| (k as f64 * 1.7).sin() + 0.3).collect();
    let mut ratio = 0.0;
    for _ in 0..20_000 {
        let next: Vec<f64> = toys::product(b, &x).iter().zip(&x).map(|(a, x)| a + shift * x).collect();
        ratio = toys::inner(&next, &next).sqrt() / toys::inner(&x, &x).sqrt();
        let norm = toys::inner(&next, &next).sqrt();
        x = next.iter().map(|x| x / norm).collect();
    }
    ratio - shift
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn lambda_max_is_that_of_the_linearised_step_of_all_unknown_cells(
        problem in problem(3, 4, false), (rule, tau) in rule_and_tau(), seed: u64,
    ) {
        let unknown: Vec<usize> = (0..12).filter(|k| problem.allowed[*k] && !problem.given(k / 4)).collect();
        prop_assume!(!unknown.is_empty());
        let think = DescentOptions { steps: 1, curvature: 20, seed, ..DescentOptions::default() };
        let model = Dynamics { zero_start: false, sigma0: 1.0, tau, ..toys::dynamics(rule, 1.0) };
        let start = normals(Stream::new(seed, 0, Purpose::InitialState), 5, 12);
        let mut y = vec![0.0; 12];
        unknown.iter().for_each(|k| y[*k] = start[*k]);
        // the negative displacement of a step of size 1 along the unknown logits, or probabilities
        let displaced = |x: &[f64]| -> Vec<f64> {
            if rule == UpdateRule::Probability {
                return problem.gradient(x);
            }
            let next = stepped(&problem, (rule, 0.0), 1.0, x);
            x.iter().zip(next).map(|(x, next)| x - next).collect()
        };
        let at = if rule == UpdateRule::Probability { problem.softmax(&y) } else { y.clone() };
        let (n, h) = (unknown.len(), 1e-5);
        let mut b = vec![0.0; n * n];
        for (j, &column) in unknown.iter().enumerate() {
            let moved = |h: f64| {
                let mut x = at.clone();
                x[column] += h;
                displaced(&x)
            };
            let (up, down) = (moved(h), moved(-h));
            (0..n).for_each(|i| b[i * n + j] = (up[unknown[i]] - down[unknown[i]]) / (2.0 * h));
        }
        // entropy adds tau to what the energy alone has
        let exact = largest(&b, n);
        prop_assume!(exact > 0.02);
        let exact = exact + f64::from(tau);
        let found = solve(&[(5, problem.clone())], (&think, &model), &mut go, |d, _| {
            f64::from(d.certificate(0).expect("finished").alpha_lambda[0])
        }).expect("a run");
        prop_assert!((found - exact).abs() <= 3e-3 * exact + 1e-4, "{rule:?} {found} {exact}");
    }
}

#[test]
fn an_entropic_descent_ends_at_its_minimum_and_says_so() {
    // a linear energy: P = softmax(-b / tau), F = -tau sum ln sum exp(-b / tau)
    let mut problem = Problem::flat(3, 4);
    problem.b = (0..12).map(|k| (k as f64 * 1.3).sin()).collect();
    problem.allowed[1] = false;
    (9..12).for_each(|k| problem.allowed[k] = false);
    let (tau, alpha) = (0.7, 0.9);
    let tolerance = Tolerance { dissipation: 1e-10, ..Tolerance::default() };
    let think = DescentOptions { steps: 200, tolerance, ..DescentOptions::joint() };
    let exact: f64 = [vec![0, 2, 3], vec![4, 5, 6, 7]]
        .iter()
        .map(|set| -tau * set.iter().map(|k| (-problem.b[*k] / tau).exp()).sum::<f64>().ln())
        .sum::<f64>()
        + problem.b[8];
    solve(&[(0, problem.clone())], (&think, &mirror(alpha, tau as f32)), &mut go, |d, _| {
        let c = d.certificate(0).expect("finished");
        let end = c.end.expect("assessed");
        assert!(c.stop == Stop::Dissipation && c.steps < 100, "{c:?}");
        assert!((f64::from(end.free) - exact).abs() < 1e-5, "{end:?} {exact}");
        assert!(end.residual < 1e-5 && end.votes == 1);
        let y: Vec<f64> = problem.b.iter().map(|b| -b / tau).collect();
        for (found, exact) in d.probabilities(0).iter().zip(problem.softmax(&y)) {
            assert!((f64::from(*found) - exact).abs() < 1e-5);
        }
    })
    .expect("a run");
}

#[test]
fn a_problem_whose_cells_are_all_given_is_evaluated_and_done() {
    let mut problem = Problem::flat(2, 3);
    problem.allowed = vec![false, true, false, true, false, false];
    (problem.b, problem.flags) = (vec![0.0, 2.0, 0.0, 3.0, 0.0, 0.0], vec![10.0, 10.0]);
    for step_size in [StepSize::Scaled(0.5), StepSize::ARMIJO, StepSize::Curvature { c: 1.0, iterations: 3 }] {
        let think = DescentOptions { steps: 9, candidates: 2, step_size, ..DescentOptions::joint() };
        solve(&[(0, problem.clone())], (&think, &mirror(1.0, 0.5)), &mut go, |d, _| {
            let c = d.certificate(0).expect("finished");
            assert_eq!((c.steps, c.stop, c.energies, c.dissipations), (1, Stop::Stationary, &[5.0][..], &[0.0][..]));
            let end = c.end.expect("assessed");
            assert_eq!((end.energy, end.free, end.entropy, end.residual, end.votes), (5.0, 5.0, 0.0, 0.0, 2));
            assert_eq!(d.answer(0).collect::<Vec<_>>(), [1, 0]);
        })
        .expect("a run");
    }
}
