//! Training steps on random tokens: the same work as the PyTorch race partner, one JSON line. Over ranks each computes its
//! lanes of a step, and the first one prints.

use std::num::NonZeroUsize;

use anyhow::{Result, anyhow, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use ebt_core::config::{Config, MoeConfig, UpdateRule};
use ebt_core::objective::{Checkpointing, Flow, InitialState, LossSteps, Objective};
use ebt_data::memory;
use ebt_data::progress::eprint_line;
use ebt_device::memory::peak_of_steps;
use ebt_device::steps::{self, Measured, ProfileEntry, TimedSteps};
use ebt_ranks::tree;
use ebt_train::run_config::{MOST_THREADS, Precision};
use ebt_train::session::unfit;
use serde::Serialize;

use super::median::median;
use crate::cli::{
    Device, MOST_SIZE, Output, RULES, RanksArgs, Team, one_of, real, start_threads, thread_count, whole,
    write_json_line,
};

/// Sizes of the model and of the measurement.
#[derive(Clone, Debug, Serialize, clap::Args)]
#[command(after_help = "\
Started by mpirun, srun or torchrun, each process computes its lanes of a step of --batch x --lanes sequences, and the first
one prints the line. It then holds:

tokens_per_second   of all ranks together
seconds_per_step    of the slowest rank
peak_bytes          of the rank that held most
ranks, lanes        their numbers
seconds_per_sum     the sum of the gradients over the ranks, timed alone after the steps, all ranks beginning together
share_of_sum        seconds_per_sum over seconds_per_step

Examples:
  ebt bench train --threads 2
  mpirun -n 2 ebt bench train --threads 1")]
pub struct Args {
    /// Where to compute
    #[arg(long, visible_alias = "backend", default_value = "cpu", value_parser = ["cpu", "cuda"])]
    #[serde(skip)]
    device: String,
    /// The GPU of this number in `ebt doctor` [default: the first that can be used]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(0..=65_535))]
    #[serde(skip)]
    gpu: Option<usize>,
    /// Numbers of activations and products, on the processor f32 or, of products alone, bf16; fp16 is what other commands call f16
    #[arg(long, visible_alias = "precision", default_value = "f32", value_parser = dtype_name())]
    #[serde(skip)]
    dtype: String,
    /// What is kept of activations: none (everything), step, or block (inputs of blocks)
    #[arg(long, default_value = "none", value_parser = ["none", "step", "block"])]
    checkpointing: String,
    /// Training steps are not recorded and replayed as CUDA graphs
    #[arg(long)]
    no_graphs: bool,
    /// Sequences of a lane
    #[arg(long, default_value_t = 2, value_parser = whole::<usize>(1..=1 << 20))]
    batch: usize,
    /// Lanes of a step, which the ranks share; each is one micro-batch [default: one for every rank]
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=4096))]
    #[serde(skip)]
    lanes: Option<usize>,
    /// Positions of a sequence
    #[arg(long, default_value_t = 256, value_parser = whole::<usize>(1..=MOST_SIZE))]
    context: usize,
    /// Vocabulary
    #[arg(long, default_value_t = 32_768, value_parser = whole::<usize>(1..=MOST_SIZE))]
    vocab: usize,
    /// Width
    #[arg(long, default_value_t = 256, value_parser = whole::<usize>(1..=MOST_SIZE))]
    dim: usize,
    /// Blocks
    #[arg(long, default_value_t = 6, value_parser = whole::<usize>(1..=MOST_SIZE))]
    layers: usize,
    /// Query heads
    #[arg(long, default_value_t = 4, value_parser = whole::<usize>(1..=MOST_SIZE))]
    heads: usize,
    /// Feed-forward width
    #[arg(long, default_value_t = 1024, value_parser = whole::<usize>(1..=MOST_SIZE))]
    ffn: usize,
    /// Sliding window [default: full attention]
    #[arg(long, value_parser = whole::<usize>(1..=MOST_SIZE))]
    window: Option<usize>,
    /// Landscapes, and descent steps
    #[arg(long, default_value_t = 3, value_parser = whole::<usize>(1..=MOST_SIZE))]
    landscapes: usize,
    /// Step size of the descent
    #[arg(long, default_value_t = 500.0, value_parser = real::<f64>(0.0..))]
    alpha: f64,
    /// Update rule
    #[arg(long, default_value = "probability", value_parser = one_of(RULES))]
    update: UpdateRule,
    /// System 2: the gradient flows through all steps, the last loss counts
    #[arg(long)]
    unroll: bool,
    /// Routed experts; 0 = dense
    #[arg(long, default_value_t = 0, value_parser = whole::<usize>(0..=MOST_SIZE))]
    experts: usize,
    /// Width of an expert
    #[arg(long, default_value_t = 0, value_parser = whole::<usize>(0..=MOST_SIZE))]
    expert_hidden: usize,
    /// Experts of a token
    #[arg(long, default_value_t = 2, value_parser = whole::<usize>(0..=MOST_SIZE))]
    top_k: usize,
    /// Timed steps
    #[arg(long, default_value_t = 5, value_parser = whole::<usize>(1..=1 << 20))]
    steps: usize,
    /// Steps before the timed ones
    #[arg(long, default_value_t = 2, value_parser = whole::<usize>(0..=1 << 20))]
    warmup: usize,
    /// Processor threads; 0 = all cores
    #[arg(long, default_value_t = 0, value_parser = whole::<usize>(0..=MOST_THREADS as u64))]
    threads: usize,
    /// Print a table of times by part and operation on standard error
    #[arg(long)]
    #[serde(skip)]
    profile: bool,
    #[command(flatten)]
    #[serde(skip)]
    ranks: RanksArgs,
}

