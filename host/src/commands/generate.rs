//! `host generate`: continues a prompt.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::packed::Kernel;
use ebt_data::file;
use ebt_tokenizer::{StreamDecoder, Tokenizer};
use ebt_train::model::{self, LoadedModel};
use ebt_train::run_config::Precision;
use serde_json::{Value, json};

use crate::cli::{
    Backend as Asked, Device, DeviceArgs, KernelName, PRECISIONS, ThinkArgs, Work, by_flag, one_of, write_json,
};
use crate::generate::cached::{self, CachedOptions};
use crate::generate::certificate::{Certificate, CertificateFile, Certified, VERSION};
use crate::generate::{GenerateOptions, Generated, Stop, generate};
use crate::inference::{InferenceModel, is_packed};
use crate::sampling::Sampling;

/// Continue a prompt.
///
/// The prompt and what follows are written to standard output as they come, whole characters at a time. Generation ends
/// after --tokens tokens, or when the model ends the document.
///
/// On the processor, which is the default, what was read is kept, so a token costs the same wherever it stands; one
/// thread computes. Packed models (`host export --packed`) are used in place. With --backend cuda or --gpu every token is
/// predicted from the whole window again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  host generate --prompt \"Bir varmış\"
  host generate --model runs/turkish --prompt \"Ankara\" --temperature 0.8 --top-p 0.95 --seed 7
  host generate --model model.ebp --prompt \"Ankara\" --think 16 --tolerance 0.01
  host generate --model model.ebp --prompt \"Ankara\" --candidates 8 --choose drop
  host generate --model model.ebp --prompt \"Ankara\" --step-size armijo --certificate ankara.json
  host generate --model model.ebt --prompt \"Ankara\" --temperature 0 --think 8 --json")]
