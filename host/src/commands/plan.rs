//! `ebt plan`: memory and work of a training step, from shapes alone.

mod ranks;

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt_data::dataset;
use ebt_data::progress::{count, size};
use ebt_device::plan::{PlanReport, gpu_peak, plan_of_rank};
use ebt_device::scaling::{Link, MOST_RANKS, Scaling, scaling, share_among};
use ebt_train::run_config::{Precision, RunConfig};
use serde::Serialize;

use super::train::Choice;
use crate::cli::{Output, PRECISIONS, one_of, whole, write_json_line};

/// Shows memory and work of a training step before anything is allocated.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "\
Examples:
  ebt plan --preset small
  ebt plan --preset xl+s1 --batch 4 --backend cuda --precision bf16
  ebt plan --preset small --backend cuda --ranks 8 --link nvlink")]
pub struct Args {
    #[command(flatten)]
    choice: Choice,
    /// Sequences of a micro-batch, in place of train.batch
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=1 << 20))]
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
    /// Calculate, without measuring anything, how a step on so many GPUs (H100, eight on a machine) is shared and how long
    /// the sum of its gradients takes
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=MOST_RANKS as u64))]
    ranks: Option<usize>,
    /// What joins these GPUs [default: a row for each]
    #[arg(long, value_name = "LINK", value_parser = one_of(Link::ALL), requires = "ranks")]
    link: Option<Link>,
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

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    step: &'a PlanReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    ranks: Option<&'a Scaling>,
}

/// Runs the command.
///
/// # Errors
///
/// A configuration that is not valid, the message names the field; ranks that cannot share a step evenly.
pub fn run(args: Args) -> Result<()> {
    let mut config = args.choice.layers().compose()?;
    config.train.batch = args.batch.unwrap_or(config.train.batch);
    config.data.tokenizer = args.tokenizer.or(config.data.tokenizer);
    if config.model.vocab == 0 {
        let tokenizer =
            dataset::tokenizer(&mut config.data).context("`model.vocab` is open and is taken from the tokenizer")?;
        config.fit_vocabulary(tokenizer.vocabulary_size())?;
    }
    let alone = config.clone();
    let told = args.ranks.map(|ranks| share_among(&mut config, ranks)).transpose()?.flatten();
    alone.validate()?;
    config.validate()?;
    config.train.precision = args.precision.unwrap_or(config.train.precision);
    let precision = match (args.backend, config.train.precision) {
        (Target::Cpu, Precision::Auto | Precision::F32) => Precision::F32,
        // products round their factors, and everything is kept in single precision
        (Target::Cpu, Precision::Bf16) => Precision::Bf16,
        (Target::Cpu, narrow) => bail!(
            "--backend cpu with precision {}: the processor computes f32; a GPU is planned with --backend cuda",
            narrow.name()
        ),
        (Target::Cuda, Precision::Auto) => Precision::Bf16,
        (Target::Cuda, precision) => precision,
    };
    let of_rank = |config: &RunConfig, ranks: usize| -> Result<PlanReport> {
        let report = PlanReport { precision: precision.name(), ..plan_of_rank(config, ranks)? };
        Ok(match args.backend {
            Target::Cpu => report,
            Target::Cuda => PlanReport { backend: "cuda", peak_bytes: gpu_peak(config, ranks, precision)?, ..report },
        })
    };
    let report = of_rank(&alone, 1)?;
    let ranks = match args.ranks {
        Some(ranks) => Some(scaling(&config, ranks, &of_rank(&config, ranks)?, args.link)),
        None => None,
    };
    let mut out = Output::of_results();
    if args.json {
        write_json_line(&mut out, &Report { step: &report, ranks: ranks.as_ref() })?;
    } else {
        print(&report, &alone, &mut out)?;
        if let Some(ranks) = &ranks {
            ranks::print(ranks, told.as_deref(), &mut out)?;
        }
    }
    Ok(out.flush()?)
}

fn print(r: &PlanReport, config: &RunConfig, out: &mut impl Write) -> io::Result<()> {
    let (all, active) = (count(r.parameters as f64), count(r.active_parameters as f64));
    writeln!(out, "parameters   {all:>12}   {active} of them active, {} blocks", config.model.layers)?;
    if r.trained < r.parameters {
        let of = if config.lora.is_some() {
            "of adapters, whose memory counts as activations below"
        } else {
            "the others are frozen"
        };
        writeln!(out, "trained      {:>12}   {of}", count(r.trained as f64))?;
    }
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
