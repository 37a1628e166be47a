//! What a training step costs (guide/mathematics.md section 5.3), counted on shapes: products by part, memory by step, and
//! the exact size of the arena that the reference backend needs.
#![allow(clippy::unwrap_used)]

use ebt_core::compute::Scope;
use ebt_core::config::Config;
use ebt_core::objective::{Checkpointing, Flow, Objective};
use ebt_core::optimizer::OptimizerConfig;
use ebt_core::parameters::ParameterLayout;
use ebt_core::plan::{FlopKind, Plan};
use ebt_core::reference::{Arena, Reference};
use ebt_core::training::Trainer;
use ebt_tests::model::{self, Sizes};
use ebt_tests::{Draw, for_all};
use proptest::prelude::*;

fn plan_step(plan: &Plan, config: &Config, objective: &Objective, batch: usize, measured: impl FnOnce()) {
    let layout = ParameterLayout::new(config);
    let weights = plan.weights(&layout);
    let mut trainer =
        Trainer::with_weights(plan, config.clone(), objective.clone(), OptimizerConfig::default(), weights).unwrap();
    let sizes = Sizes {
        batch,
        context: config.context,
        layers: config.layers,
        landscapes: config.landscapes,
        vocab: config.vocab,
    };
    let sequences = model::sequences(&Draw::new(1), sizes);
    measured();
    trainer.step(plan, &sequences, &model::settings(1)).unwrap();
}

/// System 1, three landscapes, dense, full attention: per token, block weight and descent step, the predicted stream
/// spends 6 products, the observed stream 3, the vocabulary 5.
#[test]
fn a_system_1_step_costs_what_the_guide_says() {
    let config =
        Config { vocab: 512, dim: 128, layers: 6, heads: 4, ffn: 340, context: 64, landscapes: 3, ..Config::default() };
    let objective = Objective { min_steps: 3, max_steps: 3, ..Objective::default() };
    let (batch, steps) = (2, 3);
    let plan = Plan::new(4);
    plan_step(&plan, &config, &objective, batch, || plan.reset_flops());
    let d = config.dim;
    let block = config.qkv_rows() * d + d * config.heads * config.head_width() + 3 * config.ffn * d;
    let unit = |weights: usize| (2 * batch * config.context * steps * weights) as f64;
    let spent = |scope| plan.flops().get(scope, FlopKind::Product) as f64;
    let predicted = spent(Scope::Predicted) / unit(config.layers * block);
    let observed = spent(Scope::Observed) / unit(config.layers * block);
    let vocabulary = spent(Scope::Vocabulary) / unit(config.vocab * d);
    let other = spent(Scope::Other) / unit(config.layers * block);
    println!("predicted {predicted:.3} observed {observed:.3} vocabulary {vocabulary:.3} other {other:.3}");
    assert!(predicted <= 6.1, "predicted stream: {predicted}");
    assert!(observed <= 3.1, "observed stream: {observed}");
    assert!(vocabulary <= 5.1, "vocabulary: {vocabulary}");
    assert!(other <= 0.01, "unaccounted: {other}");
}

/// Recomputing every step of an unrolled run costs one more inner gradient: two products in the predicted stream, one in
/// the observed stream, one in the vocabulary.
#[test]
fn recomputing_an_unrolled_run_costs_one_more_inner_gradient() {
    let config =
        Config { vocab: 512, dim: 128, layers: 6, heads: 4, ffn: 340, context: 64, landscapes: 3, ..Config::default() };
    let spent = |checkpointing| {
        let objective =
            Objective { min_steps: 3, max_steps: 3, flow: Flow::Unrolled, checkpointing, ..Objective::default() };
        let plan = Plan::new(4);
        plan_step(&plan, &config, &objective, 2, || plan.reset_flops());
        [Scope::Predicted, Scope::Observed, Scope::Vocabulary].map(|s| plan.flops().get(s, FlopKind::Product) as f64)
    };
    let (kept, recomputed) = (spent(Checkpointing::None), spent(Checkpointing::Step));
    let d = config.dim;
    let block = config.qkv_rows() * d + d * config.heads * config.head_width() + 3 * config.ffn * d;
    let units = [config.layers * block, config.layers * block, config.vocab * d];
    for ((name, more), (unit, limit)) in ["predicted", "observed", "vocabulary"]
        .iter()
        .zip(recomputed.iter().zip(&kept).map(|(r, k)| r - k))
        .zip(units.iter().zip([2.0, 1.0, 1.0]))
    {
        let products = more / (2 * 2 * config.context * 3 * unit) as f64;
        println!("{name}: {products:.3} more products");
        assert!(products <= limit + 0.1, "{name}: {products} more products a step");
    }
}

