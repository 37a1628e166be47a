//! Narrow numbers against wide ones: whole courses of training, and loss scales.

use ebt_core::compute::Backend;
use ebt_core::config::{Config, MoeConfig, UpdateRule};
use ebt_core::loss_scale::LossScale;
use ebt_core::objective::{Flow, InitialState, Objective};
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::parameters::ParameterLayout;
use ebt_core::training::{Sequences, StepReport, StepSettings, Trainer};
use ebt_cuda::{Options, Precision};
use ebt_tests::Mat;

use super::device::open;

const STEPS: u32 = 30;
/// Where the last third starts.
const LAST: usize = 20;

fn config(update: UpdateRule) -> Config {
    let alpha = if update == UpdateRule::Probability { 500.0 } else { 5.0 };
    Config { update, alpha, vocab: 29, dim: 32, layers: 2, heads: 2, ffn: 48, context: 16, ..Config::default() }
}

fn batch(step: u32, config: &Config) -> Sequences {
    let n = 4 * config.context;
    let tokens: Vec<u32> = (0..n as u32).map(|i| (i * 5 + step * 11 + i / 16) % 29).collect();
    let targets = tokens.iter().map(|t| (t + 5) % 29).collect();
    Sequences { batch: 4, context: config.context, tokens, targets, ..Sequences::default() }
}

/// The loss scales that a model starts with once they have stopped overflowing.
fn settled<B: Backend>(b: &B, config: &Config, objective: &Objective) -> LossScale {
    let optimizer = OptimizerConfig::default();
    let mut trainer = Trainer::new(b, config.clone(), objective.clone(), optimizer, 5).expect("a valid model");
    for step in 0..if b.needs_loss_scale() { 40 } else { 0 } {
        let settings = StepSettings { seed: 5, step, rate: 0.0, micro_batch: 4, ema_decay: 0.9, part: None };
        trainer.step(b, &batch(step, config), &settings).expect("a step or a skipped one");
    }
    trainer.loss_scale
}

/// Losses of a course of training.
fn course(precision: Precision, config: &Config, objective: &Objective) -> Vec<StepReport> {
    let b = open(&Options { precision, ..Options::default() }, 0);
    let optimizer = OptimizerConfig { alpha_rate: 1.0, ..OptimizerConfig::default() };
    let mut trainer = Trainer::new(&b, config.clone(), objective.clone(), optimizer, 5).expect("a valid model");
    trainer.loss_scale = settled(&b, config, objective);
    (0..STEPS)
        .map(|step| {
            let settings = StepSettings { seed: 5, step, rate: 0.003, micro_batch: 4, ema_decay: 0.9, part: None };
            trainer.step(&b, &batch(step, config), &settings).expect("a step")
        })
        .collect()
}

/// The band: over the course the loss of narrow numbers is on average within 6% of single precision's, and over the last
/// third its mean is within 6%. (Single steps may differ by more: early training amplifies any rounding.)
#[test]
fn loss_curves_of_all_precisions_stay_in_a_band() {
    for (update, flow) in [(UpdateRule::Probability, Flow::Detached), (UpdateRule::Mirror, Flow::Detached)] {
        let config = config(update);
        let objective = Objective { flow, initial: InitialState::Zeros, ..Objective::default() };
        let wide = course(Precision::F32, &config, &objective);
        assert!(wide[STEPS as usize - 1].loss < 0.6 * wide[0].loss, "{update:?} {flow:?}: nothing is learned");
        for precision in [Precision::Tf32, Precision::Bf16, Precision::F16] {
            let narrow = course(precision, &config, &objective);
            let apart = |(a, b): (&StepReport, &StepReport)| (a.loss - b.loss).abs() / b.loss;
            let mean = narrow.iter().zip(&wide).map(apart).sum::<f64>() / f64::from(STEPS);
            let last = |course: &[StepReport]| course[LAST..].iter().map(|r| r.loss).sum::<f64>();
            let end = (last(&narrow) / last(&wide) - 1.0).abs();
            println!("{update:?} {flow:?} {precision:?}: mean {mean:.4}, end {end:.4}");
            assert!(mean < 0.06 && end < 0.06, "{update:?} {flow:?} {precision:?}: mean {mean}, end {end}");
            assert!(narrow.iter().all(|r| !r.skipped), "{precision:?} skipped a step");
            assert_eq!(narrow[0].loss_scale.is_some(), precision == Precision::F16);
        }
    }
}

