//! A tangent pass that takes its values from a recording equals one that computes them.

use ebt_core::compute::Compute;
use ebt_core::config::UpdateRule;
use ebt_core::descent::rollout;
use ebt_core::dual::{Dual, DualTensor};
use ebt_core::energy::{self, Prediction};
use ebt_core::error::Error;
use ebt_core::objective::Objective;
use ebt_core::record::{Record, Replay, Tape};
use proptest::prelude::*;

use crate::compare::Check;
use crate::model::{self, Family};
use crate::{Draw, Factory, Mat, close, for_all, same_bits};

/// Energies, their gradient, and both tangents, of a predicted stream on `c`.
fn passes<C: Compute>(c: &C, x: &Prediction<'_, C::Leaf, C::Index>, p: &C::Tensor, ones: &C::Leaf) -> [C::Tensor; 2] {
    let (e, saved) = energy::forward(c, x, p);
    let dp = energy::backward(c, x, &saved, ones, None);
    [e, dp]
}

/// With a replay and without: the same values and tangents (to the bit where the backend repeats itself).
pub fn a_replayed_pass_equals_a_recomputed_one<F: Factory>() {
    F::with(|b| {
        for_all(32, (model::sizes(), model::kinds(), any::<bool>(), any::<u64>()), |(sizes, kind, joint, seed)| {
            let draw = Draw::new(seed);
            let family = if joint { Family::Joint } else { Family::Causal };
            let (config, sequences) = model::of_family(&draw, family, sizes, kind, UpdateRule::Mirror);
            let trainer = model::trainer(b, &config, &Objective::default(), &model::weights(&draw, &config));
            model::with_rollout(b, &trainer, &sequences, seed, |rollout, _| {
                let (condition, _) = rollout::condition_of(&rollout, 0);
                let observed = rollout::observe(&rollout, &condition);
                let x = Prediction {
                    model: rollout.model,
                    geometry: rollout.geometry,
                    condition: &condition,
                    memory: &observed.memory,
                };
                let n = sequences.targets.len();
                let (p, u) = (draw.matrix(n, config.dim).upload(b), draw.matrix(n, config.dim).upload(b));
                let ones = b.fill(n, 1, 1.0);
                let record = Record::new(b, Tape::new());
                let values = passes(&record, &x, &p, &ones);
                let tape = record.finish();
                let point = DualTensor { value: p, tangent: Some(u) };
                let recomputed = passes(&Dual::new(b), &x, &point, &ones);
                let replay = Replay::new(b, &tape);
                let replayed = passes(&Dual::with_values(b, &replay), &x, &point, &ones);
                replay.finish().map_err(|e| e.to_string())?;
                let same = |what: &str, got: &_, want: &_| -> Check {
                    let (got, want) = (Mat::download(b, got), Mat::download(b, want));
                    if F::REPEATABLE {
                        same_bits(what, &got, &want)
                    } else {
                        close(what, &got, &want, F::TOLERANCE.first)
                    }
                };
                for i in 0..2 {
                    same("a replayed value", &replayed[i].value, &values[i])?;
                    same("a recomputed value", &recomputed[i].value, &values[i])?;
                    match (&replayed[i].tangent, &recomputed[i].tangent) {
                        (Some(got), Some(want)) => same("a tangent", got, want)?,
                        _ => return Err("a tangent is missing".into()),
                    }
                }
                Ok(())
            })
        });
    });
}

/// Operations that a recording or a replay is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Exp,
    ExpAdd,
    ExpExpAdd,
    ExpNorm,
}

fn ask<C: Compute>(c: &C, what: Asked, x: &C::Tensor, row: &C::Leaf) {
    match what {
        Asked::Nothing => {}
        Asked::Exp => drop(c.exp(x)),
        Asked::ExpAdd => drop(c.add(&c.exp(x), x)),
        Asked::ExpExpAdd => drop(c.add(&c.exp(&c.exp(x)), x)),
        Asked::ExpNorm => drop((c.exp(x), c.norm(x, row, None, 1e-5))),
    }
}

/// A replay that asks for fewer or more operations than were recorded is an error, not a wrong number.
pub fn another_computation_is_reported<F: Factory>() {
    F::with(|b| {
        let (x, row) = (b.fill(2, 3, 1.0), b.fill(1, 3, 1.0));
        let all = [Asked::Nothing, Asked::Exp, Asked::ExpAdd, Asked::ExpExpAdd, Asked::ExpNorm];
        // as many matrices in another arrangement cannot be distinguished: a tape holds results, not names
        let alike = |a, b| a == b || [a, b].iter().all(|x| [Asked::ExpExpAdd, Asked::ExpNorm].contains(x));
        for recorded in all {
            let record = Record::new(b, Tape::new());
            ask(&record, recorded, &x, &row);
            let tape = record.finish();
            for asked in all {
                let replay = Replay::new(b, &tape);
                ask(&replay, asked, &x, &row);
                match replay.finish() {
                    Ok(()) => assert!(alike(recorded, asked), "{recorded:?} replayed as {asked:?}"),
                    Err(e) => assert!(!alike(recorded, asked) && matches!(e, Error::Replay { .. }), "{asked:?}: {e}"),
                }
            }
        }
    });
}
