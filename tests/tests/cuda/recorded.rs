//! Steps that are recorded once and replayed; what they take of memory and of the host's time.

use ebt_core::compute::Backend;
use ebt_core::config::{Config, MoeConfig};
use ebt_core::error::Error;
use ebt_core::objective::{Checkpointing, Flow, Objective};
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::training::{Sequences, StepReport, StepSettings, Trainer};
use ebt_cuda::{Cuda, Options, Precision};
use ebt_tests::model::{self, Kind};
use ebt_tests::{Draw, Mat, for_all, same_bits, stand_in};
use proptest::prelude::*;

use super::device::{gpu_required, open};

fn settings(step: u32, micro_batch: usize) -> StepSettings {
    StepSettings { seed: 3, step, rate: 0.01 / f64::from(step + 1), micro_batch, ema_decay: 0.9, part: None }
}

/// Steps on changing batches, rates and noise; the report of the last.
fn train(b: &Cuda, config: &Config, objective: &Objective, weights: &[Mat], steps: u32) -> (StepReport, Vec<Mat>) {
    let mut trainer = model::trainer(b, config, objective, weights);
    let sizes = model::Sizes {
        batch: 3,
        context: config.context,
        layers: config.layers,
        landscapes: config.landscapes,
        vocab: config.vocab,
    };
    let mut report = StepReport::default();
    for step in 0..steps {
        let mut sequences = model::sequences(&Draw::new(u64::from(step)), sizes);
        if step != 4 {
            // with document starts on one step only: another recording
            sequences.starts.clear();
        }
        report = trainer.step(b, &sequences, &settings(step, 2)).expect("a step");
    }
    let all = trainer.weights.iter().chain(&trainer.average.weights).map(|w| Mat::download(b, w)).collect();
    (report, all)
}

/// A replayed step does to the last bit what the step does: rates, noise, jitter, averages, routing biases, loss scales.
#[test]
fn a_replayed_step_equals_the_step() {
    let precisions = prop_oneof![Just(Precision::F32), Just(Precision::Bf16), Just(Precision::F16)];
    let flows = prop_oneof![Just(Flow::Detached), Just(Flow::Unrolled)];
    for_all(6, (model::sizes(), model::kinds(), model::rules(), flows, precisions, any::<u64>()), |drawn| {
        let (sizes, kind, rule, flow, precision, seed) = drawn;
        let draw = Draw::new(seed);
        let mut config = model::config(&draw, sizes, kind);
        config.update = rule;
        if let (Kind::Experts, Some(moe)) = (kind, &mut config.moe) {
            moe.bias_rate = 0.125;
        }
        let objective = Objective { flow, langevin: 0.25, alpha_jitter: 1.5, ..Objective::default() };
        let weights = model::weights(&draw, &config);
        let run = |graphs: bool| {
            let b = open(&Options { precision, graphs, ..Options::default() }, 0);
            let result = train(&b, &config, &objective, &weights, 8);
            let replays: u64 = b.steps().iter().map(|s| s.replays).sum();
            let notes: Vec<String> = b.steps().iter().filter_map(|s| s.note.clone()).collect();
            (result, replays, notes)
        };
        let ((report, recorded), replays, notes) = run(true);
        let ((want, eager), none, _) = run(false);
        if replays < 3 || none != 0 || !notes.is_empty() {
            return Err(format!("{replays} replays, {none} without graphs, notes {notes:?}"));
        }
        if report.loss.to_bits() != want.loss.to_bits() {
            return Err(format!("a loss of {} instead of {}", report.loss, want.loss));
        }
        recorded.iter().zip(&eager).try_for_each(|(got, want)| same_bits("a weight", got, want))
    });
}

fn small(precision: Precision) -> (Config, Sequences, Options) {
    let moe = MoeConfig { n_routed: 4, top_k: 2, hidden: 24, ..MoeConfig::default() };
    let config = Config {
        vocab: 50,
        dim: 24,
        layers: 2,
        heads: 3,
        ffn: 40,
        context: 20,
        window: Some(8),
        landscapes: 2,
        moe: Some(moe),
        ..Config::default()
    };
    let tokens: Vec<u32> = (0..40).map(|i| i * 7 % 50).collect();
    let targets = tokens.iter().map(|t| (t + 7) % 50).collect();
    let sequences = Sequences { batch: 2, context: 20, tokens, targets, ..Sequences::default() };
    (config, sequences, Options { precision, ..Options::default() })
}

fn trainer<B: Backend>(b: &B, config: &Config, objective: &Objective) -> Trainer<B> {
    Trainer::new(b, config.clone(), objective.clone(), OptimizerConfig::default(), 1).expect("a valid model")
}

