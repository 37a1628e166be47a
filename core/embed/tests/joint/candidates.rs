//! Starts, assessments and the choice among candidates.

use crate::problem::{double, go, mirror, problem, solve};
use ebt::engine::descent::{DescentOptions, Selection};
use ebt_core::random::{Purpose, Stream};
use proptest::prelude::*;
use std::cell::RefCell;
use std::ops::ControlFlow;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_candidate_kept_is_the_best_of_those_reported(
        problem in problem(3, 4, false), tau in prop_oneof![Just(0.0f32), 0.05f32..1.0], seed: u64, candidates in 1usize..7,
        choose in prop::sample::select(vec![
            Selection::Energy, Selection::Free, Selection::Entropy, Selection::Residual, Selection::Vote,
        ]),
    ) {
        let think = DescentOptions { steps: 5, candidates, choose, seed, ..DescentOptions::joint() };
        let model = mirror(0.6, tau);
        let states = RefCell::new(vec![Vec::new(); candidates]);
        solve(&[(3, problem.clone())], (&think, &model), &mut |r| {
            states.borrow_mut()[r.candidate] = r.probabilities.to_vec();
            ControlFlow::Continue(())
        }, |d, _| {
            let states = states.borrow();
            let c = d.certificate(0).expect("finished");
            let ends: Vec<_> = (0..candidates).map(|m| d.assessment(0, m).expect("assessed")).collect();
            let answers: Vec<Vec<u32>> = (0..candidates).map(|m| d.candidate_answer(0, m).collect()).collect();
            prop_assert!(d.assessment(0, candidates).is_none() && d.assessment(1, 0).is_none());
            prop_assert_eq!(d.candidate_answer(0, candidates).count(), 0);
            for (m, end) in ends.iter().enumerate() {
                let p = double(&states[m]);
                prop_assert!((problem.free(tau.into(), &p) - f64::from(end.free)).abs() < 1e-4);
                prop_assert!((problem.entropy(&p) - f64::from(end.entropy)).abs() < 1e-4);
                prop_assert_eq!(c.candidate_energies[m], end.free);
                prop_assert_eq!(end.votes as usize, answers.iter().filter(|a| **a == answers[m]).count());
                for (cell, token) in answers[m].iter().enumerate() {
                    prop_assert!(problem.set(cell)[*token as usize]);
                    let p = &states[m][cell * 4..cell * 4 + 4];
                    let first = p.iter().position(|x| p.iter().all(|y| x >= y));
                    prop_assert_eq!(first, Some(*token as usize));
                }
            }
            // the first of the best
            let score = |m: usize| match choose {
                Selection::Energy => (0, ends[m].energy),
                Selection::Entropy => (0, ends[m].entropy),
                Selection::Residual => (0, ends[m].residual),
                Selection::Vote => (u32::MAX - ends[m].votes, ends[m].free),
                _ => (0, ends[m].free),
            };
            let best = (0..candidates).reduce(|a, b| if score(b) < score(a) { b } else { a });
            prop_assert!(Some(c.candidate) == best || score(c.candidate) == score(best.unwrap_or(0)));
            prop_assert_eq!(c.end, Some(ends[c.candidate]));
            prop_assert_eq!(d.probabilities(0), &states[c.candidate][..]);
            prop_assert_eq!(d.answer(0).collect::<Vec<_>>(), answers[c.candidate].clone());
            Ok(())
        }).expect("a run")?;
    }

    #[test]
    fn the_first_candidate_starts_as_in_training_and_the_others_at_noise_of_the_spread_asked_for(
        problem in problem(3, 4, false), spread in prop_oneof![Just(0.0f32), 0.1f32..3.0], seed: u64,
    ) {
        // steps so short that they show the start
        let think = DescentOptions { steps: 1, candidates: 3, spread, seed, ..DescentOptions::default() };
        let mut states = vec![Vec::new(); 3];
        solve(&[(3, problem.clone())], (&think, &mirror(1e-30, 0.0)), &mut |r| {
            states[r.candidate] = r.logits.to_vec();
            ControlFlow::Continue(())
        }, |_, _| ()).expect("a run");
        for (m, logits) in states.iter().enumerate() {
            let stream = Stream::new(seed, 0, Purpose::InitialState).detail(m as u16);
            let sigma = if m == 0 { 0.0 } else if spread > 0.0 { f64::from(spread) } else { 1.0 };
            for k in (0..12).filter(|k| problem.allowed[*k] && !problem.given(k / 4)) {
                let exact = sigma * stream.normal(3 * 12 + k as u64);
                prop_assert!((exact - f64::from(logits[k])).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn a_vote_follows_the_majority_against_a_lower_energy() {
    // two basins of one cell: the wide one holds more starts, the deep one is lower
    let mut problem = crate::problem::Problem::flat(1, 2);
    problem.m = vec![-4.0, 0.0, 0.0, -4.0];
    problem.b = vec![0.3, 0.0];
    let model = mirror(0.5, 0.0);
    let think = DescentOptions { steps: 60, candidates: 31, spread: 1.0, ..DescentOptions::joint() };
    let kept = |choose| {
        solve(&[(0, problem.clone())], (&DescentOptions { choose, ..think }, &model), &mut go, |d, _| {
            let votes = d.assessment(0, d.certificate(0).expect("finished").candidate).expect("assessed").votes;
            (d.answer(0).next(), votes)
        })
        .expect("a run")
    };
    let (by_energy, by_vote) = (kept(Selection::Free), kept(Selection::Vote));
    assert_eq!(by_energy.0, Some(1));
    assert!(by_vote.1 >= 16, "{by_energy:?} {by_vote:?}");
}
