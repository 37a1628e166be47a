//! Solvers of joint models against training's double precision, and what they promise beside it.

use ebt::engine::descent::{DescentOptions, Potential, Selection, StepSize};
use ebt::engine::{Error, Session, SessionOptions};
use ebt::packed::{Isa, Model, Storage};
use ebt::{Prior, Problem, Solver};
use ebt_core::config::{Conditioning, Config, Head, ModelKind, UpdateRule};
use proptest::prelude::*;
use std::ops::ControlFlow;

use crate::model::Case;
use crate::problems::{centred, joint_cases, looped, probed, solve};
use crate::{Expected, GO};

fn memory(case: &Case, options: &SessionOptions) -> Vec<u32> {
    vec![u32::MAX; Solver::bytes_needed(&case.config, options).unwrap().div_ceil(4)]
}

fn open<'m, 'a>(packed: &'m [u8], options: &SessionOptions, memory: &'a mut [u32]) -> Solver<'m, 'a> {
    Solver::new(Model::read(packed).unwrap(), options, bytemuck::cast_slice_mut(memory)).unwrap()
}

impl Case {
    fn problem(&self) -> Problem<'_> {
        let prior = Prior { tokens: &self.prior.0, logits: &self.prior.1 };
        Problem { cells: self.tokens.len(), allowed: &self.allowed, prior }
    }
}

fn of_unknown(case: &Case, a: &[f32]) -> Vec<f32> {
    let v = case.config.vocab;
    case.unknown().into_iter().flat_map(|cell| a[cell * v..(cell + 1) * v].to_vec()).collect()
}