/// From the third step on nothing is allocated, and the host waits for the report alone (the stand-in counts waits).
#[test]
fn a_steady_step_allocates_nothing_and_waits_once() {
    for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
        let (config, sequences, options) = small(precision);
        let b = open(&options, 0);
        let mut trainer = trainer(&b, &config, &Objective::default());
        for step in 0..3 {
            trainer.step(&b, &sequences, &settings(step, 2)).expect("a step");
        }
        let replays = || b.steps().iter().map(|step| step.replays).sum::<u64>();
        let counts = || (!gpu_required()).then(stand_in::counts);
        let (allocations, replayed, before) = (b.memory_report().allocations, replays(), counts());
        for step in 3..6 {
            trainer.step(&b, &sequences, &settings(step, 2)).expect("a step");
        }
        assert_eq!(b.memory_report().allocations, allocations, "{precision:?}: allocations by the pool");
        assert_eq!(replays() - replayed, 3, "{precision:?}: replays by the backend");
        if let (Some(before), Some(after)) = (before, counts()) {
            assert_eq!(after.allocations, before.allocations, "{precision:?}: allocations");
            assert_eq!(after.replays - before.replays, 3, "{precision:?}: replays");
            let waits = after.synchronizations - before.synchronizations;
            assert!(waits <= 3, "{precision:?}: {waits} waits in three steps");
        }
    }
}

/// What a run without a device takes is what a run takes.
#[test]
fn the_plan_is_the_memory_to_the_byte() {
    for precision in [Precision::F32, Precision::Tf32, Precision::Bf16, Precision::F16] {
        for flow in [Flow::Detached, Flow::Unrolled] {
            let (config, sequences, options) = small(precision);
            let objective = Objective { flow, ..Objective::default() };
            let run = |b: &Cuda| {
                let mut trainer = trainer(b, &config, &objective);
                for step in 0..3 {
                    trainer.step(b, &sequences, &settings(step, 2)).expect("a step");
                }
                b.memory_report().most_reserved
            };
            let (planned, taken) = (run(&Cuda::dry(precision)), run(&open(&options, 0)));
            let apart = planned.abs_diff(taken) as f64 / taken as f64;
            // workspaces may differ by device, little else can
            assert!(apart < 0.05, "{precision:?} {flow:?}: planned {planned}, taken {taken}");
            assert!(gpu_required() || planned == taken, "{precision:?} {flow:?}: planned {planned}, taken {taken}");
        }
    }
}

/// Keeping the inputs of blocks: a further block takes at most a third of the memory that it takes when everything is kept.
#[test]
fn block_checkpointing_saves_memory() {
    let peak = |checkpointing, layers| {
        let config = Config { vocab: 256, dim: 64, layers, heads: 4, ffn: 256, context: 256, ..Config::default() };
        let n = 16 * config.context;
        let sequences = Sequences {
            batch: 16,
            context: config.context,
            tokens: vec![1; n],
            targets: vec![2; n],
            ..Sequences::default()
        };
        let b = Cuda::dry(Precision::Bf16);
        let mut trainer = trainer(&b, &config, &Objective { checkpointing, ..Objective::default() });
        for step in 0..3 {
            trainer.step(&b, &sequences, &settings(step, 16)).expect("a step");
        }
        b.memory_report().peak
    };
    let further = |checkpointing| peak(checkpointing, 8) - peak(checkpointing, 4);
    let (all, block) = (further(Checkpointing::None), further(Checkpointing::Block));
    assert!(3 * block < all, "{block} bytes of {all}");
}

/// Too little memory is a sentence with numbers, not a crash.
#[test]
fn too_little_memory_is_said() {
    if gpu_required() {
        return; // the limit is the stand-in's
    }
    let (config, sequences, options) = small(Precision::F32);
    let enough = {
        let b = open(&options, 0);
        let mut trainer = trainer(&b, &config, &Objective::default());
        trainer.step(&b, &sequences, &settings(0, 2)).expect("a step");
        b.memory_report().most_reserved
    };
    let workspace = open(&options, 0).memory_report().most_reserved;
    for share in [0.3, 0.6, 0.9] {
        stand_in::install();
        let limit = workspace + (share * (enough - workspace) as f64) as usize;
        stand_in::limit_memory(Some(stand_in::memory_in_use() + limit));
        let b = open(&options, 0);
        let result = Trainer::new(&b, config.clone(), Objective::default(), OptimizerConfig::default(), 1)
            .and_then(|mut trainer| trainer.step(&b, &sequences, &settings(0, 2)).map(|_| ()));
        stand_in::limit_memory(None);
        let Err(Error::Device(message)) = result else { panic!("{share}: {result:?}") };
        assert!(message.contains("out of memory"), "{message}");
    }
}