/// Gradients of all parameters after a few steps of training.
fn gradients(precision: Precision, config: &Config, objective: &Objective) -> Vec<Mat> {
    let b = open(&Options { precision, ..Options::default() }, 0);
    let optimizer = OptimizerConfig::default();
    let mut trainer = Trainer::new(&b, config.clone(), objective.clone(), optimizer, 5).expect("a valid model");
    trainer.loss_scale = settled(&b, config, objective);
    let settings = StepSettings { seed: 5, step: 0, rate: 0.01, micro_batch: 2, ema_decay: 0.9, part: None };
    trainer.gradient(&b, &batch(0, config), &settings, None, false).expect("a gradient");
    trainer.gradients().iter().map(|g| Mat::download(&b, g)).collect()
}

/// Narrow gradients point where wide ones do: every parameter's, in two micro-batches, any rule.
#[test]
fn narrow_gradients_point_the_same_way() {
    for (update, flow, experts) in [
        (UpdateRule::Probability, Flow::Detached, false),
        (UpdateRule::Mirror, Flow::Unrolled, true),
        (UpdateRule::Logit, Flow::Detached, true),
        (UpdateRule::Mirror, Flow::Detached, false),
        (UpdateRule::Probability, Flow::Unrolled, false),
    ] {
        let mut config = config(update);
        config.moe = experts.then(|| MoeConfig { n_routed: 4, top_k: 2, hidden: 24, ..MoeConfig::default() });
        let objective = Objective { flow, initial: InitialState::Noise, ..Objective::default() };
        let wide = gradients(Precision::F32, &config, &objective);
        let all = wide.iter().map(|g| g.dot(g)).sum::<f64>().sqrt();
        for (precision, least) in [(Precision::Tf32, 0.99), (Precision::F16, 0.99), (Precision::Bf16, 0.95)] {
            if experts && precision != Precision::Tf32 {
                continue; // a token that goes to another expert changes the gradient at once
            }
            let narrow = gradients(precision, &config, &objective);
            for ((entry, g), w) in ParameterLayout::new(&config).entries.iter().zip(&narrow).zip(&wide) {
                let (norm, wide_norm) = (g.dot(g).sqrt(), w.dot(w).sqrt());
                if wide_norm < 1e-3 * all {
                    continue;
                }
                let cosine = g.dot(w) / (norm * wide_norm);
                let ratio = norm / wide_norm;
                let name = &entry.name;
                assert!(cosine > least, "{update:?} {flow:?} {precision:?}: {name} turns to a cosine of {cosine}");
                assert!(
                    (ratio - 1.0).abs() < 0.25,
                    "{update:?} {flow:?} {precision:?}: {name} is {ratio} times as long"
                );
            }
        }
    }
}

/// A scale that is far too large overflows: steps are skipped and change nothing, the right scale halves until it fits,
/// and training goes on.
#[test]
fn overflow_skips_the_step_and_says_so() {
    let b = open(&Options { precision: Precision::F16, ..Options::default() }, 0);
    let config = config(UpdateRule::Probability);
    for inner in [false, true] {
        let (objective, optimizer) = (Objective::default(), OptimizerConfig::default());
        let mut trainer = Trainer::new(&b, config.clone(), objective, optimizer, 5).expect("a valid model");
        let scale = if inner { &mut trainer.loss_scale.inner } else { &mut trainer.loss_scale.outer };
        scale.factor = f64::from(1u32 << 24);
        let before: Vec<Mat> = trainer.weights.iter().map(|w| Mat::download(&b, w)).collect();
        let mut step = 0;
        let mut next = |trainer: &mut Trainer<_>| {
            let settings = StepSettings { seed: 5, step, rate: 0.003, micro_batch: 4, ema_decay: 0.9, part: None };
            step += 1;
            trainer.step(&b, &batch(step, &config), &settings).expect("a step or a skipped one")
        };
        let first = next(&mut trainer);
        assert!(first.skipped, "{first:?}");
        for (w, before) in trainer.weights.iter().zip(&before) {
            assert_eq!(&Mat::download(&b, w).data, &before.data, "a skipped step changed a weight");
        }
        let used = first.loss_scale.expect("half precision has scales");
        let (used, now) =
            if inner { (used.inner, trainer.loss_scale.inner) } else { (used.outer, trainer.loss_scale.outer) };
        assert_eq!(now.factor, used.factor / 2.0);
        let skipped = (0..40).take_while(|_| next(&mut trainer).skipped).count();
        assert!(skipped < 39, "it never recovers");
        assert!(trainer.optimizer.updates > 0 && !next(&mut trainer).skipped);
    }
}