/// Bits of everything that a run finds.
fn bits(solver: &mut Solver<'_, '_>, case: &Case, think: &DescentOptions, candidate: usize) -> Vec<u32> {
    let mut seen = Vec::new();
    let mut watch = |report: &ebt::StepReport<'_>| {
        if report.candidate == candidate {
            seen.extend([report.energy, report.dissipation, report.energy_after.unwrap_or(-1.0)].map(f32::to_bits));
            seen.extend(report.logits.iter().map(|y| y.to_bits()));
        }
        ControlFlow::Continue(())
    };
    let solution = solver.solve(case.problem(), think, &mut watch).unwrap();
    let end = solution.assessment(candidate).unwrap();
    let answer: Vec<u32> = solution.candidate_answer(candidate).collect();
    [seen, [end.energy, end.free, end.entropy, end.residual].map(f32::to_bits).to_vec(), answer].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// A head of logits: the last state, on values of every width.
    #[test]
    fn looping_equals_training(case in joint_cases(), seed in any::<u64>()) {
        let config = Config { head: Head::Logits, condition: Conditioning::All, tau: 0.0, ..case.config };
        let case = Case::new(config, seed, case.tokens.len()).with_problem(seed);
        let expected = Expected::of(&case, |case| looped(case, seed));
        let (packed, options) = (case.pack(), SessionOptions { steps: case.steps, rows: 1, ..SessionOptions::default() });
        let mut arena = memory(&case, &options);
        let mut solver = open(&packed, &options, &mut arena);
        let think = DescentOptions { steps: case.steps, seed, ..DescentOptions::default() };
        let solution = solver.solve(case.problem(), &think, &mut { GO }).unwrap();
        let logits: Vec<f64> = solution.logits().iter().map(|&y| f64::from(y)).collect();
        let ours: Vec<f32> = centred(&case, &logits).iter().map(|&y| y as f32).collect();
        expected.check(&ours, 5e-4, |e| e.clone())?;
    }

    /// Energies before every step, the last state, and what it is assessed as.
    #[test]
    fn solving_equals_training(case in joint_cases(), seed in any::<u64>()) {
        let expected = Expected::of(&case, |case| solve(case, seed));
        let packed = case.pack();
        let options = SessionOptions { steps: case.steps, ..SessionOptions::default() };
        let mut arena = memory(&case, &options);
        let mut solver = open(&packed, &options, &mut arena);
        let think = DescentOptions { steps: case.steps, assess: true, seed, ..DescentOptions::default() };
        let solution = solver.solve(case.problem(), &think, &mut { GO }).unwrap();
        let logits: Vec<f64> = solution.logits().iter().map(|&y| f64::from(y)).collect();
        expected.check(solution.certificate.energies, 2e-4, |e| e.free.clone())?;
        let ours: Vec<f32> = centred(&case, &logits).iter().map(|&y| y as f32).collect();
        expected.check(&ours, 5e-4, |e| e.centred.clone())?;
        let p: Vec<f32> = (0..case.tokens.len()).flat_map(|cell| solution.probabilities(cell).to_vec()).collect();
        expected.check(&p, 5e-4, |e| e.p.clone())?;
        let end = solution.certificate.end.unwrap();
        for (number, ours) in [end.energy, end.free, end.entropy, end.residual].into_iter().enumerate() {
            expected.check(&[ours], 1e-3, |e| vec![e.end[number]])?;
        }
        for (cell, token) in solution.answer().enumerate() {
            prop_assert!(case.allows(cell, token as usize));
            prop_assert!(!case.given(cell) || solution.probabilities(cell)[token as usize] == 1.0);
        }
    }

    /// Gradients and Hessian-vector products, of rows that are not at the same point.
    #[test]
    fn joint_gradients_and_curvatures_are_those_of_the_energy(case in joint_cases(), landscape in 0..2usize, seed in any::<u64>()) {
        let landscape = if case.config.has_condition() { landscape % case.config.landscapes } else { 0 };
        let expected = Expected::of(&case, |case| probed(case, landscape, seed));
        let packed = case.pack();
        let options = SessionOptions { rows: 2, steps: case.config.landscapes, curvature: true, ..SessionOptions::default() };
        let mut arena = memory(&case, &options);
        let mut solver = open(&packed, &options, &mut arena);
        let cells = case.tokens.len();
        let wide = cells * case.config.vocab;
        let given: Vec<bool> = (0..cells).map(|cell| case.given(cell)).collect();
        for rows in [1, 2] {
            let mut potential = solver.potential(cells, rows).unwrap();
            potential.set_given(&given.repeat(rows));
            let repeat = |x: &[f64]| x.repeat(rows).iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let (p, u) = (repeat(&expected.exact.p), repeat(&expected.exact.u));
            let (mut energies, mut g, mut hu) = (vec![0.0; rows], vec![0.0; rows * wide], vec![0.0; rows * wide]);
            let (all, first) = (vec![true; rows], (0..rows).map(|r| r == 0).collect::<Vec<_>>());
            let second: Vec<bool> = first.iter().map(|first| !first).collect();
            potential.energy(landscape, &p, &all, &mut energies);
            // what the first row is differentiated at must stay
            let other: Vec<f32> = p.iter().map(|x| if *x < 1.0 { 0.5 * x } else { 1.0 }).collect();
            let mut ignored = vec![0.0; rows];
            potential.energy(landscape, &other, &second, &mut ignored);
            potential.gradient(&first, &mut g);
            prop_assert!(g[wide..].iter().all(|x| *x == 0.0));
            potential.energy(landscape, &p, &second, &mut ignored);
            prop_assert!(potential.curvature(&all, &u, &mut hu));
            let mut again = vec![0.0; rows * wide];
            potential.gradient(&all, &mut again);
            prop_assert_eq!(&again[..wide], &g[..wide]);
            expected.check(&energies[..1], 2e-4, |e| vec![e.energy])?;
            expected.check(&of_unknown(&case, &g[..wide]), 5e-4, |e| e.g.clone())?;
            expected.check(&of_unknown(&case, &hu[..wide]), 2e-3, |e| e.hu.clone())?;
            for r in 1..rows {
                prop_assert_eq!(&hu[..wide], &hu[r * wide..]);
                prop_assert_eq!(&again[..wide], &again[r * wide..]);
            }
        }
    }

    /// The same bits from all kernels, whatever the storage, and from candidates alone and side by side.
    #[test]
    fn solvers_give_the_same_bits(case in joint_cases(), storage in prop::sample::select(&Storage::ALL[..]), seed in any::<u64>()) {
        let packed = case.pack_as(storage);
        let think = DescentOptions { steps: 3, assess: true, certify: true, spread: 1.0, seed, ..DescentOptions::default() };
        let run = |kernel: Isa, candidates: usize| {
            let options = SessionOptions { rows: candidates, steps: 3, ..SessionOptions::default() };
            let mut arena = memory(&case, &options);
            let mut solver = open(&packed, &options, &mut arena).with_isa(kernel);
            bits(&mut solver, &case, &DescentOptions { candidates, ..think }, 0)
        };
        let expected = run(Isa::Portable, 1);
        for kernel in Isa::all() {
            prop_assert_eq!(&run(kernel, 1), &expected, "{}", kernel.name());
            prop_assert_eq!(&run(kernel, 3), &expected, "{} side by side", kernel.name());
        }
    }

    /// Rounds of committing, several starts, backtracking and measured curvature run to the end, with an answer that is allowed.
    #[test]
    fn problems_are_answered(case in joint_cases(), commits in 0..3usize, choice in 0..5usize, seed in any::<u64>()) {
        let single = !case.config.has_condition() || case.config.landscapes == 1;
        let commits = if single { commits } else { 0 };
        let choose = [Selection::Energy, Selection::Free, Selection::Entropy, Selection::Residual, Selection::Vote][choice];
        let packed = case.pack();
        let options = SessionOptions { rows: 4, steps: 12, curvature: true, ..SessionOptions::default() };
        let mut arena = memory(&case, &options);
        let mut solver = open(&packed, &options, &mut arena);
        for step_size in [StepSize::Scaled(0.5), StepSize::ARMIJO, StepSize::Curvature { c: 0.5, iterations: 3 }] {
            let joint = DescentOptions::joint();
            let think = DescentOptions { steps: 4, candidates: 4, commits, choose, step_size, seed, ..joint };
            let solution = solver.solve(case.problem(), &think, &mut { GO }).unwrap();
            let answer: Vec<u32> = solution.answer().collect();
            prop_assert_eq!(answer.len(), case.tokens.len());
            prop_assert!(answer.iter().enumerate().all(|(cell, &token)| case.allows(cell, token as usize)));
            let kept = solution.certificate.candidate;
            prop_assert_eq!(solution.certificate.end, solution.assessment(kept));
            prop_assert!(solution.candidate_answer(kept).eq(answer));
            let ends: Vec<_> = (0..solution.candidates).map(|c| solution.assessment(c).unwrap()).collect();
            prop_assert!(ends.iter().all(|end| (1..=4).contains(&end.votes) && end.residual >= 0.0));
            prop_assert!(solution.assessment(4).is_none());
            if choose == Selection::Free {
                prop_assert!(ends.iter().all(|end| end.free >= ends[kept].free));
            }
            if step_size == StepSize::ARMIJO && commits < 2 {
                let certificate = solution.certificate;
                prop_assert!(certificate.energies.iter().zip(certificate.energies_after).all(|(before, after)| after <= before));
            }
        }
    }
}

