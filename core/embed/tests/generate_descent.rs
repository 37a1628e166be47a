//! What a descent promises of its energies, step sizes, stopping, candidates and certificates.

mod toys;

use ebt::engine::Error;
use ebt::engine::SessionOptions;
use ebt::engine::arena::Arena;
use ebt::engine::descent::{Descent, DescentOptions, Dynamics, Noise, Selection, StepSize, Stop, Tolerance};
use ebt_core::config::UpdateRule;
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;
use std::ops::ControlFlow;
use toys::{Energy, Toy, certified, dynamics, run};

/// `M = B + B^T` (indefinite), or `B^T B`.
fn quadratic(v: usize, convex: bool) -> impl Strategy<Value = Energy> {
    let vector = move || prop::collection::vec(-1.0f64..1.0, v);
    (prop::collection::vec(-1.0f64..1.0, v * v), vector(), vector()).prop_map(move |(b, a, tilt)| {
        let at = |i: usize, j: usize| {
            if convex { (0..v).map(|k| b[k * v + i] * b[k * v + j]).sum() } else { b[i * v + j] + b[j * v + i] }
        };
        let m = (0..v * v).map(|k| at(k / v, k % v)).collect();
        Energy::Quadratic { a: toys::softmax(&a), m, b: tilt }
    })
}

