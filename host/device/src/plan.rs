//! Memory and work of a training step, from shapes alone.

use anyhow::{Context, Result, bail};
use ebt_core::compute::{Backend, Scope};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_core::plan::{FlopKind, Flops, Plan};
use ebt_core::training::{Part, Sequences, StepSettings, Trainer};
use ebt_data::memory;
use ebt_train::adapt::{attach, trained};
#[cfg(feature = "cuda")]
use ebt_train::run_config::Sums;
use ebt_train::run_config::{Precision, RunConfig};
use serde::Serialize;

/// The work of one part of the model in a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScopeFlops {
    /// Name of the part of the model, as profiles name it.
    pub scope: &'static str,
    /// Products with weight matrices.
    pub product: u64,
    /// Attention scores and mixtures.
    pub attention: u64,
    /// Everything linear in the number of elements; one operation an element written.
    pub elementwise: u64,
}

/// Memory in bytes and work in floating-point operations of a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanReport {
    /// Device whose memory is meant, `cpu` or `cuda`.
    pub backend: &'static str,
    /// Numbers computed with.
    pub precision: &'static str,
    /// Number of trained values, those of every expert included.
    pub parameters: usize,
    /// Those of them, or of adapters, that the run trains: the others are frozen.
    pub trained: usize,
    /// Trained values that a token meets.
    pub active_parameters: usize,
    /// Bytes of the weights in single precision.
    pub weight_bytes: usize,
    /// Bytes of the gradients: as many as of the weights.
    pub gradient_bytes: usize,
    /// Both moments of the optimiser.
    pub moment_bytes: usize,
    /// Bytes of the averaged weights: as many as of the weights.
    pub average_bytes: usize,
    /// Most bytes alive at a time, all of the above included. On a GPU: most bytes taken from the device, copies of
    /// weights, workspaces and rounding included, without what the driver itself takes.
    pub peak_bytes: usize,
    /// Remembered rollouts, kept in main memory.
    pub replay_bytes: usize,
    /// Tokens of a training step.
    pub tokens: usize,
    /// Descent steps that are planned: the most that are drawn.
    pub descent_steps: usize,
    /// Operations of a training step.
    pub flops: u64,
    /// Operations a token.
    pub flops_per_token: f64,
    /// Operations of a training step by part.
    pub parts: Vec<ScopeFlops>,
}

/// Bytes of a number.
pub(crate) const ELEMENT: usize = 4;

/// Plans a training step of a valid configuration.
///
/// # Errors
///
/// Sizes beyond what can be addressed, sequences beyond what memory there is.
pub fn plan(config: &RunConfig) -> Result<PlanReport> {
    plan_of_rank(config, 1)
}

/// Plans what one of so many ranks does of a training step; the lanes are shared evenly. Memory and work are those of the
/// rank.
///
/// # Errors
///
/// As [`plan`].
pub fn plan_of_rank(config: &RunConfig, ranks: usize) -> Result<PlanReport> {
    let layout = ParameterLayout::new(&config.model);
    let values: usize = layout.entries.iter().map(|e| e.rows.saturating_mul(e.columns)).fold(0, usize::saturating_add);
    let (sequences, context) = (config.sequences() / ranks, config.context());
    let tokens = sequences * context;
    let logits = (config.train.batch * context).checked_mul(config.model.vocab);
    if values > usize::MAX / 64 || logits.is_none_or(|n| n > usize::MAX / 1024) {
        bail!("the model is too large to be planned");
    }
    memory::check("this plan", sequences_bytes(config), "a smaller `train.batch` or `train.accumulate` takes less")?;
    let replay = config.objective.replay / ranks * context * (config.model.vocab * ELEMENT + 3 * size_of::<u32>());
    let objective = longest(config);
    let descent_steps = if layout.energy.is_some() { objective.max_steps } else { 1 };
    let b = Plan::new(ELEMENT);
    let weights = b.weights(&layout);
    let mut trainer = Trainer::with_weights(&b, config.model.clone(), objective, config.optimizer.clone(), weights)?;
    attach(&b, &mut trainer, config)?;
    b.reset_flops();
    step(&b, &mut trainer, config, ranks, 0)?;
    let flops = b.flops();
    Ok(PlanReport {
        backend: "cpu",
        precision: Precision::F32.name(),
        parameters: layout.count(),
        trained: trained(&b, &trainer),
        active_parameters: layout.active(&config.model),
        weight_bytes: values * ELEMENT,
        gradient_bytes: values * ELEMENT,
        moment_bytes: 2 * values * ELEMENT,
        average_bytes: values * ELEMENT,
        peak_bytes: b.peak_bytes(),
        replay_bytes: replay,
        tokens,
        descent_steps,
        flops: flops.total(),
        flops_per_token: flops.total() as f64 / tokens as f64,
        parts: Scope::ALL.iter().map(|&scope| part(&flops, scope)).collect(),
    })
}

