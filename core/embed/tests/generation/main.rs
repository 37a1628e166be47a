//! Cached generation against the model as training computes it: the whole sequence, in double precision, without a cache.
#![allow(clippy::unwrap_used)]

mod model;
mod problems;
mod solver;
mod uncached;

use ebt::engine::descent::{DescentOptions, Potential, StepSize};
use ebt::engine::{Session, SessionOptions};
use ebt::packed::{Isa, Model, Storage};
use ebt_core::config::{Conditioning, ModelKind};
use model::{Case, NUDGE, cases};
use proptest::prelude::*;
use proptest::sample::select;
use std::ops::ControlFlow;
use uncached::{Uncached, curvature};

/// Largest difference over the largest magnitude.
fn distance<T: Copy + Into<f64>>(ours: &[T], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(1e-3, |m: f64, x| m.max(x.abs()));
    ours.iter().zip(theirs).fold(0.0, |m: f64, (&a, b)| m.max((a.into() - b).abs())) / scale
}

/// What double precision computes of a case, and of the case with its weights nudged: a random model may amplify rounding
/// as much as it likes, and how much it does is what the nudges tell.
struct Expected<R> {
    exact: R,
    nudged: [R; 3],
}

impl<R> Expected<R> {
    fn of(case: &Case, compute: impl Fn(&Case) -> R) -> Self {
        Self { exact: compute(case), nudged: [1, 2, 3].map(|seed| compute(&case.nudged(seed))) }
    }

    /// Whether `ours` is the part `of` the exact result to `rounding`, or to what the nudges do to that part. A case in
    /// which nudges change a tenth of the result says nothing, and another is drawn for it.
    fn check(&self, ours: &[f32], rounding: f64, of: impl Fn(&R) -> Vec<f64>) -> Result<(), TestCaseError> {
        let exact = of(&self.exact);
        let allowed = self.nudged.iter().map(|n| distance(&of(n), &exact)).fold(rounding, f64::max);
        prop_assume!(allowed <= 0.1);
        let d = distance(ours, &exact);
        prop_assert!(d <= allowed, "they differ by {} where {} is allowed: {:?} {:?}", d, allowed, ours, exact);
        Ok(())
    }
}

fn arena(case: &Case, options: &SessionOptions) -> Vec<u32> {
    let bytes = Session::bytes_needed(&case.config, options).unwrap();
    vec![u32::MAX; bytes.div_ceil(4)]
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 48, ..ProptestConfig::default() }
}

