//! `host plan`: memory and work of a training step, from shapes alone.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt_core::compute::{Backend, Scope};
use ebt_core::objective::Objective;
use ebt_core::parameters::ParameterLayout;
use ebt_core::plan::{FlopKind, Flops, Plan};
use ebt_core::training::{Sequences, StepSettings, Trainer};
use ebt_data::dataset;
use ebt_data::progress::{count, size};
use ebt_train::run_config::{Precision, RunConfig};
use serde::Serialize;

use super::train::Choice;
use crate::cli::{PRECISIONS, one_of};

/// Shows memory and work of a training step before anything is allocated.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  host plan --preset small
  host plan --preset xl+s1 --batch 4 --backend cuda --precision bf16")]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Sequences of a micro-batch, in place of train.batch
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// The tokenizer that gives the vocabulary where model.vocab is open
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// The device whose memory is planned
    #[arg(long, value_enum, default_value_t = Target::Cpu, value_name = "DEVICE")]
    backend: Target,
    /// Numbers to compute with [default: those of train.precision; auto is bf16 on a GPU]
    #[arg(long, value_parser = one_of(PRECISIONS), value_name = "NUMBERS")]
    precision: Option<Precision>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A device whose memory can be planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// The processor
    #[default]
    Cpu,
    /// An NVIDIA GPU; none is needed for the plan
    Cuda,
}

/// Work of one part of the model in a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Part.
    pub scope: &'static str,
    /// Products with weight matrices.
    pub product: u64,
    /// Attention scores and mixtures.
    pub attention: u64,
    /// All else.
    pub elementwise: u64,
}

/// SessionMemory in bytes and work in floating-point operations of a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Device whose memory is meant, `cpu` or `cuda`.
    pub backend: &'static str,
    /// Numbers computed with.
    pub precision: &'static str,
    /// Trained values.
    pub parameters: usize,
    /// Trained values that a token meets.
    pub active_parameters: usize,
    /// Weights.
    pub weight_bytes: usize,
    /// Gradients.
    pub gradient_bytes: usize,
    /// Both moments of the optimiser.
    pub moment_bytes: usize,
    /// Averaged weights.
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
    pub parts: Vec<Part>,
}

/// Bytes of a number.
const ELEMENT: usize = 4;

