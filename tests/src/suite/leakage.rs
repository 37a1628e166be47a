//! What must not be seen is not seen, to the last bit.

use ebt_core::config::{ModelKind, UpdateRule};
use ebt_core::objective::Objective;
use ebt_core::training::{DeviceSequences, Sequences};
use ebt_core::transformer;
use proptest::prelude::*;

use crate::compare::{Check, ensure};
use crate::model::{self, Sizes};
use crate::{Draw, Factory, Mat, for_all, oracle};

fn objective() -> Objective {
    Objective { min_steps: 3, max_steps: 3, langevin: 0.5, alpha_jitter: 2.0, ..Objective::default() }
}

/// The rows for which `kept` holds are the same to the bit.
fn rows_are_equal(what: &str, a: &Mat, b: &Mat, kept: impl Fn(usize) -> bool) -> Check {
    let changed = (0..a.rows).filter(|&i| kept(i)).find(|&i| a.row(i) != b.row(i));
    ensure(changed.is_none(), || format!("{what}: row {changed:?} of {:?} changed", a.shape()))
}

/// Another token at `row` of the batch.
fn with_other_token(sequences: &Sequences, row: usize, vocab: usize) -> Sequences {
    let mut other = sequences.clone();
    other.tokens[row] = (other.tokens[row] + 1) % vocab as u32;
    other
}

fn trajectories<F: Factory>(
    b: &F::B<'_>,
    (sizes, kind, rule, seed): (Sizes, model::Kind, UpdateRule, u64),
    change: impl Fn(&Draw, &mut Sequences, &mut Mat) -> Box<dyn Fn(usize) -> bool>,
) -> Check {
    let draw = Draw::new(seed);
    let mut config = model::config(&draw, sizes, kind);
    config.update = rule;
    let trainer = model::trainer(b, &config, &objective(), &model::weights(&draw, &config));
    let mut sequences = model::sequences(&draw, sizes);
    let mut initial = draw.matrix(sizes.batch * sizes.context, sizes.vocab);
    let run = |sequences: &Sequences, initial: &Mat| {
        model::with_rollout(b, &trainer, sequences, seed, |rollout, _| {
            oracle::loss(rollout, &sequences.targets, initial, None)
        })
    };
    let before = run(&sequences, &initial);
    let kept = change(&draw, &mut sequences, &mut initial);
    let after = run(&sequences, &initial);
    for (i, (x, y)) in before.energies.iter().zip(&after.energies).enumerate() {
        rows_are_equal(&format!("energies of step {i}"), x, y, &kept)?;
    }
    for (i, (x, y)) in before.trajectory.states.iter().zip(&after.trajectory.states).enumerate() {
        rows_are_equal(&format!("states before step {i}"), x, y, &kept)?;
    }
    Ok(())
}

/// Changing token `j` leaves energies and states before `j`, and of all other sequences, unchanged.
pub fn later_tokens_do_not_reach_earlier_energies<F: Factory>() {
    F::with(|b| {
        for_all(32, (model::sizes(), model::kinds(), model::rules(), any::<u64>()), |x| {
            trajectories::<F>(b, x, |draw, sequences, _| {
                let (context, row) = (sequences.context, draw.below(sequences.tokens.len()));
                *sequences = with_other_token(sequences, row, x.0.vocab);
                Box::new(move |i| i / context != row / context || i < row)
            })
        });
    });
}

/// Changing the candidate of one position leaves all other positions unchanged: predictions do not see each other.
pub fn candidates_do_not_reach_each_other<F: Factory>() {
    F::with(|b| {
        for_all(32, (model::sizes(), model::kinds(), model::rules(), any::<u64>()), |x| {
            trajectories::<F>(b, x, |draw, _, initial| {
                let row = draw.below(initial.rows);
                initial.data[row * initial.columns] += 1.0;
                Box::new(move |i| i != row)
            })
        });
    });
}

/// With document starts, changing a token of an earlier document leaves later documents unchanged.
pub fn documents_do_not_reach_each_other<F: Factory>() {
    F::with(|b| {
        for_all(32, (model::sizes(), model::kinds(), model::rules(), any::<u64>()), |x| documents::<F>(b, x));
    });
}

fn documents<F: Factory>(b: &F::B<'_>, (sizes, kind, rule, seed): (Sizes, model::Kind, UpdateRule, u64)) -> Check {
    let draw = Draw::new(seed);
    let mut config = model::config(&draw, sizes, kind);
    config.update = rule;
    let trainer = model::trainer(b, &config, &objective(), &model::weights(&draw, &config));
    let mut sequences = model::sequences(&draw, sizes);
    sequences.starts = crate::op::band::starts(&draw, sizes.batch, sizes.context);
    let row = draw.below(sequences.tokens.len());
    let other = with_other_token(&sequences, row, sizes.vocab);
    let initial = draw.matrix(sequences.tokens.len(), sizes.vocab);
    let run = |sequences: &Sequences| {
        model::with_rollout(b, &trainer, sequences, seed, |rollout, _| {
            oracle::loss(rollout, &sequences.targets, &initial, None)
        })
    };
    let (before, after) = (run(&sequences), run(&other));
    let (context, t) = (sizes.context, (row % sizes.context) as u32);
    let kept = |i: usize| i / context != row / context || i < row || sequences.starts[i] > t;
    for (x, y) in before.energies.iter().zip(&after.energies) {
        rows_are_equal("energies", x, y, kept)?;
    }
    Ok(())
}

/// The baseline's logits at `t` depend on tokens up to `t` of the same document and sequence only.
pub fn the_baseline_does_not_look_ahead<F: Factory>() {
    F::with(|b| {
        for_all(32, (model::sizes(), model::kinds(), any::<u64>()), |(sizes, kind, seed)| {
            let draw = Draw::new(seed);
            let mut config = model::config(&draw, sizes, kind);
            config.kind = ModelKind::Transformer;
            let trainer = model::trainer(b, &config, &Objective::default(), &model::weights(&draw, &config));
            let mut sequences = model::sequences(&draw, sizes);
            sequences.starts = crate::op::band::starts(&draw, sizes.batch, sizes.context);
            let logits = |sequences: &Sequences| {
                let device = DeviceSequences::upload(b, &config, sequences).expect("a valid batch");
                Mat::download(b, &transformer::forward(b, trainer.model(), device.geometry(&config), device.tokens()).0)
            };
            let row = draw.below(sequences.tokens.len());
            let (before, after) = (logits(&sequences), logits(&with_other_token(&sequences, row, sizes.vocab)));
            let (context, t) = (sizes.context, (row % sizes.context) as u32);
            let kept = |i: usize| i / context != row / context || i < row || sequences.starts[i] > t;
            rows_are_equal("logits", &before, &after, kept)?;
            let seen = before.row(row) != after.row(row);
            ensure(seen, || format!("the changed token {row} was not seen at its own position"))
        });
    });
}
