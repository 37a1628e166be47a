//! `host generate`: continues a prompt.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_tokenizer::{StreamDecoder, Tokenizer};
use serde_json::{Value, json};

use crate::cli::{DeviceArgs, Work, write_json};
use crate::generate::{GenerateOptions, generate};
use crate::model::{self, LoadedModel};
use crate::run_config::Precision;
use crate::sampling::Sampling;

/// Continue a prompt.
///
/// The prompt and what follows are written to standard output as they come, whole characters at a time. Generation ends
/// after --tokens tokens, or when the model ends the document.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host generate --model model.ebt --prompt \"Bir varmış\"
  host generate --model runs/turkish --prompt \"Ankara\" --tokens 200 --temperature 0.8 --top-p 0.95 --seed 7
  host generate --model model.ebt --prompt \"Ankara\" --temperature 0 --think 8 --json")]
pub struct Args {
    /// Model file, or run or checkpoint folder
    #[arg(long, value_name = "PATH")]
    model: PathBuf,
    /// Text to continue; may be empty
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 100)]
    tokens: usize,
    /// Divides the logits; 0 takes the most probable token every time
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    temperature: f64,
    /// Only the K most probable tokens; 0 = off
    #[arg(long, value_name = "K", default_value_t = 0)]
    top_k: usize,
    /// Only the most probable tokens that together reach probability P
    #[arg(long, value_name = "P", default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f64,
    /// Only tokens with at least this share of the most probable token's probability; 0 = off
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    min_p: f64,
    /// Seed of initial states and draws: the same seed gives the same text
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Descent steps of every token [default: as in training]
    #[arg(long, value_name = "N")]
    think: Option<NonZeroUsize>,
    /// Print one JSON object at the end instead of a stream of text
    #[arg(long)]
    json: bool,
    /// Numbers to compute with
    #[arg(long, value_enum, default_value_t = Precision::F32, value_name = "NUMBERS")]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

/// More steps than this are refused: a run would not end.
const MOST_STEPS: usize = 4096;

/// Runs the command.
///
/// # Errors
///
/// Flags out of range, a file that cannot be read, and a device failure.
pub fn run(args: Args) -> Result<()> {
    let options = options(&args)?;
    let device = args.device.choose(args.precision)?.device;
    let loaded = model::load(&args.model)?;
    let tokenizer = loaded.tokenizer().with_context(|| args.model.display().to_string())?;
    device.lend(Generating { args: &args, options, loaded: &loaded, tokenizer })
}

/// A generation that waits for its device.
struct Generating<'a> {
    args: &'a Args,
    options: GenerateOptions,
    loaded: &'a LoadedModel,
    tokenizer: &'a Tokenizer,
}

impl Work for Generating<'_> {
    type Output = ();

    fn run<B: Backend>(self, b: &B) -> Result<()> {
        let Self { args, options, loaded, tokenizer } = self;
        let weights = loaded.upload(b)?;
        let model = Model { config: &loaded.config, layout: &loaded.layout, weights: &weights };
        let started = Instant::now();
        let mut out = io::stdout().lock();
        if !args.json {
            write!(out, "{}", args.prompt)?;
            out.flush()?;
        }
        let mut decoder = StreamDecoder::new(tokenizer);
        let (mut text, mut tokens): (String, Vec<Value>) = (String::new(), Vec::new());
        let stop = generate(b, model, &loaded.objective, tokenizer, &args.prompt, &options, |token| {
            let piece = decoder.push(token.id)?;
            if args.json {
                text.push_str(piece);
                tokens.push(serde_json::to_value(token)?);
            } else {
                write!(out, "{piece}")?;
                out.flush()?;
            }
            Ok(())
        })?;
        let rest = decoder.finish();
        if args.json {
            text.push_str(rest);
            let seconds = started.elapsed().as_secs_f64();
            let report = json!({
                "prompt": args.prompt,
                "text": text,
                "stop": stop,
                "seed": args.seed,
                "backend": b.name(),
                "tokens": tokens,
                "seconds": seconds,
            });
            write_json(&mut out, &report)?;
        } else {
            writeln!(out, "{rest}")?;
        }
        out.flush()?;
        Ok(())
    }
}

fn options(args: &Args) -> Result<GenerateOptions> {
    let sampling = Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, min_p: args.min_p };
    sampling.validate()?;
    let steps = args.think.map_or(0, NonZeroUsize::get);
    if steps > MOST_STEPS {
        bail!("--think {steps}: at most {MOST_STEPS} steps");
    }
    Ok(GenerateOptions { tokens: args.tokens, steps, sampling, seed: args.seed })
}
