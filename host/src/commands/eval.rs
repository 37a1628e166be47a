//! `ebt eval`: perplexity and bits per byte on text, and which of several texts a model holds for right.

mod judged;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt::engine::descent;
use ebt::packed::{Isa, Storage};
use ebt_data::progress::eprint_line;
use ebt_data::shard::manifest::Split;
use ebt_data::{Input, Tokens, memory};
use ebt_device::memory::peak_of_evaluation;
use ebt_device::{Device, Evaluating};
use ebt_model as model;
use ebt_train::candidates::CANDIDATES;
use ebt_train::confidence::{COVERAGES, Confidence};
use ebt_train::evaluate::{EvaluateOptions, Evaluation, Losses};
use ebt_train::run_config::Precision;
use ebt_train::windows::Limits;
use serde_json::{Value, json};

use crate::cli::{
    Choice, DeviceArgs, DeviceKind, KERNELS, Output, PRECISIONS, SELECTIONS, STORAGES, StepSize, by_flag, candidates,
    kernel, one_of, real, start_threads, steps, whole, write_json,
};
use crate::evaluate::{CachedEvaluation, evaluate_cached};
use crate::hub;
use crate::inference::{InferenceModel, is_packed};
use crate::judge::By;

/// Measure perplexity and bits per byte on text, for every number of thinking steps.
///
/// Text is found, read and cleaned as by `ebt data prepare`: plain text (blank lines separate documents), JSON lines and
/// tables (their text under `text`), packed or not; line ends become LF and Unicode NFC. Of prepared data, which must be
/// of the model's tokenizer, the validation documents are measured, source by source. Each token of a document is
/// predicted once, from what stands before it in a window of the model's context. Perplexity is exp of the mean loss per
/// token; bits per byte counts every byte of the documents once and does not depend on the tokenizer. The weights in a
/// model from training are their moving average.
///
/// With --pairs, --choices or --task no text is measured: it is counted how often the model gives the right one of two sentences, or
/// the right answer to a question, the higher score. The score is the log-probability of its tokens, or by --by energy or drop
/// one of energies; the guide's page on judging defines them. Shares are given with their intervals of 95 % by Wilson.
///
/// Packed models (`ebt export --packed`) are evaluated on the processor as they are used, with a cache; so are others
/// where --candidates asks for several starts of every token, --step-size for another step size than the trained one, or
/// --tolerance or --dissipation for descents that stop early.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt eval --model model.ebt
  ebt eval --model runs/turkish --think 8 --json text.txt
  ebt eval --model runs/turkish prepared/
  ebt eval --model runs/turkish --confidence
  ebt eval --model model.ebp --candidates 4 --choose drop text.txt
  ebt eval --model model.ebp --think 10 --step-size armijo text.txt
  ebt eval --model runs/turkish --think 100 --tolerance 0.001 text.txt
  ebt eval --model model.ebp --pairs fixtures/minimal-pairs/*.jsonl --by energy
  ebt eval --model model.ebp --choices questions.jsonl --think 4 --json
  ebt eval --model hf://OWNER/NAME/model.ebp --task xcopa")]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// Files, folders (searched for files of known formats), quoted globs, or folders of prepared data [default: the sample text's held-out part]
    #[arg(value_name = "INPUT", conflicts_with = "judged")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    judged: judged::JudgedArgs,
    /// What says how well a text fits
    #[arg(
        long,
        value_enum,
        value_name = "SCORE",
        default_value = "likelihood",
        requires = "judged",
        help_heading = "Judging"
    )]
    by: By,
    /// Measure up to this many descent steps (at least as many as in training)
    #[arg(long, value_name = "N", value_parser = steps())]
    think: Option<NonZeroUsize>,
    /// Starts of every token, of which one is kept; every number of steps is then run anew
    #[arg(long, value_name = "M", default_value = "1", value_parser = candidates(), conflicts_with = "judged")]
    candidates: NonZeroUsize,
    /// Which candidate is kept: that of least energy, or of the largest drop of energy
    #[arg(long, value_parser = one_of(SELECTIONS), default_value = "energy", value_name = "BY", conflicts_with = "judged")]
    choose: descent::Selection,
    /// model (the trained step size), a number, armijo (backtracking until the energy decreases enough), or curvature:C
    /// (C over the largest curvature)
    #[arg(long, value_name = "SIZE", default_value = "model", value_parser = StepSize::parse, conflicts_with = "judged")]
    step_size: StepSize,
    /// Stop a token's descent once a step changes its energy by no more than E; 0 = off
    #[arg(long, value_name = "E", default_value_t = 0.0, value_parser = real::<f32>(0.0..), conflicts_with = "judged")]
    tolerance: f32,
    /// Stop a token's descent once its dissipation is no more than D; 0 = off
    #[arg(long, value_name = "D", default_value_t = 0.0, value_parser = real::<f32>(0.0..), conflicts_with = "judged")]
    dissipation: f32,
    /// Sequences computed together (with a cache: tokens, in multiples of 8); but for rounding the
    /// result does not depend on it
    #[arg(long, value_name = "N", default_value = "8", value_parser = whole::<NonZeroUsize>(1..=MOST_BATCH), conflicts_with = "judged")]
    batch: NonZeroUsize,
    /// How well probability, entropy and energy tell the tokens of which the most probable one is wrong, and whether energies rank tokens
    #[arg(long, conflicts_with = "judged")]
    confidence: bool,
    /// Stop after about this many bytes of text, taken evenly from all files
    #[arg(long, value_name = "BYTES", value_parser = whole::<NonZeroUsize>(1..=u64::MAX), conflicts_with = "judged")]
    limit_bytes: Option<NonZeroUsize>,
    /// Seed of the initial states
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Numbers to compute with
    #[arg(long, value_parser = one_of(PRECISIONS), default_value = "f32", value_name = "NUMBERS", conflicts_with = "judged")]
    precision: Precision,
    /// Instructions of the processor with a cache; the result does not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    kernel: &'static str,
    /// How read keys and values are kept: f16 and int8 take half and a quarter of a session's memory, and change results a little
    #[arg(long, value_parser = one_of(STORAGES), default_value = "f32", value_name = "NUMBERS", conflicts_with = "judged")]
    cache: Storage,
    #[command(flatten)]
    device: DeviceArgs,
}

/// More sequences than this are refused.
const MOST_BATCH: u64 = 4096;

/// Tokens that are computed together for each of --batch, with a cache.
const TOKENS: usize = 8;

/// Runs the command.
///
/// # Errors
///
/// Files that cannot be read, a device failure, a model or losses that are no finite numbers.
pub fn run(args: Args) -> Result<()> {
    let kernel = kernel(args.kernel)?;
    if args.judged.asked() {
        let (model, by, device, think) = (&args.model, args.by, &args.device, args.think);
        let (seed, json) = (args.seed, args.json);
        return judged::run(&args.judged, judged::Judge { model, by, device, think, seed, kernel, json });
    }
    let options = EvaluateOptions {
        steps: args.think.map_or(0, NonZeroUsize::get),
        batch: args.batch.get(),
        limits: Limits { tokens: None, bytes: args.limit_bytes.map(NonZeroUsize::get) },
        seed: args.seed,
        progress: !args.json,
        confidence: args.confidence,
    };
    let (result, name) =
        if with_cache(&args)? { on_processor(&args, &options, kernel)? } else { on_device(&args, &options)? };
    check_finite(&result).with_context(|| args.model.display().to_string())?;
    let mut out = Output::of_results();
    if args.json {
        write_json(&mut out, &to_json(&result, &args, &name))?;
    } else {
        print(&mut out, &result)?;
    }
    Ok(out.flush()?)
}

/// Refuses losses that are no numbers.
fn check_finite(e: &Evaluation) -> Result<()> {
    for losses in &e.sources {
        if let Some(step) = losses.nats.iter().position(|nats| !nats.is_finite()) {
            bail!("after descent step {} the loss on {} is no finite number", step + 1, losses.source);
        }
    }
    Ok(())
}

/// Whether a session evaluates; refuses a GPU then.
fn with_cache(args: &Args) -> Result<bool> {
    let several = args.candidates.get() > 1;
    let other_size = args.step_size != StepSize::Is(descent::StepSize::Model);
    let stops = args.tolerance > 0.0 || args.dissipation > 0.0;
    let smaller = args.cache != Storage::F32;
    let gpu = args.device.backend == DeviceKind::Cuda || args.device.gpu.is_some();
    if gpu && several {
        bail!("--candidates {} needs --backend cpu", args.candidates);
    }
    if gpu && smaller {
        bail!("--cache needs --backend cpu");
    }
    if gpu && other_size {
        bail!("--step-size needs --backend cpu");
    }
    if gpu && stops {
        bail!("--tolerance and --dissipation need --backend cpu");
    }
    // a GPU that cannot be used is reported before the model is read
    if gpu || !(hub::is_name(&args.model) || args.model.exists()) {
        args.device.choose(args.precision)?;
    }
    let packed = is_packed(&args.model)?;
    if packed && gpu {
        bail!(
            "{} is a packed model and needs --backend cpu: packed models are for the processor",
            args.model.display()
        );
    }
    let cached = packed || several || other_size || stops || smaller;
    if cached && args.confidence {
        bail!(
            "--confidence asks for a model that is not packed, and for its own descent: without --candidates, --step-size, --tolerance, --dissipation and --cache"
        );
    }
    if cached && !matches!(args.precision, Precision::F32 | Precision::Auto) {
        bail!("--precision {}: with a cache the processor computes f32", args.precision.name());
    }
    Ok(cached)
}

fn on_device(args: &Args, options: &EvaluateOptions) -> Result<(Evaluation, String)> {
    let Choice { device, why } = args.device.choose(args.precision)?;
    start_threads(args.device.threads)?;
    let input = Input::open(&args.paths)?;
    let model = model::load(&hub::local(&args.model)?)?;
    let tokenizer = model.tokenizer().with_context(|| args.model.display().to_string())?;
    let text = input.tokens("validation", Split::Validation, tokenizer)?;
    if matches!(device, Device::Cpu { .. }) {
        let wanted = peak_of_evaluation(&model, options.steps, sequences(&text, model.config.context, options.batch))?;
        memory::check("this evaluation", wanted, "a smaller --batch takes less")?;
    }
    device.evaluate(Evaluating { model: &model, tokenizer, text: &text, options, why: &why })
}

/// Sequences of the largest batch that there is text for.
fn sequences(text: &Tokens, context: usize, batch: usize) -> usize {
    // a document ends in a sequence that is padded by at most an eighth of the context
    let rows = text.len().saturating_mul(2).saturating_add(text.documents().saturating_mul(context as u64 / 8 + 1));
    usize::try_from(rows / context as u64 + 1).map_or(batch, |most| batch.min(most))
}

fn on_processor(args: &Args, options: &EvaluateOptions, kernel: Isa) -> Result<(Evaluation, String)> {
    let threads = start_threads(args.device.threads)?;
    let input = Input::open(&args.paths)?;
    let loaded = InferenceModel::load(Some(&args.model))?;
    let model = loaded.model()?;
    let tokenizer = loaded.tokenizer(&model)?;
    let text = input.tokens("validation", Split::Validation, &*tokenizer)?;
    let name = format!("cpu {} ({})", model.storage.name(), kernel.name());
    if options.progress {
        eprint_line(format_args!("device: {name}, {threads} threads, with a cache"));
    }
    let (candidates, choose) = (args.candidates.get(), args.choose);
    let step_size = args.step_size.core(0);
    let tolerance = descent::Tolerance { energy: args.tolerance, dissipation: args.dissipation, min_steps: 0 };
    let with = CachedEvaluation { candidates, choose, step_size, tolerance, cache: args.cache, kernel, threads };
    // eight tokens take about the memory of a sequence's share
    let options = EvaluateOptions { batch: TOKENS * options.batch, ..options.clone() };
    let result = evaluate_cached(&model, &tokenizer, &text, &options, &with);
    Ok((result.map_err(by_flag)?, name))
}

fn print(out: &mut impl Write, e: &Evaluation) -> Result<()> {
    let usual = e.usual_steps.saturating_sub(1).min(e.steps.saturating_sub(1));
    let width = e.sources.iter().map(|s| s.source.chars().count()).max().unwrap_or(0).max(6);
    writeln!(out, "after {} step{}:", usual + 1, if usual == 0 { "" } else { "s" })?;
    writeln!(
        out,
        "  {:width$}  {:>9}  {:>9}  {:>11}  {:>13}",
        "source", "bytes", "tokens", "perplexity", "bits per byte"
    )?;
    for s in e.sources.iter().chain([&e.total]) {
        let (perplexity, bits) = (s.perplexity(usual), s.bits_per_byte(usual));
        writeln!(
            out,
            "  {:width$}  {:>9}  {:>9}  {:>11}  {bits:>13.5}",
            s.source,
            s.bytes,
            s.tokens,
            readable(perplexity)
        )?;
    }
    if e.steps > 1 {
        writeln!(out, "\ntotal by number of steps:")?;
        writeln!(out, "  {:>5}  {:>11}  {:>11}  {:>13}", "steps", "loss", "perplexity", "bits per byte")?;
        for i in 0..e.steps {
            let t = &e.total;
            let note = if i == usual { "  as trained" } else { "" };
            let (loss, perplexity, bits) = (t.loss(i), t.perplexity(i), t.bits_per_byte(i));
            writeln!(out, "  {:>5}  {loss:>11.5}  {:>11}  {bits:>13.5}{note}", i + 1, readable(perplexity))?;
        }
    }
    if let Some(confidence) = &e.confidence {
        print_confidence(out, confidence)?;
    }
    writeln!(out, "\n{} bytes in {:.1} s", e.total.bytes, e.seconds)?;
    Ok(())
}

fn print_confidence(out: &mut impl Write, c: &Confidence) -> Result<()> {
    let share = |part: f64| format!("{:.1} %", 100.0 * part);
    writeln!(out, "\nwrong are {} of {} tokens; how well it is told which:", c.wrong, c.tokens)?;
    let among = COVERAGES.map(|coverage| format!("{:>10}", format!("{:.0} %", 100.0 * coverage))).concat();
    writeln!(out, "  {:<12}{:>8}   wrong among the surest{among}", "by", "AUROC")?;
    for told in &c.scores {
        let area = told.area.map_or_else(|| String::from("-"), |area| format!("{area:.4}"));
        let wrong = told.wrong.map(|wrong| format!("{:>10}", share(wrong))).concat();
        writeln!(out, "  {:<12}{area:>8}   {:<22}{wrong}", told.score, "")?;
    }
    if let Some(r) = &c.ranked {
        let ([tokens, among], [by_probability, by_energy], [p, both, energy]) = (r.positions, r.place, r.nats);
        writeln!(out, "\nthe {CANDIDATES} most probable tokens by their energies on the last landscape:")?;
        writeln!(
            out,
            "  the right one is among them at {among} of {tokens}; its place by probability {by_probability:.3}, by energy {by_energy:.3}"
        )?;
        writeln!(
            out,
            "  nats a token by probability {p:.4}, with {:.3} of the energy {both:.4}, by the energy alone {energy:.4}",
            r.share
        )?;
    }
    Ok(())
}

/// A perplexity with four places after the point, a very large one as a power of ten.
fn readable(perplexity: f64) -> String {
    if perplexity < 1e6 { format!("{perplexity:.4}") } else { format!("{perplexity:.3e}") }
}

/// What JSON can hold of a perplexity, which may be too large for any number.
fn number(perplexity: f64) -> f64 {
    if perplexity == f64::INFINITY { f64::MAX } else { perplexity }
}

fn to_json(e: &Evaluation, args: &Args, backend: &str) -> Value {
    let of = |s: &Losses| {
        let step = |i: usize| {
            json!({
                "steps": i + 1,
                "loss": s.loss(i),
                "perplexity": number(s.perplexity(i)),
                "bits_per_byte": s.bits_per_byte(i),
            })
        };
        let steps: Vec<Value> = (0..e.steps).map(step).collect();
        json!({ "source": s.source, "bytes": s.bytes, "tokens": s.tokens, "by_steps": steps })
    };
    let usual = e.usual_steps.saturating_sub(1).min(e.steps.saturating_sub(1));
    json!({
        "model": args.model.display().to_string(),
        "backend": backend,
        "steps": usual + 1,
        "loss": e.total.loss(usual),
        "perplexity": number(e.total.perplexity(usual)),
        "bits_per_byte": e.total.bits_per_byte(usual),
        "total": of(&e.total),
        "confidence": e.confidence,
        "sources": e.sources.iter().map(of).collect::<Vec<Value>>(),
        "seconds": e.seconds,
    })
}