const GO: fn(&ebt::engine::descent::StepReport<'_>) -> ControlFlow<()> = |_| ControlFlow::Continue(());

proptest! {
    #![proptest_config(config())]

    /// Logits and energies at every position, past the window too, whatever the blocks that tokens were read in.
    #[test]
    fn cached_generation_equals_uncached(case in cases(), block in 1..6usize, seed in any::<u64>()) {
        let expected = Expected::of(&case, |case| Uncached::run(case, seed));
        let packed = case.pack();
        let options = SessionOptions { block, rows: 1, steps: case.steps, ..SessionOptions::default() };
        let mut memory = arena(&case, &options);
        let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
        let think = DescentOptions { steps: case.steps, seed, ..DescentOptions::default() };
        let mut position = 0;
        while position < case.tokens.len() {
            let count = (1 + position % block).min(case.tokens.len() - position);
            session.observe(&case.tokens[position..position + count]).unwrap();
            position += count;
            let certificate = session.think(&think, &mut { GO }).unwrap();
            expected.check(certificate.energies, 2e-4, |e| e.energies(position - 1))?;
            expected.check(session.logits(), 2e-4, |e| e.logits(position - 1).to_vec())?;
        }
    }

    /// Teacher-forced losses of whole blocks.
    #[test]
    fn scores_are_the_losses_of_the_uncached_model(case in cases(), block in 1..6usize, rows in 1..6usize, seed in any::<u64>()) {
        let expected = Expected::of(&case, |case| Uncached::run(case, seed));
        let packed = case.pack();
        let options = SessionOptions { block, rows, steps: case.steps, ..SessionOptions::default() };
        let mut memory = arena(&case, &options);
        let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
        let think = DescentOptions { steps: case.steps, seed, ..DescentOptions::default() };
        session.observe(&case.tokens[..1]).unwrap();
        let mut losses = vec![f32::NAN; case.tokens.len() - 1];
        session.score(&case.tokens[1..], &think, &mut |index, step, loss| {
            if step + 1 == case.steps || case.config.kind == ModelKind::Transformer {
                losses[index] = loss;
            }
        }).unwrap();
        expected.check(&losses, 2e-4, |e| (1..case.tokens.len()).map(|t| e.loss(t - 1, case.tokens[t])).collect())?;
    }

    /// Keys and values that are kept as smaller numbers change results by what their rounding is to that of the nudges.
    #[test]
    fn smaller_caches_change_results_by_their_rounding(case in cases(), block in 1..6usize, seed in any::<u64>()) {
        let expected = Expected::of(&case, |case| Uncached::run(case, seed));
        let packed = case.pack();
        for (cache, rounding) in [(Storage::F16, 5e-4), (Storage::Bf16, 4e-3), (Storage::Int8, 8e-3)] {
            let options = SessionOptions { block, rows: 1, steps: case.steps, cache, ..SessionOptions::default() };
            let mut memory = arena(&case, &options);
            let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
            session.observe(&case.tokens).unwrap();
            let think = DescentOptions { steps: case.steps, seed, ..DescentOptions::default() };
            session.think(&think, &mut { GO }).unwrap();
            let exact = expected.exact.logits(case.tokens.len() - 1);
            let nudges = expected.nudged.iter().map(|n| distance(n.logits(case.tokens.len() - 1), exact));
            let allowed = rounding + nudges.fold(0.0, f64::max) * 10.0 * rounding / NUDGE;
            if allowed <= 0.5 {
                let d = distance(session.logits(), exact);
                prop_assert!(d <= allowed, "{:?}: they differ by {} where {} is allowed", cache, d, allowed);
            }
        }
    }

    /// A cache takes what its numbers take.
    #[test]
    fn a_cache_takes_the_memory_of_its_numbers(case in cases(), block in 1..6usize) {
        let bytes = |cache| {
            let options = SessionOptions { block, rows: 1, steps: case.steps, cache, ..SessionOptions::default() };
            Session::bytes_needed(&case.config, &options).unwrap()
        };
        let c = &case.config;
        let streams = if c.kind == ModelKind::Ebt && c.condition == Conditioning::All { c.landscapes.min(case.steps) } else { 1 };
        let slots = c.window.unwrap_or(c.context + 1) - 1 + block;
        let rows = streams * c.layers * c.key_heads() * slots;
        let of = |cache: Storage| {
            let words = |bytes: usize| 4 * (rows * bytes).div_ceil(4);
            2 * (words(cache.row_bytes(c.head_width())) + words(cache.scale_bytes(c.head_width())))
        };
        for cache in Storage::ALL {
            prop_assert_eq!(bytes(Storage::F32) - bytes(cache), of(Storage::F32) - of(cache), "{:?}", cache);
        }
    }

    /// Tokens that are taken back leave no trace: what is thought after it has the bits of a session that never saw them, also in rings
    /// that are full; and what can no more be taken back is refused.
    #[test]
    fn tokens_taken_back_leave_no_trace(case in cases(), cache in select(&Storage::ALL), block in 1..6usize, turns in 1..4usize, seed in any::<u64>()) {
        let packed = case.pack();
        let options = SessionOptions { block, rows: 1, steps: case.steps, cache, ..SessionOptions::default() };
        let think = DescentOptions { steps: case.steps, seed, ..DescentOptions::default() };
        let run = |aside: bool| -> Result<Vec<u32>, TestCaseError> {
            let mut memory = arena(&case, &options);
            let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
            let mut bits = Vec::new();
            for (number, part) in case.tokens.chunks(2).enumerate() {
                session.observe(part).unwrap();
                for turn in 0..if aside { turns } else { 0 } {
                    let place = session.keep();
                    let spare = usize::try_from(session.spare()).unwrap().min(20);
                    prop_assert!(spare >= block);
                    let others: Vec<u32> = case.tokens.iter().rev().cycle().take(spare - turn.min(spare - 1)).copied().collect();
                    session.observe(&others).unwrap();
                    session.think(&think, &mut { GO }).unwrap();
                    prop_assert!(session.back_to(session.position() + 1).is_err());
                    session.back_to(place).unwrap();
                    prop_assert_eq!(session.position(), place);
                }
                if number % 2 == 0 {
                    session.think(&think, &mut { GO }).unwrap();
                    bits.extend(session.logits().iter().map(|x| x.to_bits()));
                }
            }
            if aside {
                let far = session.position();
                session.observe(&[case.tokens[0]].repeat(3 * case.config.context + block)).unwrap();
                prop_assert!(session.back_to(far).is_err(), "what was overwritten is lost");
            }
            Ok(bits)
        };
        prop_assert_eq!(run(true)?, run(false)?);
    }

    /// The same bits from all kernels, from rows alone and side by side.
    #[test]
    fn kernels_give_the_same_bits(case in cases(), seed in any::<u64>()) {
        let packed = case.pack();
        let run = |kernel: Isa, block: usize| {
            let options = SessionOptions { block, rows: 1, steps: case.steps, ..SessionOptions::default() };
            let mut memory = arena(&case, &options);
            let session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
            let mut session = session.with_isa(kernel);
            session.observe(&case.tokens).unwrap();
            let think = DescentOptions { steps: case.steps, seed, ..DescentOptions::default() };
            session.think(&think, &mut { GO }).unwrap();
            session.logits().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let expected = run(Isa::Portable, 4);
        for kernel in Isa::all() {
            prop_assert_eq!(&run(kernel, 4), &expected, "{}", kernel.name());
        }
    }

    /// Without noise and with backtracking, no accepted step of any model raises the energy, and the certificate says so.
    #[test]
    fn backtracking_never_raises_the_energy(case in cases(), alpha in 0.1..50f32, seed in any::<u64>()) {
        prop_assume!(case.config.kind == ModelKind::Ebt);
        let packed = case.pack();
        let options = SessionOptions { block: 4, rows: 3, steps: 8, ..SessionOptions::default() };
        let mut memory = arena(&case, &options);
        let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
        session.observe(&case.tokens).unwrap();
        let step_size = StepSize::Armijo { start: alpha, decrease: 1e-4, shrink: 0.5, grow: 1.5, most_halvings: 30 };
        let think = DescentOptions { steps: 8, step_size, candidates: 3, seed, ..DescentOptions::default() };
        let mut rises = Vec::new();
        session.think(&think, &mut |report| {
            let after = report.energy_after.unwrap_or(f32::NAN);
            rises.push((report.landscape, report.energy, after, report.step_size));
            ControlFlow::Continue(())
        }).unwrap();
        prop_assert!(rises.iter().all(|&(_, before, after, size)| if size > 0.0 { after <= before } else { after == before }), "{rises:?}");
        let certificate = session.think(&think, &mut { GO }).unwrap();
        prop_assert!(certificate.energies.iter().zip(certificate.energies_after).all(|(before, after)| after <= before));
        let least = certificate.candidate_energies.iter().copied().fold(f32::INFINITY, f32::min);
        prop_assert_eq!(certificate.candidate_energies[certificate.candidate], least);
    }

    /// `alpha lambda_max` of a step of the mirror rule on one landscape: smaller steps are as stable as they should be.
    #[test]
    fn measured_curvature_scales_with_the_step_size(case in cases(), seed in any::<u64>()) {
        prop_assume!(case.config.kind == ModelKind::Ebt);
        let packed = case.pack();
        let options = SessionOptions { block: 4, rows: 1, steps: 1, curvature: true, ..SessionOptions::default() };
        let mut memory = arena(&case, &options);
        let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
        session.observe(&case.tokens).unwrap();
        let mut measured = |size: f32| {
            let think = DescentOptions { steps: 1, step_size: StepSize::Fixed(size), curvature: 4, seed, ..DescentOptions::default() };
            session.think(&think, &mut { GO }).unwrap().alpha_lambda[0]
        };
        let (one, two) = (measured(0.25), measured(0.5));
        prop_assert!((2.0 * one - two).abs() <= 1e-4 * two.abs().max(1e-6), "{one} {two}");
    }

    /// Gradients and Hessian-vector products of the potential, against forward-mode tangents in double precision.
    #[test]
    fn gradients_and_curvatures_are_those_of_the_energy(case in cases(), landscape in 0..3usize, seed in any::<u64>()) {
        prop_assume!(case.config.kind == ModelKind::Ebt);
        let landscape = landscape % case.config.landscapes;
        let packed = case.pack();
        let options = SessionOptions { block: 3, rows: 2, steps: case.config.landscapes, curvature: true, ..SessionOptions::default() };
        let mut memory = arena(&case, &options);
        let mut session = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
        session.observe(&case.tokens).unwrap();
        let v = case.config.vocab;
        let mut potential = session.potential(2).unwrap();
        let expected = Expected::of(&case, |case| curvature(case, landscape, seed));
        let (mut energies, mut g, mut hu) = (vec![0.0; 2], vec![0.0; 2 * v], vec![0.0; 2 * v]);
        let twice = |x: &[f64]| [x, x].concat().iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (p, u) = (twice(&expected.exact.p), twice(&expected.exact.u));
        let all = [true, true];
        potential.energy(landscape, &p, &all, &mut energies);
        // one row at another point: what the first row is differentiated at must stay
        let other: Vec<f32> = p.iter().map(|x| 0.5 * x).collect();
        let mut ignored = vec![0.0; 2];
        potential.energy(landscape, &other, &[false, true], &mut ignored);
        potential.gradient(&[true, false], &mut g);
        potential.energy(landscape, &p, &[false, true], &mut ignored);
        prop_assert!(potential.curvature(&all, &u, &mut hu));
        expected.check(&energies[..1], 2e-4, |e| vec![e.energy])?;
        expected.check(&g[..v], 5e-4, |e| e.g.clone())?;
        prop_assert!(g[v..].iter().all(|x| *x == 0.0));
        expected.check(&hu[..v], 2e-3, |e| e.hu.clone())?;
        prop_assert_eq!(&hu[..v], &hu[v..]);
    }
}

#[test]
fn an_arena_of_the_bytes_needed_does_and_one_word_less_is_refused() {
    let case = Case::small();
    let packed = case.pack();
    let options = SessionOptions { block: 2, rows: 3, steps: 5, curvature: true, ..SessionOptions::default() };
    let mut memory = arena(&case, &options);
    let short = memory.len() - 1;
    let refused = Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory[..short]));
    let message = refused.unwrap_err().to_string();
    assert!(message.contains(&(4 * memory.len()).to_string()), "{message}");
    assert!(Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).is_ok());
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence() {
    let case = Case::small();
    let packed = case.pack();
    let options = SessionOptions::default();
    let mut memory = arena(&case, &options);
    let mut session =
        Session::new(Model::read(&packed).unwrap(), &options, bytemuck::cast_slice_mut(&mut memory)).unwrap();
    let refused = session.think(&DescentOptions::default(), &mut { GO }).unwrap_err().to_string();
    assert!(refused.contains("observe at least one token"), "{refused}");
    let beyond = session.observe(&[0, 9_999]).unwrap_err().to_string();
    assert!(beyond.contains("9999") && session.position() == 0, "{beyond}");
    session.observe(&case.tokens).unwrap();
    let too_long = session
        .think(&DescentOptions { steps: 1000, ..DescentOptions::default() }, &mut { GO })
        .unwrap_err()
        .to_string();
    assert!(too_long.contains("steps"), "{too_long}");
}