/// Blocks of queries and windows: problems that are longer than a block have the energies of training.
#[test]
fn long_problems_are_computed_in_blocks() {
    for (window, length) in [(None, 70), (Some(5), 150), (Some(80), 129)] {
        let joint = ebt_core::config::JointConfig {
            relations: ebt_core::config::RelationKind::Bias,
            distance: 9,
            ..Default::default()
        };
        let config = Config {
            kind: ModelKind::Joint,
            vocab: 6,
            dim: 6,
            layers: 2,
            heads: 4,
            kv_heads: Some(2),
            head_dim: Some(4),
            ffn: 5,
            context: 160,
            landscapes: 1,
            window,
            joint,
            ..Config::default()
        };
        let case = Case::new(config, length as u64, length).with_problem(3);
        let expected = Expected::of(&case, |case| probed(case, 0, 9));
        let packed = case.pack();
        let options = SessionOptions { curvature: true, ..SessionOptions::default() };
        let mut arena = memory(&case, &options);
        let mut solver = open(&packed, &options, &mut arena);
        let mut potential = solver.potential(length, 1).unwrap();
        potential.set_given(&(0..length).map(|cell| case.given(cell)).collect::<Vec<_>>());
        let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (p, u) = (single(&expected.exact.p), single(&expected.exact.u));
        let (mut energy, mut g, mut hu) = ([0.0], vec![0.0; p.len()], vec![0.0; p.len()]);
        potential.energy(0, &p, &[true], &mut energy);
        potential.gradient(&[true], &mut g);
        assert!(potential.curvature(&[true], &u, &mut hu));
        expected.check(&energy, 2e-4, |e| vec![e.energy]).unwrap();
        expected.check(&of_unknown(&case, &g), 5e-4, |e| e.g.clone()).unwrap();
        expected.check(&of_unknown(&case, &hu), 2e-3, |e| e.hu.clone()).unwrap();
    }
}

