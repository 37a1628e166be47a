//! Rounds of committing.

use crate::problem::{Problem, go, mirror, problem, solve};
use ebt::engine::descent::{DescentOptions, StepSize};
use proptest::prelude::*;
use std::ops::ControlFlow;

/// The same by single descents whose sets are narrowed outside: energies before every step, and the answer.
fn by_hand(problem: &Problem, think: &DescentOptions, tau: f32) -> (Vec<f32>, Vec<u32>) {
    let (mut problem, mut energies, mut answer) = (problem.clone(), Vec::new(), Vec::new());
    for round in 0..think.commits {
        let once = DescentOptions { commits: 1, ..*think };
        let mut p = Vec::new();
        solve(&[(0, problem.clone())], (&once, &mirror(0.5, tau)), &mut go, |d, _| {
            energies.extend_from_slice(d.certificate(0).expect("finished").energies);
            p = d.probabilities(0).to_vec();
            answer = d.answer(0).collect();
        })
        .expect("a run");
        let mut unknown: Vec<usize> = (0..problem.cells).filter(|cell| !problem.given(*cell)).collect();
        let confidence = |cell: &usize| p[cell * problem.vocab + answer[*cell] as usize];
        unknown.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)));
        let share = unknown.len().div_ceil(think.commits - round);
        for cell in unknown.into_iter().take(share) {
            let token = answer[cell] as usize;
            let vocab = problem.vocab;
            (0..vocab).for_each(|k| problem.allowed[cell * vocab + k] = k == token);
        }
    }
    (energies, answer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rounds_are_descents_of_problems_with_more_and_more_given_cells(
        problem in problem(5, 4, false), tau in prop_oneof![Just(0.0f32), 0.05f32..1.0], commits in 1usize..5,
        step_size in prop::sample::select(vec![StepSize::Scaled(0.5), StepSize::Model]),
    ) {
        // as many cells as rounds: no round is without unknown cells before the last
        prop_assume!(problem.all_given().iter().filter(|given| !**given).count() >= commits);
        let think = DescentOptions { steps: 3, commits, step_size, ..DescentOptions::joint() };
        let (energies, answer) = by_hand(&problem, &think, tau);
        let mut rounds = Vec::new();
        solve(&[(0, problem.clone())], (&think, &mirror(0.5, tau)), &mut |r| {
            rounds.push((r.round, r.step));
            ControlFlow::Continue(())
        }, |d, outcome| {
            let c = d.certificate(0).expect("finished");
            prop_assert_eq!(c.energies, &energies[..]);
            prop_assert_eq!(d.answer(0).collect::<Vec<_>>(), answer);
            prop_assert_eq!((c.steps, outcome.steps), (3 * commits, 3 * commits));
            let expected: Vec<u32> = (0..commits as u32).flat_map(|round| [round; 3]).collect();
            prop_assert_eq!(c.rounds, if commits > 1 { &expected[..] } else { &[] });
            prop_assert_eq!(c.landscapes, &vec![0; 3 * commits][..]);
            Ok(())
        }).expect("a run")?;
        prop_assert_eq!(rounds, (0..3 * commits).map(|k| (k / 3, k)).collect::<Vec<_>>());
    }
}

#[test]
fn rows_that_have_no_unknown_cells_left_take_no_more_steps() {
    let mut problem = Problem::flat(2, 3);
    problem.allowed[4..6].iter_mut().for_each(|allowed| *allowed = false);
    problem.b = vec![0.5, -1.0, 0.2, 1.0, 0.0, 0.0];
    problem.flags = vec![7.0, 7.0];
    let think = DescentOptions { steps: 4, commits: 5, ..DescentOptions::joint() };
    solve(&[(0, problem)], (&think, &mirror(1.0, 0.0)), &mut go, |d, _| {
        let c = d.certificate(0).expect("finished");
        // four steps of descent, one that evaluates the answer
        assert_eq!(c.rounds, [0, 0, 0, 0, 1]);
        assert_eq!(d.answer(0).collect::<Vec<_>>(), [1, 0]);
        // the cell that was fixed is told to be given: its flag is gone
        assert_eq!((c.energies[0] > 7.0, c.energies[4]), (true, 0.0));
        assert_eq!(c.end.expect("assessed").energy, 0.0);
    })
    .expect("a run");
}
