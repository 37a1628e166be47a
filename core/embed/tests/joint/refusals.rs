//! What cannot be run, and what memory is taken.

use crate::problem::{Problem, go, mirror, solve};
use crate::toys;
use ebt::engine::arena::Arena;
use ebt::engine::descent::{Descent, DescentOptions, Dynamics, Known, Prior, Selection, StepSize};
use ebt::engine::{Error, SessionOptions};
use ebt_core::config::UpdateRule;

fn field(think: DescentOptions, model: Dynamics) -> &'static str {
    match solve(&[(0, Problem::flat(2, 3))], (&think, &model), &mut go, |_, _| ()) {
        Err(Error::Option { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_run_is_refused_with_its_field() {
    let (t, m) = (DescentOptions { steps: 4, ..DescentOptions::joint() }, mirror(1.0, 0.5));
    assert_eq!(field(t, Dynamics { tau: -1.0, ..m }), "dynamics.tau");
    assert_eq!(field(t, Dynamics { tau: f32::NAN, ..m }), "dynamics.tau");
    for update in [UpdateRule::Probability, UpdateRule::Logit] {
        assert_eq!(field(t, Dynamics { update, ..m }), "dynamics.tau");
    }
    assert_eq!(field(DescentOptions { step_size: StepSize::Scaled(0.0), ..t }, m), "step_size.scaled");
    assert_eq!(field(DescentOptions { spread: -1.0, ..t }, m), "spread");
    assert_eq!(field(DescentOptions { commits: 2, choose: Selection::Drop, ..t }, m), "choose");
    assert_eq!(field(DescentOptions { commits: 2, ..t }, Dynamics { landscapes: 2, ..m }), "commits");
}

#[test]
fn sets_that_do_not_fit_are_refused() {
    let empty = Problem { allowed: vec![true, true, true, false, false, false], ..Problem::flat(2, 3) };
    let (t, m) = (DescentOptions { steps: 2, ..DescentOptions::default() }, mirror(1.0, 0.0));
    let error = solve(&[(0, empty)], (&t, &m), &mut go, |_, _| ()).expect_err("no token");
    assert!(matches!(error, Error::Option { field: "allowed", .. }), "{error}");

    let options = SessionOptions { rows: 2, steps: 4, ..SessionOptions::default() };
    let mut memory = vec![0u32; 4096];
    let mut arena = Arena::over(bytemuck::cast_slice_mut(&mut memory)).expect("aligned");
    let mut joint = Descent::alloc_joint(&mut arena, 2, 2, 3, &options).expect("enough");
    let mut rows = crate::problem::Rows::new(vec![Problem::flat(2, 3)]);
    let words = "words of allowed tokens";
    for given in [1, 3] {
        let found =
            joint.solve(&mut rows, &t, &m, 0..1, Known { allowed: &vec![7; given], prior: Prior::default() }, &mut go);
        assert_eq!(found, Err(Error::Shape { what: words, expected: 2, given }));
    }
    // bits beyond the vocabulary do not count, and no words are all tokens
    joint
        .solve(&mut rows, &t, &m, 0..1, Known { allowed: &[u32::MAX, 0xffff_fff9], prior: Prior::default() }, &mut go)
        .expect("a run");
    assert_eq!(rows.given, [false, true]);
    joint.solve(&mut rows, &t, &m, 0..1, Known::default(), &mut go).expect("a run");
    assert_eq!(rows.given, [false, false]);
    let found = joint.solve(&mut rows, &t, &m, 0..1, Known { allowed: &[8, 7], prior: Prior::default() }, &mut go);
    assert!(matches!(found, Err(Error::Option { field: "allowed", .. })), "{found:?}");
    let long = DescentOptions { commits: 3, ..t };
    let found = joint.solve(&mut rows, &long, &m, 0..1, Known::default(), &mut go);
    assert!(matches!(found, Err(Error::Option { field: "commits", .. })), "{found:?}");

    // a descent of single distributions has no memory for sets, and no rows of cells
    let mut toy = toys::Toy::new(vec![toys::Energy::Dirichlet(vec![1.0; 3])]);
    let mut single = Descent::alloc(&mut arena, 2, 3, &options).expect("enough");
    let found = single.solve(&mut toy, &t, &m, 0..1, Known { allowed: &[7], prior: Prior::default() }, &mut go);
    assert!(matches!(found, Err(Error::Option { field: "allowed", .. })), "{found:?}");
    let found = single.solve(&mut toy, &DescentOptions { commits: 2, ..t }, &m, 0..1, Known::default(), &mut go);
    assert!(matches!(found, Err(Error::Option { field: "commits", .. })), "{found:?}");
    let found = single.run(&mut rows, &t, &m, 0..1, &mut go);
    assert_eq!(found, Err(Error::Shape { what: "cells of the potential", expected: 1, given: 2 }));
}

#[test]
fn energies_and_gradients_that_are_not_numbers_are_errors() {
    let (t, m) = (DescentOptions { steps: 2, ..DescentOptions::default() }, mirror(1.0, 0.5));
    let broken = |change: &dyn Fn(&mut Problem)| {
        let mut problem = Problem::flat(2, 3);
        change(&mut problem);
        solve(&[(9, problem)], (&t, &m), &mut go, |_, _| ()).expect_err("not a number")
    };
    let not = |what| Error::NotFinite { what, position: 9, step: 0 };
    assert_eq!(broken(&|p| p.flags[1] = f64::NAN), not("the energy"));
    // beyond single precision where it has a slope, not where it has a value
    assert_eq!(broken(&|p| (p.b[4], p.b[5]) = (1e39, -1e39)), not("the gradient"));
}

#[test]
fn one_distribution_a_row_takes_the_memory_that_it_always_took() {
    for (trials, curvature, matrices) in [(false, false, 3), (true, false, 6), (true, true, 7)] {
        let options = SessionOptions { block: 1, rows: 3, steps: 8, trials, curvature, ..SessionOptions::default() };
        let mut counting = Arena::measure();
        Descent::alloc(&mut counting, 3, 11, &options).expect("a size");
        let columns = 4 + usize::from(curvature);
        let numbers = 3 * 11 * matrices + 3 * 2 * 32 * usize::from(curvature) + 3 * (16 + 3) + 8 + 3 * 8 * columns;
        assert_eq!(counting.used(), 4 * numbers + 4 + 24, "{trials} {curvature}");
    }
}

#[test]
fn requests_of_joint_problems_are_data() {
    let text =
        r#"{"steps": 4, "commits": 3, "step_size": {"scaled": 0.5}, "choose": "vote", "spread": 2.0, "assess": true}"#;
    let think: DescentOptions = serde_json::from_str(text).expect("a request");
    let asked = DescentOptions { steps: 4, commits: 3, choose: Selection::Vote, ..DescentOptions::joint() };
    assert_eq!(think, DescentOptions { certify: false, ..asked });
    solve(&[(0, Problem::flat(2, 3))], (&think, &mirror(1.0, 1.0)), &mut go, |d, _| {
        let json = serde_json::to_value(d.certificate(0)).expect("a value");
        assert_eq!(json["rounds"].as_array().map(Vec::len), Some(9));
        assert_eq!((json["end"]["votes"].as_u64(), json["end"]["energy"].as_f64()), (Some(1), Some(0.0)));
    })
    .expect("a run");
}