fn rule() -> impl Strategy<Value = UpdateRule> {
    prop::sample::select(UpdateRule::ALL).prop_map(|(.., rule)| rule)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn backtracking_never_raises_the_energy_and_decreases_it_as_certified(
        energy in quadratic(7, false), rule in rule(), start in 0.1f32..200.0, landscapes in 1usize..4, seed: u64,
    ) {
        let size = StepSize::Armijo { start, decrease: 1e-4, shrink: 0.5, grow: 1.5, most_halvings: 12 };
        let think = DescentOptions { steps: 12, step_size: size, seed, ..DescentOptions::default() };
        let model = Dynamics { landscapes, zero_start: false, sigma0: 1.0, ..dynamics(rule, 1.0) };
        certified(&energy, &think, &model, |c, logits| {
            let n = c.steps;
            prop_assert!(n == 12 || c.stop == Stop::Stationary);
            prop_assert_eq!([c.energies.len(), c.energies_after.len(), c.step_sizes.len(), c.decreased.len()], [n; 4]);
            for i in 0..n {
                let (before, after) = (c.energies[i], c.energies_after[i]);
                prop_assert!(after <= before && c.dissipations[i] >= 0.0);
                prop_assert!(after <= before - 1e-4 * (c.step_sizes[i] * c.dissipations[i]));
                prop_assert!(c.decreased[i] && (c.step_sizes[i] > 0.0 || after == before));
                prop_assert_eq!(c.landscapes[i] as usize, i.min(landscapes - 1));
                if i > 0 && c.landscapes[i] == c.landscapes[i - 1] {
                    prop_assert_eq!(before, c.energies_after[i - 1]);
                }
            }
            prop_assert_eq!(c.all_decreased, Some(true));
            let p = toys::softmax(&logits.iter().map(|y| f64::from(*y)).collect::<Vec<_>>());
            let last = energy.value(c.landscapes[n - 1] as usize, &p);
            prop_assert!((last - f64::from(c.energies_after[n - 1])).abs() <= 1e-4);
            Ok(())
        })?;
    }

    #[test]
    fn a_row_gives_the_same_bits_alone_and_in_company(
        energies in prop::collection::vec(quadratic(5, false), 3), rule in rule(), seed: u64,
        size in prop::sample::select(vec![
            StepSize::Model, StepSize::ARMIJO, StepSize::Curvature { c: 0.5, iterations: 4 },
        ]),
        noise in prop::sample::select(vec![
            Noise::None, Noise::Langevin { sigma: 0.1 }, Noise::Metropolis { tau: 0.5, warm_up: 3 },
        ]),
    ) {
        let step_size = if matches!(noise, Noise::Metropolis { .. }) { StepSize::Model } else { size };
        let energy = if noise == Noise::None { 1e-4 } else { 0.0 };
        let tolerance = Tolerance { energy, ..Tolerance::default() };
        let think = DescentOptions { steps: 9, step_size, noise, seed, candidates: 2, tolerance, ..DescentOptions::default() };
        let model = Dynamics { landscapes: 2, ..dynamics(rule, 0.7) };
        let positions = [4usize, 90, 17];
        let bits = |d: &Descent<'_>, k: usize| {
            let c = d.certificate(k).expect("finished");
            let all = [c.energies, c.energies_after, c.step_sizes, c.dissipations, c.candidate_energies, d.logits(k)];
            (c.candidate, c.stop, all.concat().iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        let mut toy = Toy::new(energies.iter().flat_map(|e| [e.clone(), e.clone()]).collect());
        let together = run(&mut toy, (&think, &model, &positions), &mut |_| ControlFlow::Continue(()), |d, _| [bits(d, 0), bits(d, 1), bits(d, 2)]);
        for (k, together) in together.expect("a run").into_iter().enumerate() {
            let mut toy = Toy::new(vec![energies[k].clone(); 2]);
            let alone = run(&mut toy, (&think, &model, &positions[k..=k]), &mut |_| ControlFlow::Continue(()), |d, _| bits(d, 0)).expect("a run");
            prop_assert_eq!(together, alone);
        }
    }

    #[test]
    fn mirror_steps_below_relative_smoothness_always_decrease(energy in quadratic(6, true), share in 0.1f32..1.0) {
        // E is max|M|-smooth relative to the entropy (Pinsker): alpha <= 1 / max|M| decreases E
        let Energy::Quadratic { m, .. } = &energy else { unreachable!() };
        let smooth = m.iter().fold(0.0f64, |a, m| a.max(m.abs()));
        let think = DescentOptions { steps: 20, certify: true, curvature: 6, ..DescentOptions::default() };
        let model = dynamics(UpdateRule::Mirror, share / smooth as f32);
        certified(&energy, &think, &model, |c, _| {
            for (before, after) in c.energies.iter().zip(c.energies_after) {
                prop_assert!(*after <= before + 1e-6 * before.abs());
            }
            prop_assert!(c.largest_alpha_lambda.is_some_and(|x| x < 2.0));
            Ok(())
        })?;
    }

    #[test]
    fn the_candidate_kept_is_the_best_and_its_neighbours_are_reported(
        energy in quadratic(5, false), rule in rule(), seed: u64, candidates in 2usize..6, by_drop: bool,
    ) {
        let choose = if by_drop { Selection::Drop } else { Selection::Energy };
        let think = DescentOptions { steps: 4, candidates, choose, seed, ..DescentOptions::default() };
        let model = Dynamics { landscapes: 3, ..dynamics(rule, 0.5) };
        let mut states = vec![Vec::new(); candidates];
        let mut toy = Toy::new(vec![energy.clone(); candidates]);
        let kept = run(&mut toy, (&think, &model, &[3]), &mut |r| {
            states[r.candidate] = r.probabilities.to_vec();
            ControlFlow::Continue(())
        }, |d, _| {
            let c = d.certificate(0).expect("finished");
            (c.candidate, c.candidate_energies.to_vec(), d.probabilities(0).to_vec())
        }).expect("a run");
        let double = |p: &[f32]| p.iter().map(|p| f64::from(*p)).collect::<Vec<_>>();
        let scores: Vec<f64> = (0..candidates).map(|m| {
            let stream = Stream::new(seed, 0, Purpose::InitialState).detail(m as u16);
            let start: Vec<f64> = (0..5).map(|k| if m == 0 { 0.0 } else { stream.normal(15 + k) }).collect();
            let last = energy.value(2, &double(&states[m]));
            if by_drop { last - energy.value(2, &toys::softmax(&start)) } else { last }
        }).collect();
        let best = scores.iter().copied().fold(f64::INFINITY, f64::min);
        prop_assert!(scores[kept.0] <= best + 1e-5, "{scores:?} {}", kept.0);
        prop_assert_eq!(&states[kept.0], &kept.2);
        for (m, e) in kept.1.iter().enumerate() {
            prop_assert!((f64::from(*e) - energy.value(2, &double(&states[m]))).abs() < 1e-5);
        }
    }
}

/// The step of the update rule (guide/mathematics.md section 2), in f64.
fn stepped(rule: UpdateRule, alpha: f64, y: &[f64], g: &[f64]) -> Vec<f64> {
    let p = toys::softmax(y);
    let mean = toys::inner(&p, g);
    let next = |k: usize| {
        let (from, d) = match rule {
            UpdateRule::Probability => (p[k], g[k]),
            UpdateRule::Mirror => (y[k], g[k]),
            UpdateRule::Logit => (y[k], p[k] * (g[k] - mean)),
        };
        from - alpha * d
    };
    (0..y.len()).map(next).collect()
}

proptest! {
    #[test]
    fn plain_steps_are_those_of_the_update_rule(
        energy in quadratic(9, false), rule in rule(), sigma0 in 0.0f32..2.0,
        langevin in prop_oneof![Just(0.0f32), Just(0.3f32)], seed: u64, position in 0usize..1000,
    ) {
        let noise = if langevin > 0.0 { Noise::Langevin { sigma: langevin } } else { Noise::None };
        let think = DescentOptions { steps: 4, noise, seed, ..DescentOptions::default() };
        let model = Dynamics { landscapes: 2, zero_start: false, sigma0, ..dynamics(rule, 0.9) };
        let mut seen = Vec::new();
        run(&mut Toy::new(vec![energy.clone()]), (&think, &model, &[position]), &mut |r| {
            seen.push((r.energy, r.logits.to_vec(), r.log_sum_exp));
            ControlFlow::Continue(())
        }, |_, outcome| assert_eq!([outcome.energies, outcome.gradients], [4, 4])).expect("a run");
        let at = |stream: Stream, k: u64| stream.normal(position as u64 * 9 + k);
        let start = Stream::new(seed, 0, Purpose::InitialState);
        let mut y: Vec<f64> = (0..9).map(|k| f64::from(sigma0) * at(start, k)).collect();
        for (i, (e, logits, lse)) in seen.iter().enumerate() {
            let noise = Stream::new(seed, 0, Purpose::Langevin).detail(i as u16);
            y.iter_mut().zip(0..).for_each(|(y, k)| *y += f64::from(langevin) * at(noise, k));
            let p = toys::softmax(&y);
            prop_assert!((energy.value(i.min(1), &p) - f64::from(*e)).abs() < 1e-4);
            y = stepped(rule, f64::from(0.9f32), &y, &energy.gradient(i.min(1), &p));
            for (y, found) in y.iter().zip(logits) {
                prop_assert!((y - f64::from(*found)).abs() < 1e-4, "{y} {found}");
            }
            let exact = y.iter().map(|y| y.exp()).sum::<f64>().ln();
            prop_assert!((exact - f64::from(*lse)).abs() < 1e-4);
        }
    }
}

/// Largest eigenvalue of the Jacobian of `f` at `y`, which has a real spectrum: power iteration on `B + c I`.
fn dense_largest(f: impl Fn(&[f64]) -> Vec<f64>, y: &[f64]) -> f64 {
    let v = y.len();
    let h = 1e-5;
    let column = |j: usize, h: f64| {
        let mut y = y.to_vec();
        y[j] += h;
        f(&y)
    };
    let mut b = vec![0.0; v * v];
    for j in 0..v {
        let (up, down) = (column(j, h), column(j, -h));
        (0..v).for_each(|i| b[i * v + j] = (up[i] - down[i]) / (2.0 * h));
    }
    let shift = b.iter().map(|x| x.abs()).sum::<f64>();
    let mut x: Vec<f64> = (0..v).map(|k| (k as f64 * 1.7).sin() + 0.3).collect();
    let mut ratio = 0.0;
    for _ in 0..20_000 {
        let next: Vec<f64> = toys::product(&b, &x).iter().zip(&x).map(|(a, x)| a + shift * x).collect();
        ratio = toys::inner(&next, &next).sqrt() / toys::inner(&x, &x).sqrt();
        let norm = toys::inner(&next, &next).sqrt();
        x = next.iter().map(|x| x / norm).collect();
    }
    ratio - shift
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn lambda_max_is_that_of_the_linearised_step(energy in quadratic(6, false), seed: u64, rule in rule()) {
        let think = DescentOptions { steps: 1, curvature: 12, seed, ..DescentOptions::default() };
        let model = Dynamics { zero_start: false, sigma0: 1.0, ..dynamics(rule, 1.0) };
        let stream = Stream::new(seed, 0, Purpose::InitialState);
        let y: Vec<f64> = (0..6).map(|k| stream.normal(5 * 6 + k)).collect();
        let p = toys::softmax(&y);
        let exact = match rule {
            UpdateRule::Probability => dense_largest(|p| energy.gradient(0, p), &p),
            UpdateRule::Mirror => dense_largest(|y| energy.gradient(0, &toys::softmax(y)), &y),
            UpdateRule::Logit => dense_largest(|y| {
                let p = toys::softmax(y);
                let g = energy.gradient(0, &p);
                let mean = toys::inner(&p, &g);
                p.iter().zip(&g).map(|(p, g)| p * (g - mean)).collect()
            }, &y),
        };
        // the dense matrix has the kernel that the iteration leaves out
        prop_assume!(exact > 0.02);
        let found = certified(&energy, &think, &model, |c, _| f64::from(c.alpha_lambda[0]));
        prop_assert!((found - exact).abs() <= 2e-3 * exact + 1e-4, "{rule:?} {found} {exact}");
    }
}

/// A convex energy whose minimum is close to the uniform start.
fn shallow() -> Energy {
    let m = (0..16).map(|k| if k % 5 == 0 { 1.0 + (k / 5) as f64 } else { 0.0 }).collect();
    Energy::Quadratic { a: vec![0.2501, 0.2499, 0.24985, 0.25015], m, b: vec![0.0; 4] }
}

#[test]
fn the_product_of_step_size_and_curvature_tells_stability() {
    for rule in [UpdateRule::Mirror, UpdateRule::Logit] {
        for (c, stable) in [(1.0, true), (1.9, true), (2.1, false)] {
            let step_size = StepSize::Curvature { c, iterations: 4 };
            let think = DescentOptions { steps: 150, step_size, certify: true, ..DescentOptions::default() };
            certified(&shallow(), &think, &dynamics(rule, 1.0), |c_, _| {
                assert!(c_.alpha_lambda.iter().all(|x| (x - c).abs() < 1e-4), "{c_:?}");
                let (first, last) = (c_.energies[0], c_.energies_after[149]);
                assert_eq!(last < first, stable, "{rule:?} {c}: {first} to {last}");
            });
        }
    }
}

#[test]
fn a_concave_energy_falls_back_to_the_step_size_of_the_model() {
    let m = (0..16).map(|k| if k % 5 == 0 { -1.0 } else { 0.0 }).collect();
    let energy = Energy::Quadratic { a: vec![0.1, 0.2, 0.3, 0.4], m, b: vec![0.0; 4] };
    let think =
        DescentOptions { step_size: StepSize::Curvature { c: 1.0, iterations: 8 }, ..DescentOptions::default() };
    certified(&energy, &think, &dynamics(UpdateRule::Mirror, 0.75), |c, _| {
        assert_eq!(c.step_sizes, [0.75; 2]);
        assert!(c.largest_alpha_lambda.is_some_and(|x| x < 0.0));
    });
}

#[test]
fn rows_stop_where_their_tolerance_is_met_and_not_before_they_may() {
    let model = Dynamics { landscapes: 3, ..dynamics(UpdateRule::Mirror, 0.4) };
    let stops = |tolerance| {
        let think = DescentOptions { steps: 200, tolerance, ..DescentOptions::default() };
        certified(&shallow(), &think, &model, |c, _| {
            let moved = c.energies_after.last().map(|after| (after - c.energies[c.steps - 1]).abs());
            (c.steps, c.stop, moved, c.dissipations.to_vec())
        })
    };
    let (steps, stop, moved, _) = stops(Tolerance { energy: 1e-10, ..Tolerance::default() });
    assert!(stop == Stop::Energy && (3..200).contains(&steps) && moved.is_some_and(|m| m <= 1e-10), "{steps} {stop:?}");
    let (steps, stop, _, d) = stops(Tolerance { dissipation: 1e-10, ..Tolerance::default() });
    assert!(stop == Stop::Dissipation && steps < 200 && d[steps - 1] <= 1e-10);
    assert!(d[..steps - 1].iter().enumerate().all(|(i, d)| i < 2 || *d > 1e-10));
    assert_eq!(stops(Tolerance { energy: 1e9, ..Tolerance::default() }).0, 3);
    assert_eq!(stops(Tolerance { energy: 1e9, min_steps: 17, ..Tolerance::default() }).0, 17);
    assert_eq!(stops(Tolerance::default()).1, Stop::Steps);
}

#[test]
fn a_state_that_no_step_improves_is_kept_and_called_stationary() {
    let think = DescentOptions { steps: 5, step_size: StepSize::ARMIJO, ..DescentOptions::default() };
    // the rule of probabilities leads near the uniform distribution, away from the likeliest element, which is the best
    let start = Stream::new(0, 0, Purpose::InitialState);
    let y = [15, 16, 17].map(|k| 3.0 * start.normal(k));
    let p = toys::softmax(&y);
    let best: Vec<f64> = p.iter().map(|&x| if x > 0.6 { 1.0 } else { 0.0 }).collect();
    assert!(best.contains(&1.0), "{p:?}");
    let m = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let away = Energy::Quadratic { a: best, m, b: vec![0.0; 3] };
    let model = Dynamics { zero_start: false, sigma0: 3.0, ..dynamics(UpdateRule::Probability, 1e-6) };
    certified(&away, &think, &model, |c, logits| {
        assert_eq!((c.stop, c.steps, c.step_sizes), (Stop::Stationary, 1, &[0.0][..]));
        assert_eq!((c.energies_after, c.all_decreased), (c.energies, Some(true)));
        assert!(logits.iter().zip(y).all(|(found, y)| (f64::from(*found) - y).abs() < 1e-5));
    });
}

#[test]
fn an_accepted_trial_is_not_evaluated_again() {
    // steps so small that every first trial holds: an energy and a gradient a step, and the first energy
    let size = StepSize::Armijo { start: 0.01, decrease: 1e-4, shrink: 0.5, grow: 1.0, most_halvings: 3 };
    let think = DescentOptions { steps: 6, step_size: size, ..DescentOptions::default() };
    let energy = Energy::Dirichlet(vec![1.0, 2.0, 3.0]);
    let count = |think: &DescentOptions| {
        let model = dynamics(UpdateRule::Logit, 0.01);
        run(&mut Toy::new(vec![energy.clone()]), (think, &model, &[0]), &mut |_| ControlFlow::Continue(()), |_, o| {
            (o.energies, o.gradients)
        })
        .expect("ran")
    };
    assert_eq!(count(&think), (7, 6));
    assert_eq!(count(&DescentOptions { steps: 6, certify: true, ..DescentOptions::default() }), (7, 6));
    assert_eq!(count(&DescentOptions { steps: 6, ..DescentOptions::default() }), (6, 6));
    let noise = Noise::Metropolis { tau: 1.0, warm_up: 0 };
    assert_eq!(count(&DescentOptions { steps: 6, noise, ..DescentOptions::default() }), (7, 7));
}

#[test]
fn cancelling_leaves_nothing_half_done_and_the_descent_usable() {
    let options = SessionOptions { rows: 1, steps: 8, ..SessionOptions::default() };
    let mut memory = vec![0u32; 4096];
    let mut arena = Arena::over(bytemuck::cast_slice_mut(&mut memory)).expect("aligned");
    let mut descent = Descent::alloc(&mut arena, 1, 4, &options).expect("enough");
    let mut toy = Toy::new(vec![shallow()]);
    let think = DescentOptions { steps: 8, ..DescentOptions::default() };
    let model = dynamics(UpdateRule::Mirror, 0.4);
    let mut whole = Vec::new();
    descent.run(&mut toy, &think, &model, 0..1, &mut |_| ControlFlow::Continue(())).expect("a run");
    whole.extend_from_slice(descent.logits(0));
    let mut steps = 0;
    let cancelled = descent.run(&mut toy, &think, &model, 0..1, &mut |r| {
        steps = r.step + 1;
        if steps == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((cancelled, steps), (Err(Error::Cancelled), 3));
    assert!(descent.certificate(0).is_none() && descent.logits(0).is_empty());
    descent.run(&mut toy, &think, &model, 0..1, &mut |_| ControlFlow::Continue(())).expect("a run");
    assert_eq!(descent.logits(0), whole);
}

#[test]
fn what_cannot_be_run_is_refused_with_its_field() {
    let field = |think: DescentOptions, model: Dynamics| {
        let refused =
            run(&mut Toy::new(vec![shallow()]), (&think, &model, &[0]), &mut |_| ControlFlow::Continue(()), |_, _| ());
        match refused {
            Err(Error::Option { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    let (t, m) = (DescentOptions::default(), dynamics(UpdateRule::Mirror, 1.0));
    assert_eq!(field(DescentOptions { step_size: StepSize::Fixed(0.0), ..t }, m), "step_size.fixed");
    assert_eq!(field(DescentOptions { candidates: 0, ..t }, m), "candidates");
    assert_eq!(field(DescentOptions { candidates: 2, ..t }, m), "candidates");
    assert_eq!(field(DescentOptions { curvature: 33, ..t }, m), "curvature");
    assert_eq!(field(DescentOptions { noise: Noise::Temperature { tau: 0.0 }, ..t }, m), "noise.temperature.tau");
    let tau = Noise::Temperature { tau: 1.0 };
    assert_eq!(field(DescentOptions { noise: tau, step_size: StepSize::ARMIJO, ..t }, m), "step_size");
    assert_eq!(field(t, Dynamics { landscapes: 0, ..m }), "dynamics.landscapes");
    assert_eq!(field(t, Dynamics { alpha: f32::NAN, ..m }), "dynamics.alpha");
    let error = run(&mut Toy::new(vec![shallow()]), (&t, &m, &[0, 1]), &mut |_| ControlFlow::Continue(()), |_, _| ())
        .expect_err("two positions, one row");
    assert!(error.to_string().contains("candidates"), "{error}");
    let broken = Energy::Dirichlet(vec![f64::NAN; 3]);
    let error = run(&mut Toy::new(vec![broken]), (&t, &m, &[7]), &mut |_| ControlFlow::Continue(()), |_, _| ())
        .expect_err("not a number");
    assert_eq!(error, Error::NotFinite { what: "the energy", position: 7, step: 0 });
}

#[test]
fn certificates_and_requests_are_data() {
    let think: DescentOptions =
        serde_json::from_str(r#"{"steps": 3, "certify": true, "step_size": {"fixed": 0.25}}"#).expect("a request");
    assert_eq!(
        think,
        DescentOptions { steps: 3, certify: true, step_size: StepSize::Fixed(0.25), ..DescentOptions::default() }
    );
    let text = serde_json::to_string(&DescentOptions { step_size: StepSize::ARMIJO, ..think }).expect("text");
    assert_eq!(serde_json::from_str::<DescentOptions>(&text).expect("a request").step_size, StepSize::ARMIJO);
    certified(&shallow(), &think, &dynamics(UpdateRule::Mirror, 1.0), |c, _| {
        let json = serde_json::to_value(c).expect("a value");
        assert_eq!(
            (json["steps"].as_u64(), json["stop"].as_str(), json["position"].as_u64()),
            (Some(3), Some("steps"), Some(5))
        );
        assert_eq!(json["energies_after"].as_array().map(Vec::len), Some(3));
        assert_eq!(json["all_decreased"].as_bool(), Some(true));
    });
}