#[test]
fn a_solver_takes_the_bytes_needed_and_one_less_is_refused() {
    let case = Case::grid();
    let packed = case.pack();
    for curvature in [false, true] {
        let options = SessionOptions { rows: 3, steps: 5, curvature, ..SessionOptions::default() };
        let needed = Solver::bytes_needed(&case.config, &options).unwrap();
        let mut arena = memory(&case, &options);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut arena);
        let refused = Solver::new(Model::read(&packed).unwrap(), &options, &mut bytes[..needed - 1]).unwrap_err();
        assert!(matches!(refused, Error::Arena { needed: said, .. } if said <= needed), "{refused}");
        assert!(Solver::new(Model::read(&packed).unwrap(), &options, &mut bytes[..needed]).is_ok());
    }
}

#[test]
fn what_no_solver_can_answer_is_refused_with_a_sentence() {
    let case = Case::grid();
    let packed = case.pack();
    let options = SessionOptions { rows: 2, ..SessionOptions::default() };
    let mut arena = memory(&case, &options);
    let mut solver = open(&packed, &options, &mut arena);
    let joint = DescentOptions::joint();
    let mut refuse = |cells: usize, allowed: &[u32], think: &DescentOptions, sentence: &str| {
        let refused = solver
            .solve(Problem { cells, allowed, prior: Prior::default() }, think, &mut { GO })
            .unwrap_err()
            .to_string();
        assert!(refused.contains(sentence), "{refused}");
    };
    refuse(0, &[], &joint, "at least one cell");
    refuse(9, &[1; 9], &joint, "cells of the grid: expected 8, got 9");
    refuse(7, &[1; 7], &joint, "cells of the grid: expected 8, got 7");
    refuse(8, &[1; 9], &joint, "words of allowed tokens: expected 8, got 9");
    refuse(8, &[1, 3, 3, 0, 3, 0, 3, 3], &joint, "cell 3 of the problem has no allowed token");
    refuse(8, &[1, 3, 3, 33, 3, 3, 3, 3], &joint, "token id 5 is outside the vocabulary of 5");
    refuse(8, &[3; 8], &DescentOptions { candidates: 3, ..joint }, "candidates");
    refuse(8, &[3; 8], &DescentOptions { steps: 33, ..joint }, "steps");
    refuse(8, &[3; 8], &DescentOptions { commits: 3, ..joint }, "rounds times steps");
    refuse(8, &[3; 8], &DescentOptions { curvature: 2, ..joint }, "curvature");
    // and the next call starts afresh
    assert_eq!(solver.solve(case.problem(), &joint, &mut { GO }).unwrap().certificate.steps, 16);
    let cancelled = solver.solve(case.problem(), &joint, &mut |_| ControlFlow::Break(()));
    assert_eq!(cancelled.err(), Some(Error::Cancelled));
    assert!(solver.potential(8, 3).is_err() && solver.potential(9, 1).is_err());

    let longer = Config { joint: Default::default(), ..case.config.clone() };
    let learned = Case::new(longer, 5, 3).with_problem(5);
    let (packed, mut arena) = (learned.pack(), memory(&learned, &options));
    let mut solver = open(&packed, &options, &mut arena);
    let too_long =
        solver.solve(Problem { cells: 9, allowed: &[3; 9], prior: Prior::default() }, &joint, &mut { GO }).unwrap_err();
    assert_eq!(too_long, Error::Cells { given: 9, most: 8 });
    assert!(solver.solve(learned.problem(), &joint, &mut { GO }).is_ok());
}