/// The names of the reference; `f16` is `fp16`.
fn dtype_name() -> impl clap::builder::TypedValueParser<Value = String> {
    PossibleValuesParser::new(
        ["f32", "tf32", "bf16", "fp16"]
            .map(PossibleValue::new)
            .map(|value| if value.get_name() == "fp16" { value.alias("f16") } else { value }),
    )
    .map(|name| if name == "f16" { String::from("fp16") } else { name })
}

#[derive(Serialize)]
struct Line<'a> {
    tokens_per_second: f64,
    seconds_per_step: f64,
    peak_bytes: Option<u64>,
    /// What a run without a device takes, GPU only.
    #[serde(skip_serializing_if = "Option::is_none")]
    planned_bytes: Option<u64>,
    /// Useful products of a step (not recomputed ones, not attention), in operations a second.
    useful_flops_per_second: f64,
    loss: f64,
    #[serde(flatten)]
    ranks: Option<OverRanks>,
    device: &'a str,
    name: &'a str,
    dtype: &'a str,
    config: &'a Args,
}

/// What is told of a step that is more than one lane of one process.
#[derive(Serialize)]
struct OverRanks {
    ranks: usize,
    lanes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_per_sum: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share_of_sum: Option<f64>,
}

impl Args {
    fn model(&self) -> Config {
        let moe =
            MoeConfig { n_routed: self.experts, top_k: self.top_k, hidden: self.expert_hidden, ..MoeConfig::default() };
        Config {
            vocab: self.vocab,
            dim: self.dim,
            layers: self.layers,
            heads: self.heads,
            ffn: self.ffn,
            context: self.context,
            window: self.window,
            landscapes: self.landscapes,
            alpha: self.alpha,
            update: self.update,
            moe: (self.experts > 0).then_some(moe),
            ..Config::default()
        }
    }

    fn timed(&self, model: Config, lanes: usize) -> TimedSteps {
        let Self { batch, context, steps, warmup, .. } = *self;
        TimedSteps { model, objective: self.objective(), batch, lanes, context, steps, warmup }
    }

    fn objective(&self) -> Objective {
        let (flow, loss) =
            if self.unroll { (Flow::Unrolled, LossSteps::Last) } else { (Flow::Detached, LossSteps::Mean) };
        let (min_steps, max_steps) = (self.landscapes, self.landscapes);
        let checkpointing = match self.checkpointing.as_str() {
            "step" => Checkpointing::Step,
            "block" => Checkpointing::Block,
            _ => Checkpointing::None,
        };
        Objective {
            min_steps,
            max_steps,
            flow,
            loss,
            checkpointing,
            initial: InitialState::Noise,
            ..Objective::default()
        }
    }
}

/// Measures and prints.
///
/// # Errors
///
/// An impossible size, a loss that is not finite, ranks that cannot share the lanes, a rank that is lost.
pub fn run(args: &Args) -> Result<()> {
    let team = args.ranks.join()?;
    team.run(|| measure(args, &team))?;
    team.finish()
}

fn measure(args: &Args, team: &Team) -> Result<()> {
    let world = team.place().world;
    let lanes = args.lanes.unwrap_or(world);
    if !tree::fits(lanes, world) {
        bail!("--lanes {lanes}: {}", unfit(lanes, world));
    }
    let tokens = args.batch.saturating_mul(args.context).saturating_mul(lanes);
    if tokens > 1 << 31 {
        let Args { batch, context, .. } = args;
        bail!("--batch {batch} times --context {context} on {lanes} lanes: at most 2^31 tokens a step");
    }
    let model = args.model();
    model.validate()?;
    let useful = useful_flops(args, &model) * lanes as f64;
    let timed = args.timed(model, lanes);
    let Measured { mut times, mut sums, loss, peak_bytes, planned_bytes, name } =
        if args.device == "cuda" { on_gpu(args, &timed, team)? } else { on_processor(args, &timed, team)? };
    if !team.place().is_first() {
        return Ok(());
    }
    let per_step = median(&mut times);
    let rounded = |x: f64, places: f64| (x * places).round() / places;
    let ranks = (lanes > 1).then(|| {
        let sum = (!sums.is_empty()).then(|| median(&mut sums));
        let (seconds_per_sum, share_of_sum) =
            (sum.map(|sum| rounded(sum, 1e6)), sum.map(|sum| rounded(sum / per_step, 1e4)));
        OverRanks { ranks: world, lanes, seconds_per_sum, share_of_sum }
    });
    let line = Line {
        tokens_per_second: rounded(tokens as f64 / per_step, 10.0),
        seconds_per_step: rounded(per_step, 1e4),
        peak_bytes,
        planned_bytes,
        useful_flops_per_second: (useful / per_step).round(),
        loss,
        ranks,
        device: &args.device,
        name: &name,
        dtype: &args.dtype,
        config: args,
    };
    Ok(write_json_line(&mut Output::of_results(), &line)?)
}