/// An unrolled run that keeps states only grows by one state and one column of energies a step.
#[test]
fn an_unrolled_run_that_recomputes_keeps_one_state_a_step() {
    for landscapes in [1, 3] {
        let config = Config { vocab: 96, context: 16, layers: 2, landscapes, ..Config::default() };
        let peak = |steps: usize| {
            let objective = Objective {
                min_steps: steps,
                max_steps: steps,
                flow: Flow::Unrolled,
                checkpointing: Checkpointing::Step,
                ..Objective::default()
            };
            let plan = Plan::new(4);
            plan_step(&plan, &config, &objective, 2, || {});
            plan.peak_bytes()
        };
        let n = 2 * config.context;
        let allowed = 4 * (n * config.vocab + n);
        for steps in [landscapes + 1, landscapes + 2, 8] {
            let grown = peak(steps + 1) - peak(steps);
            println!("landscapes {landscapes}, step {steps}: {grown} bytes of {allowed}");
            // and a scalar loss a step
            assert!(grown <= allowed + 64, "landscapes {landscapes}, step {steps}: {grown} bytes, not {allowed}");
        }
    }
}

/// A detached run needs no more memory for more steps on the same landscapes than a few numbers a position.
#[test]
fn a_detached_run_does_not_grow_with_its_steps() {
    let config = Config { vocab: 96, context: 16, layers: 2, landscapes: 2, ..Config::default() };
    let peak = |steps: usize| {
        let objective = Objective { min_steps: steps, max_steps: steps, ..Objective::default() };
        let plan = Plan::new(4);
        plan_step(&plan, &config, &objective, 2, || {});
        plan.peak_bytes()
    };
    let n = 2 * config.context;
    assert!(peak(9) - peak(8) <= 4 * n + 64, "{} bytes a step", peak(9) - peak(8));
}

/// The arena that a composed plan asks for is to the element what the reference backend uses, and suffices.
#[test]
fn a_composed_plan_knows_the_arena_to_the_element() {
    let families = (model::families(), model::kinds());
    let strategy = (model::sizes(), families, model::rules(), any::<bool>(), 0..32u32, any::<u64>());
    for_all(64, strategy, |(sizes, (family, kind), rule, unrolled, options, seed)| {
        let draw = Draw::new(seed);
        let (config, sequences) = model::of_family(&draw, family, sizes, kind, rule);
        let flow = if unrolled { Flow::Unrolled } else { Flow::Detached };
        let mut objective = Objective { flow, ..Objective::default() };
        let on = |bit: u32, value: f64, off: f64| if options >> bit & 1 == 1 { value } else { off };
        objective.lyapunov = on(0, 1.0, 0.0);
        objective.contrastive = on(1, 1.0, 0.0);
        objective.langevin = on(2, 0.5, 0.0);
        objective.alpha_jitter = on(3, 2.0, 1.0);
        objective.nce = on(4, 1.0, 0.0);
        let mut settings = model::settings(seed);
        settings.micro_batch = 1 + draw.below(sizes.batch);
        let plan = Plan::composed(8);
        let weights = plan.weights(&ParameterLayout::new(&config));
        let mut planned =
            Trainer::with_weights(&plan, config.clone(), objective.clone(), OptimizerConfig::default(), weights)
                .unwrap();
        planned.step(&plan, &sequences, &settings).map_err(|e| e.to_string())?;
        let run = |elements: usize| {
            let arena = Arena::<f64>::new(elements, 1 << 16);
            let backend = Reference::new(&arena);
            let weights = model::weights(&draw, &config);
            let mut trainer = model::trainer(&backend, &config, &objective, &weights);
            let result = trainer.step(&backend, &sequences, &settings).map(|_| ());
            (result, arena.high_water())
        };
        let (result, used) = run(plan.arena_elements());
        let what = format!("planned {}, used {used}: {result:?}\n{config:?}\n{objective:?}", plan.arena_elements());
        if result.is_ok() && used == plan.arena_elements() {
            Ok(())
        } else {
            Err(format!("{what}; free: {}", run(1 << 21).1))
        }
    });
}