/// Bytes of the sequences of a training step with all their copies.
pub(crate) fn sequences_bytes(config: &RunConfig) -> u64 {
    let tokens = (config.train.batch as u64).saturating_mul(config.train.accumulate as u64);
    // tokens and targets as they are read, ahead, in micro-batches, and on the device
    tokens.saturating_mul(config.context() as u64).saturating_mul(8 * size_of::<u32>() as u64)
}

/// The objective with the most descent steps that are drawn.
fn longest(config: &RunConfig) -> Objective {
    let max_steps = config.objective.most_steps();
    Objective { min_steps: max_steps, curriculum: 0, replay: 0, ..config.objective.clone() }
}

/// Training step number `number` on sequences of zeros, as the first of so many ranks.
fn step<B: Backend>(b: &B, trainer: &mut Trainer<B>, config: &RunConfig, ranks: usize, number: u32) -> Result<()> {
    let (batch, context) = (config.sequences() / ranks, config.context());
    let sequences = Sequences::blank(&config.model, batch, context);
    let (micro_batch, ema_decay) = (config.train.batch, config.train.ema);
    let whole = config.sequences();
    let part =
        Part { lanes: config.train.lanes(), first: 0, sequences: whole, positions: whole * context, stop: false };
    let settings = StepSettings { seed: 0, step: number, rate: 0.0, micro_batch, ema_decay, part: Some(part) };
    trainer.step(b, &sequences, &settings).context("the step cannot be planned")?;
    Ok(())
}

/// Most bytes that training takes from the GPU of one of so many ranks: the backend's own code runs without a device and
/// counts.
///
/// # Errors
///
/// A step that the backend cannot compute.
#[cfg(feature = "cuda")]
pub fn gpu_peak(config: &RunConfig, ranks: usize, precision: Precision) -> Result<usize> {
    let numbers = crate::gpu::numbers(precision);
    let b = match ranks {
        1 => ebt_cuda::Cuda::dry(numbers),
        _ => ebt_cuda::Cuda::dry_with_ranks(numbers, ranks, crate::ranks::sums(config.train.sums == Sums::Fast)),
    };
    let layout = ParameterLayout::new(&config.model);
    let weights = layout.entries.iter().map(|e| b.upload(e.rows, e.columns, &vec![0.0; e.len()])).collect();
    let (model, optimizer) = (config.model.clone(), config.optimizer.clone());
    let mut trainer = Trainer::with_weights(&b, model, longest(config), optimizer, weights)?;
    attach(&b, &mut trainer, config)?;
    // once to choose and compile, once to record, once as all others
    for number in 0..3 {
        step(&b, &mut trainer, config, ranks, number)?;
    }
    Ok(b.memory_report().most_reserved)
}

/// Most bytes that training takes from a GPU.
///
/// # Errors
///
/// Always: this build lacks the feature `cuda`.
#[cfg(not(feature = "cuda"))]
pub fn gpu_peak(_config: &RunConfig, _ranks: usize, _precision: Precision) -> Result<usize> {
    Err(ebt_data::program::lacks("--backend cuda", "cuda"))
}

fn part(flops: &Flops, scope: Scope) -> ScopeFlops {
    ScopeFlops {
        scope: scope.name(),
        product: flops.get(scope, FlopKind::Product),
        attention: flops.get(scope, FlopKind::Attention),
        elementwise: flops.get(scope, FlopKind::Elementwise),
    }
}
