//! The energy's derivatives, and the training gradient of every objective, against central differences in double
//! precision on the reference backend.
#![allow(clippy::unwrap_used)]

mod support {
    pub mod gradient;
    pub mod hessian;
}

use std::cell::Cell;

use ebt_core::compute::Backend;
use ebt_core::config::{ModelKind, UpdateRule};
use ebt_core::objective::{Checkpointing, Flow, LossSteps, Objective};
use ebt_core::training::NO_TARGET;
use ebt_core::transformer;
use ebt_tests::compare::close_number;
use ebt_tests::model::{self, Family, Kind, Sizes};
use ebt_tests::{Check, Draw, Factory, Mat, Reference64, difference, for_all};
use proptest::prelude::*;
use support::gradient::{Smoothness, check};

/// The families that have an energy.
fn energies() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Causal), Just(Family::Joint)]
}

fn flows() -> impl Strategy<Value = Flow> {
    prop_oneof![Just(Flow::Detached), Just(Flow::Unrolled)]
}

/// Random models and flows with an objective changed from the default.
/// Returns how often a term beside cross entropy and balance was not zero.
fn objectives(smoothness: Smoothness, change: impl Fn(&Draw, &mut Objective)) -> u32 {
    let active = Cell::new(0);
    let strategy = (model::sizes(), (energies(), model::kinds()), model::rules(), flows(), any::<u64>());
    for_all(DRAWS, strategy, |(sizes, kind, rule, flow, seed)| {
        let draw = Draw::new(seed);
        let steps = 1 + draw.below(3);
        let mut objective = Objective { min_steps: steps, max_steps: steps, flow, ..Objective::default() };
        if draw.one_in(2) {
            objective.checkpointing = if draw.one_in(2) { Checkpointing::Step } else { Checkpointing::Block };
        }
        change(&draw, &mut objective);
        let extra = check(&draw, sizes, kind, rule, &objective, smoothness)?;
        active.set(active.get() + u32::from(extra > 0.0));
        Ok(())
    });
    active.get()
}

const DRAWS: u32 = 24;

#[test]
fn plain_rollouts() {
    objectives(Smoothness::Smooth, |_, _| {});
}

#[test]
fn truncated_rollouts() {
    objectives(Smoothness::Smooth, |_, o| o.loss = LossSteps::Last);
}

#[test]
fn later_steps_weigh_more() {
    objectives(Smoothness::Smooth, |_, o| o.loss = LossSteps::Linear);
}

#[test]
fn jitter_and_langevin_noise() {
    objectives(Smoothness::Smooth, |_, o| {
        o.alpha_jitter = 2.0;
        o.langevin = 0.5;
    });
}

#[test]
fn contrastive_terms() {
    let active = objectives(Smoothness::Smooth, |_, o| o.contrastive = 0.8);
    assert!(active >= DRAWS, "a contrastive term is never zero");
}

#[test]
fn noise_contrastive_terms() {
    let active = objectives(Smoothness::Smooth, |draw, o| {
        o.nce = 0.7;
        o.noise_tokens = 1 + draw.below(3);
    });
    assert!(active >= DRAWS, "a noise contrastive term is never zero");
}

#[test]
fn lyapunov_terms() {
    let active = objectives(Smoothness::Kinked, |_, o| {
        o.lyapunov = 3.0;
        o.lyapunov_c = 2.5;
    });
    // a satisfied decrease costs nothing; most of these rollouts do not satisfy it
    assert!(active > DRAWS / 2, "only {active} of {DRAWS} rollouts had a Lyapunov loss");
}

#[test]
fn everything_at_once() {
    objectives(Smoothness::Kinked, |_, o| {
        o.lyapunov = 2.0;
        o.lyapunov_c = 1.5;
        o.contrastive = 0.5;
        o.nce = 0.5;
        o.alpha_jitter = 1.5;
        o.langevin = 0.3;
    });
}

/// `alpha` below its lower limit does not move the rollout, and gets no gradient.
#[test]
fn a_step_size_at_its_limit_has_no_gradient() {
    Reference64::with(|r| {
        let draw = Draw::new(1);
        let sizes = Sizes { batch: 1, context: 3, layers: 1, landscapes: 1, vocab: 4 };
        let config = model::config(&draw, sizes, Kind::Dense);
        let mut weights = model::weights(&draw, &config);
        let objective = Objective::default();
        let alpha = model::trainer(r, &config, &objective, &weights).layout.energy.unwrap().alpha;
        weights[alpha].data[0] = -1.0;
        let mut trainer = model::trainer(r, &config, &objective, &weights);
        let sequences = model::sequences(&draw, sizes);
        trainer.gradient(r, &sequences, &model::settings(1), None, false).unwrap();
        assert_eq!(Mat::download(r, &trainer.gradients()[alpha]).data, [0.0]);
    });
}

/// A Hessian-vector product is the difference of gradients, and the Hessian is symmetric.
#[test]
fn hessian_vector_products() {
    for_all(48, (model::sizes(), (energies(), model::kinds()), any::<u64>()), |(sizes, kind, seed)| {
        support::hessian::check(&Draw::new(seed), sizes, kind)
    });
}

/// The baseline: loss from its logits, and its gradient against differences of that loss.
#[test]
fn the_baseline_gradient() {
    for_all(24, (model::sizes(), model::kinds(), any::<u64>()), |(sizes, kind, seed)| {
        Reference64::with(|r| baseline(r, &Draw::new(seed), sizes, kind))
    });
}

fn baseline<B: Backend>(r: &B, draw: &Draw, sizes: Sizes, kind: Kind) -> Check {
    let mut config = model::config(draw, sizes, kind);
    config.kind = ModelKind::Transformer;
    config.update = UpdateRule::Probability;
    let objective = Objective::default();
    let weights = model::weights(draw, &config);
    let sequences = model::sequences(draw, sizes);
    let settings = model::settings(1);
    let run = |weights: &[Mat]| {
        let mut trainer = model::trainer(r, &config, &objective, weights);
        let report = trainer.gradient(r, &sequences, &settings, None, false).unwrap().0;
        (report, trainer.gradients().iter().map(|g| Mat::download(r, g)).collect::<Vec<_>>())
    };
    let (report, grads) = run(&weights);
    // the cross entropy from the logits
    let trainer = model::trainer(r, &config, &objective, &weights);
    let device = ebt_core::training::DeviceSequences::upload(r, &config, &sequences).unwrap();
    let logits = transformer::forward(r, trainer.model(), device.geometry(&config), device.tokens()).0;
    let p = Mat::download(r, &r.softmax(&logits));
    let counted = sequences.targets.iter().enumerate().filter(|(_, t)| **t != NO_TARGET);
    let sum: f64 = counted.map(|(i, &t)| -p.row(i)[t as usize].ln()).sum();
    close_number("loss", report.reconstruction, sum / sequences.positions() as f64, 1e-12)?;
    for (id, entry) in trainer.layout.entries.iter().enumerate() {
        let direction = draw.matrix(entry.rows, entry.columns);
        let slope = difference::central(1e-5, |h| {
            let mut moved = weights.clone();
            moved[id] = moved[id].plus(h, &direction);
            vec![Mat::new(1, 1, vec![run(&moved).0.loss])]
        });
        close_number(&entry.name, grads[id].dot(&direction), slope[0].data[0], 1e-7)?;
    }
    Ok(())
}
