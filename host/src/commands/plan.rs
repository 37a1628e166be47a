//! `host plan`: memory and work of a training step, from shapes alone.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt_core::compute::Scope;
use ebt_core::parameters::ParameterLayout;
use ebt_core::plan::{Flops, Plan, Work};
use ebt_core::training::{Sequences, StepSettings, Trainer};
use serde::Serialize;

use super::train::Choice;
use crate::data;
use crate::progress::{count, size};
use crate::run_config::RunConfig;

/// Shows memory and work of a training step before anything is allocated.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Sequences of a micro-batch, in place of train.batch
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// The tokenizer that gives the vocabulary where model.vocab is open
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
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

/// Memory in bytes and work in floating-point operations of a training step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
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
    /// Most bytes alive at a time, all of the above included.
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
    let mut objective = config.objective.clone();
    let replay = objective.replay * context * (config.model.vocab * ELEMENT + 3 * size_of::<u32>());
    (objective.min_steps, objective.replay) = (objective.max_steps, 0);
    let descent_steps = if layout.energy.is_some() { objective.max_steps } else { 1 };
    let b = Plan::new(ELEMENT);
    let weights = b.weights(&layout);
    let mut trainer = Trainer::with_weights(&b, config.model.clone(), objective, config.optimizer.clone(), weights)?;
    b.reset_flops();
    let batch =
        Sequences { batch: sequences, context, tokens: vec![0; tokens], targets: vec![0; tokens], starts: Vec::new() };
    let settings =
        StepSettings { seed: 0, step: 0, rate: 0.0, micro_batch: config.train.batch, ema_decay: config.train.ema };
    trainer.step(&b, &batch, &settings).context("the step cannot be planned")?;
    let flops = b.flops();
    Ok(Report {
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

fn part(flops: &Flops, scope: Scope) -> Part {
    Part {
        scope: scope.name(),
        product: flops.get(scope, Work::Product),
        attention: flops.get(scope, Work::Attention),
        elementwise: flops.get(scope, Work::Elementwise),
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
            data::tokenizer(&mut config.data).context("`model.vocab` is open and is taken from the tokenizer")?;
        config.fit_vocabulary(tokenizer.vocabulary_size())?;
    }
    config.validate()?;
    let report = plan(&config)?;
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