pub struct Args {
    /// Model file or packed model, or run or checkpoint folder [default: a small model that the program brings along]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Text to continue; may be empty
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// Most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 100)]
    tokens: usize,
    /// Seed of initial states and draws: the same seed gives the same text
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    think: ThinkArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Choosing tokens")]
struct SamplingArgs {
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
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Print one JSON object at the end instead of a stream of text
    #[arg(long)]
    json: bool,
    /// Write the certificate of every token as JSON (this includes --certify); `-` prints it instead of the text
    #[arg(long, value_name = "FILE|-", allow_hyphen_values = true)]
    certificate: Option<PathBuf>,
}

impl OutputArgs {
    /// Whether the certificates take the place of the text.
    fn prints_certificate(&self) -> bool {
        self.certificate.as_deref() == Some(Path::new("-"))
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Where to compute")]
struct PlaceArgs {
    /// Instructions of the processor; the text does not depend on them
    #[arg(long, value_enum, default_value_t = KernelName::Auto, value_name = "KERNEL")]
    kernel: KernelName,
    /// Numbers to compute with on a GPU
    #[arg(long, value_parser = one_of(PRECISIONS), default_value = "f32", value_name = "NUMBERS")]
    precision: Precision,
    /// Where to compute [default: the processor, unless --gpu or --precision needs a GPU]
    #[arg(long, value_enum, value_name = "DEVICE")]
    backend: Option<Asked>,
    /// The GPU of this number in `host doctor` and no other device [default: the first that can be used]
    #[arg(long, value_name = "N")]
    gpu: Option<usize>,
}

impl PlaceArgs {
    /// The processor, with the one thread that a token takes, unless a GPU or what only a GPU has is asked for.
    fn choose(&self) -> Result<Device> {
        let plain = matches!(self.precision, Precision::F32 | Precision::Auto);
        match (self.backend, self.gpu) {
            (None, None) if plain => Ok(Device::Cpu { threads: 1 }),
            (backend, gpu) => {
                let asked = DeviceArgs { backend: backend.unwrap_or_default(), gpu, threads: None };
                Ok(asked.choose(self.precision)?.device)
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// Flags out of range, a file that cannot be read, and a device failure.
pub fn run(args: Args) -> Result<()> {
    let s = &args.sampling;
    let sampling = Sampling { temperature: s.temperature, top_k: s.top_k, top_p: s.top_p, min_p: s.min_p };
    sampling.validate()?;
    let think = args.think.request(args.seed)?;
    if args.output.json && args.output.prints_certificate() {
        bail!("--certificate -: with --json, which is printed too, name a file");
    }
    let kernel = args.place.kernel.kernel()?;
    let device = args.place.choose()?;
    if matches!(device, Device::Cpu { .. }) {
        return on_processor(&args, sampling, think, kernel);
    }
    let flag = args.think.beyond_steps().or_else(|| args.output.certificate.as_ref().map(|_| "--certificate"));
    if let Some(flag) = flag {
        bail!("{flag} needs --backend cpu: on a GPU only the number of steps can be chosen");
    }
    let Some(path) = &args.model else {
        bail!("{} needs --backend cpu: packed models are for the processor", crate::inference::SAMPLE_NAME);
    };
    if is_packed(path)? {
        bail!("{} is a packed model and needs --backend cpu: packed models are for the processor", path.display());
    }
    let options = GenerateOptions { tokens: args.tokens, steps: think.steps, sampling, seed: args.seed };
    let loaded = model::load(path)?;
    let tokenizer = loaded.tokenizer().with_context(|| path.display().to_string())?;
    device.lend(Generating { args: &args, options, loaded: &loaded, tokenizer })
}

fn on_processor(
    args: &Args,
    sampling: Sampling,
    think: ebt_core::generate::descent::Think,
    kernel: Kernel,
) -> Result<()> {
    let certified = args.output.certificate.is_some();
    let think = ebt_core::generate::descent::Think { certify: think.certify || certified, ..think };
    let loaded = InferenceModel::load(args.model.as_deref())?;
    let tokenizer = loaded.tokenizer()?;
    let config = loaded.model()?;
    let backend = format!("cpu {} ({})", config.storage.name(), kernel.name());
    let rule = args.think.update();
    let options = CachedOptions { tokens: args.tokens, sampling, think, rule, kernel };
    let mut out = Output::new(args, tokenizer)?;
    let mut tokens = Vec::new();
    let stop = cached::generate(&loaded, &args.prompt, &options, |token, certificate: Certificate| {
        out.push(token)?;
        if certified {
            let bytes = tokenizer.token_bytes(token.id).unwrap_or_default();
            let piece = String::from_utf8_lossy(bytes).into_owned();
            tokens.push(Certified { id: token.id, piece, probability: token.probability as f32, certificate });
        }
        Ok(())
    });
    let stop = stop.map_err(|error| match error.downcast::<ebt_core::generate::Error>() {
        Ok(error) => by_flag(error),
        Err(error) => error,
    })?;
    let text = out.finish(stop, &loaded.name, &backend)?;
    let Some(path) = &args.output.certificate else { return Ok(()) };
    let file = CertificateFile {
        version: VERSION,
        model: loaded.name.clone(),
        rule: rule.unwrap_or(config.config.update),
        think,
        prompt: args.prompt.clone(),
        text,
        tokens,
    };
    if args.output.prints_certificate() {
        return Ok(write_json(&mut io::stdout().lock(), &file)?);
    }
    file::write(path, |out| {
        let mut out = io::BufWriter::new(out);
        write_json(&mut out, &file)?;
        Ok(out.flush()?)
    })
}

/// What is printed: a stream of text, one JSON object, or nothing.
struct Output<'a> {
    args: &'a Args,
    decoder: StreamDecoder,
    streams: bool,
    text: String,
    tokens: Vec<Value>,
    started: Instant,
}

impl<'a> Output<'a> {
    fn new(args: &'a Args, tokenizer: &Tokenizer) -> Result<Self> {
        let streams = !args.output.json && !args.output.prints_certificate();
        if streams {
            let mut out = io::stdout().lock();
            write!(out, "{}", args.prompt)?;
            out.flush()?;
        }
        let decoder = StreamDecoder::new(tokenizer);
        Ok(Self { args, decoder, streams, text: String::new(), tokens: Vec::new(), started: Instant::now() })
    }

    fn push(&mut self, token: &Generated) -> Result<()> {
        let piece = self.decoder.push(token.id)?;
        self.text.push_str(piece);
        if self.streams {
            let mut out = io::stdout().lock();
            write!(out, "{piece}")?;
            out.flush()?;
        }
        if self.args.output.json {
            self.tokens.push(serde_json::to_value(token)?);
        }
        Ok(())
    }

    /// The generated text.
    fn finish(self, stop: Stop, model: &str, backend: &str) -> Result<String> {
        let Self { args, decoder, streams, mut text, tokens, started } = self;
        let rest = decoder.finish();
        text.push_str(rest);
        let mut out = io::stdout().lock();
        if args.output.json {
            let report = json!({
                "model": model,
                "prompt": args.prompt,
                "text": text,
                "stop": stop,
                "seed": args.seed,
                "backend": backend,
                "tokens": tokens,
                "seconds": started.elapsed().as_secs_f64(),
            });
            write_json(&mut out, &report)?;
        } else if streams {
            writeln!(out, "{rest}")?;
        }
        out.flush()?;
        Ok(text)
    }
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
        let mut out = Output::new(args, tokenizer)?;
        let each = |token: &Generated| out.push(token);
        let stop = generate(b, model, &loaded.objective, tokenizer, &args.prompt, &options, each)?;
        let name = args.model.as_deref().map_or_else(String::new, |path| path.display().to_string());
        out.finish(stop, &name, b.name())?;
        Ok(())
    }
}