#[test]
fn each_kind_of_model_is_opened_by_what_runs_it() {
    let (joint, causal, options) = (Case::grid(), Case::small(), SessionOptions::default());
    let mut arena = memory(&joint, &options);
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut arena);
    let (packed, other) = (joint.pack(), causal.pack());
    let refused = Session::new(Model::read(&packed).unwrap(), &options, bytes).unwrap_err().to_string();
    assert!(refused.contains("`Solver`"), "{refused}");
    assert!(Session::bytes_needed(&joint.config, &options).is_err());
    let refused = Solver::new(Model::read(&other).unwrap(), &options, bytes).unwrap_err().to_string();
    assert!(refused.contains("`Session`") && refused.contains("`Generator`"), "{refused}");
    let baseline = Config { kind: ModelKind::Transformer, ..causal.config };
    assert!(Solver::bytes_needed(&baseline, &options).is_err());
}

#[test]
fn what_needs_an_energy_is_refused_where_there_is_none() {
    let energy = Case::grid();
    let config = Config { head: Head::Logits, condition: Conditioning::All, tau: 0.0, ..energy.config.clone() };
    let case = Case::new(config, 5, 8).with_problem(5);
    let (packed, options) = (case.pack(), SessionOptions { steps: 4, rows: 2, ..SessionOptions::default() });
    // the activations of one block are enough
    assert!(memory(&case, &options).len() < memory(&energy, &options).len());
    let mut arena = memory(&case, &options);
    let mut solver = open(&packed, &options, &mut arena);
    for think in [
        DescentOptions::joint(),
        DescentOptions { candidates: 2, ..DescentOptions::default() },
        DescentOptions { certify: true, ..DescentOptions::default() },
    ] {
        let refused = solver.solve(case.problem(), &think, &mut { GO }).unwrap_err().to_string();
        assert!(refused.contains("head of logits"), "{refused}");
    }
    assert!(solver.potential(8, 1).is_err());
    let plain = DescentOptions { commits: 2, steps: 2, ..DescentOptions::default() };
    assert!(solver.solve(case.problem(), &plain, &mut { GO }).is_ok());
}

#[test]
fn a_prior_fits_its_problem() {
    let case = Case::grid();
    let (packed, options) = (case.pack(), SessionOptions { steps: 16, ..SessionOptions::default() });
    let mut arena = memory(&case, &options);
    let mut solver = open(&packed, &options, &mut arena);
    let mut solved = |tokens: &[u32], logits: &[f32]| {
        let problem = Problem { prior: Prior { tokens, logits }, ..case.problem() };
        solver.solve(problem, &DescentOptions::joint(), &mut { GO }).map(|_| ())
    };
    assert!(solved(&[], &[]).is_ok() && solved(&[1; 8], &[0.5; 8]).is_ok());
    assert!(matches!(solved(&[1; 7], &[0.5; 8]), Err(Error::Shape { what: "cells of the prior", .. })));
    assert!(matches!(solved(&[1; 8], &[]), Err(Error::Shape { what: "cells of the prior", .. })));
    assert!(matches!(solved(&[1, 1, 1, 1, 1, 1, 1, 5], &[0.0; 8]), Err(Error::Token { id: 5, vocabulary: 5 })));
    for bad in [f32::NAN, f32::INFINITY] {
        assert!(matches!(solved(&[1; 8], &[bad; 8]), Err(Error::Option { field: "prior", .. })));
    }
}

#[test]
fn energies_that_are_not_numbers_are_refused() {
    let mut case = Case::grid();
    case.config.update = UpdateRule::Mirror;
    case.weights.iter_mut().flatten().for_each(|w| *w *= 1e30);
    let packed = case.pack();
    let options = SessionOptions::default();
    let mut arena = memory(&case, &options);
    let mut solver = open(&packed, &options, &mut arena);
    let refused = solver.solve(case.problem(), &DescentOptions::joint(), &mut { GO }).unwrap_err();
    assert!(matches!(refused, Error::NotFinite { .. }), "{refused}");
}