/// Operations of the products of a lane: per token, block weight and descent step 6 on the predicted and 3 on the observed
/// stream, 5 per vocabulary weight.
fn useful_flops(args: &Args, model: &Config) -> f64 {
    let d = model.dim;
    let attention = model.qkv_rows() * d + d * model.heads * model.head_width();
    let block = |layer| {
        let ffn = model.mixture(layer).map_or(model.ffn, |m| (m.top_k + m.n_shared) * m.hidden);
        attention + 3 * d * ffn
    };
    let blocks: usize = (0..model.layers).map(block).sum();
    let steps = (args.batch * args.context * args.landscapes) as f64;
    2.0 * steps * (9 * blocks + 5 * model.vocab * d) as f64
}

fn on_processor(args: &Args, timed: &TimedSteps, team: &Team) -> Result<Measured> {
    let processor = Device::processor(1, precision(&args.dtype))
        .map_err(|why| anyhow!("--dtype {}: {why}; --device cuda computes on a GPU", args.dtype))?;
    let mixed = matches!(processor, Device::Cpu { mixed: true, .. });
    if let Some(number) = args.gpu {
        bail!("--gpu {number}: --device cpu uses no GPU");
    }
    if args.profile && team.is_many() {
        bail!("--profile: times by operation are those of one process alone; take it off, or say --ranks off");
    }
    let wanted = peak_of_steps(timed, team.place().world)?;
    memory::check("this step", wanted, "a smaller --batch, --context, --vocab or --dim takes less")?;
    let mut threads = NonZeroUsize::new(args.threads);
    if team.is_many() {
        threads = threads.or_else(|| NonZeroUsize::new(team.share_of(thread_count(None))));
    }
    let threads = start_threads(threads)?;
    team.check(&Device::Cpu { threads, mixed })?;
    let (measured, profile) = steps::on_processor(timed, &team.ranks(false), (threads, mixed), args.profile)?;
    if args.profile {
        table(&profile, args.steps);
    }
    Ok(measured)
}

fn precision(dtype: &str) -> Precision {
    match dtype {
        "tf32" => Precision::Tf32,
        "bf16" => Precision::Bf16,
        "fp16" => Precision::F16,
        _ => Precision::F32,
    }
}

#[cfg(feature = "cuda")]
fn on_gpu(args: &Args, timed: &TimedSteps, team: &Team) -> Result<Measured> {
    use crate::cli::{DeviceArgs, DeviceKind};
    if args.profile {
        bail!("--profile: times by operation are taken on the processor only");
    }
    let precision = precision(&args.dtype);
    let (backend, gpu, local_rank) = (DeviceKind::Cuda, args.gpu, team.local_rank());
    let asked = DeviceArgs { backend, gpu, local_rank, ..DeviceArgs::default() };
    let Device::Cuda(options) = asked.choose(precision)?.device else { bail!("--device cuda: no GPU was chosen") };
    let options = ebt_cuda::Options { graphs: !args.no_graphs, ..options };
    let (measured, notes) = steps::on_gpu(timed, &team.ranks(false), &options)?;
    for note in notes {
        eprint_line(format_args!("note: {note}"));
    }
    Ok(measured)
}

#[cfg(not(feature = "cuda"))]
fn on_gpu(_args: &Args, _timed: &TimedSteps, _team: &Team) -> Result<Measured> {
    Err(ebt_data::program::lacks("--device cuda", "cuda"))
}

fn table(entries: &[ProfileEntry], steps: usize) {
    let all: f64 = entries.iter().map(|e| e.seconds).sum();
    eprint_line(format_args!("{:<12}{:<34}{:>12}{:>10}{:>8}", "part", "operation", "ms a step", "calls", "share"));
    for e in entries {
        let (ms, share) = (1e3 * e.seconds / steps as f64, 100.0 * e.seconds / all);
        let (calls, part) = (e.calls as f64 / steps as f64, e.scope.name());
        eprint_line(format_args!("{part:<12}{:<34}{ms:>12.3}{calls:>10.1}{share:>7.1}%", e.operation));
    }
    eprint_line(format_args!("{:<46}{:>12.3}", "all", 1e3 * all / steps as f64));
}