/// Plans a training step of a valid configuration.
///
/// # Errors
///
/// Sizes beyond what can be addressed.
pub fn plan(config: &RunConfig) -> Result<Report> {
    let layout = ParameterLayout::new(&config.model);
    let values: usize = layout.entries.iter().map(|e| e.rows.saturating_mul(e.columns)).fold(0, usize::saturating_add);
    let (sequences, context) = (config.sequences(), config.context());
    let tokens = sequences * context;
    let logits = (config.train.batch * context).checked_mul(config.model.vocab);
    if values > usize::MAX / 64 || logits.is_none_or(|n| n > usize::MAX / 1024) {
        bail!("the model is too large to be planned");
    }
    let replay = config.objective.replay * context * (config.model.vocab * ELEMENT + 3 * size_of::<u32>());
    let objective = longest(config);
    let descent_steps = if layout.energy.is_some() { objective.max_steps } else { 1 };
    let b = Plan::new(ELEMENT);
    let weights = b.weights(&layout);
    let mut trainer = Trainer::with_weights(&b, config.model.clone(), objective, config.optimizer.clone(), weights)?;
    b.reset_flops();
    step(&b, &mut trainer, config, 0)?;
    let flops = b.flops();
    Ok(Report {
        backend: "cpu",
        precision: Precision::F32.name(),
        parameters: layout.count(),
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

/// The objective with the most descent steps that are drawn.
fn longest(config: &RunConfig) -> Objective {
    let max_steps = config.objective.max_steps;
    Objective { min_steps: max_steps, curriculum: 0, replay: 0, ..config.objective.clone() }
}

/// Training step number `number` on sequences of zeros.
fn step<B: Backend>(b: &B, trainer: &mut Trainer<B>, config: &RunConfig, number: u32) -> Result<()> {
    let (batch, context) = (config.sequences(), config.context());
    let zeros = vec![0; batch * context];
    let sequences = Sequences { batch, context, tokens: zeros.clone(), targets: zeros, starts: Vec::new() };
    let (micro_batch, ema_decay) = (config.train.batch, config.train.ema);
    let settings = StepSettings { seed: 0, step: number, rate: 0.0, micro_batch, ema_decay };
    trainer.step(b, &sequences, &settings).context("the step cannot be planned")?;
    Ok(())
}

/// Most bytes that training takes from a GPU: the backend's own code runs without a device and counts.
#[cfg(feature = "cuda")]
fn gpu_peak(config: &RunConfig, precision: Precision) -> Result<usize> {
    let b = ebt_cuda::Cuda::dry(crate::cli::gpu::numbers(precision));
    let layout = ParameterLayout::new(&config.model);
    let weights = layout.entries.iter().map(|e| b.upload(e.rows, e.columns, &vec![0.0; e.len()])).collect();
    let (model, optimizer) = (config.model.clone(), config.optimizer.clone());
    let mut trainer = Trainer::with_weights(&b, model, longest(config), optimizer, weights)?;
    // once to choose and compile, once to record, once as all others
    for number in 0..3 {
        step(&b, &mut trainer, config, number)?;
    }
    Ok(b.memory_report().most_reserved)
}

#[cfg(not(feature = "cuda"))]
fn gpu_peak(_config: &RunConfig, _precision: Precision) -> Result<usize> {
    bail!("--backend cuda: this program was built without CUDA")
}

fn part(flops: &Flops, scope: Scope) -> Part {
    Part {
        scope: scope.name(),
        product: flops.get(scope, FlopKind::Product),
        attention: flops.get(scope, FlopKind::Attention),
        elementwise: flops.get(scope, FlopKind::Elementwise),
    }
}

/// Runs the command.
///
/// # Errors
///
/// A configuration that is not valid; the message names the field.
pub fn run(args: Args) -> Result<()> {
    let mut config = args.choice.layers().compose()?;
    config.train.batch = args.batch.unwrap_or(config.train.batch);
    config.data.tokenizer = args.tokenizer.or(config.data.tokenizer);
    if config.model.vocab == 0 {
        let tokenizer =
            dataset::tokenizer(&mut config.data).context("`model.vocab` is open and is taken from the tokenizer")?;
        config.fit_vocabulary(tokenizer.vocabulary_size())?;
    }
    config.validate()?;
    config.train.precision = args.precision.unwrap_or(config.train.precision);
    let precision = match (args.backend, config.train.precision) {
        (Target::Cpu, Precision::Auto | Precision::F32) => Precision::F32,
        (Target::Cpu, narrow) => bail!(
            "--backend cpu with precision {}: the processor computes f32; a GPU is planned with --backend cuda",
            narrow.name()
        ),
        (Target::Cuda, Precision::Auto) => Precision::Bf16,
        (Target::Cuda, precision) => precision,
    };
    let mut report = Report { precision: precision.name(), ..plan(&config)? };
    if args.backend == Target::Cuda {
        report = Report { backend: "cuda", peak_bytes: gpu_peak(&config, precision)?, ..report };
    }
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&report, &config, &mut out)?;
    }
    Ok(())
}

fn print(r: &Report, config: &RunConfig, out: &mut impl Write) -> io::Result<()> {
    let (all, active) = (count(r.parameters as f64), count(r.active_parameters as f64));
    writeln!(out, "parameters   {all:>12}   {active} of them active, {} blocks", config.model.layers)?;
    writeln!(
        out,
        "step         {:>12}   {} x {} sequences of {}, {} descent steps\n",
        format!("{} tokens", r.tokens),
        config.train.accumulate,
        config.train.batch,
        config.context(),
        r.descent_steps
    )?;
    let device = if r.backend == "cuda" { "GPU" } else { "processor" };
    writeln!(out, "memory on a {device} in {}", r.precision)?;
    let held = r.weight_bytes + r.gradient_bytes + r.moment_bytes + r.average_bytes;
    for (name, bytes) in [
        ("weights", r.weight_bytes),
        ("gradients", r.gradient_bytes),
        ("moments", r.moment_bytes),
        ("averages", r.average_bytes),
        ("activations", r.peak_bytes.saturating_sub(held)),
        ("peak", r.peak_bytes),
        ("replay (host)", r.replay_bytes),
    ] {
        writeln!(out, "{name:<13}{:>12}", size(bytes as f64))?;
    }
    writeln!(
        out,
        "\n{:<13}{:>12}{:>12}{:>12}{:>14}{:>8}",
        "FLOPs", "product", "attention", "elementwise", "a token", "share"
    )?;
    for p in &r.parts {
        let all = p.product + p.attention + p.elementwise;
        let (a, b, c) = (count(p.product as f64), count(p.attention as f64), count(p.elementwise as f64));
        let (token, share) = (count(all as f64 / r.tokens as f64), 100.0 * all as f64 / r.flops.max(1) as f64);
        writeln!(out, "{:<13}{a:>12}{b:>12}{c:>12}{token:>14}{share:>7.1}%", p.scope)?;
    }
    let (all, token) = (count(r.flops as f64), count(r.flops_per_token));
    writeln!(out, "{:<13}{:>12}{:>12}{all:>12}{token:>14}", "all", "", "")
}
