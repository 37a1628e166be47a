//! `ebt generate`: continues a prompt.

use std::io::{self, Write};
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use ebt::packed::Storage;
use ebt::{DescentOptions, Sampling, SessionOptions, Settings, TokenGenerator};
use ebt_data::file;
use ebt_data::text::clean::normal;
use ebt_tokenizer::{StreamDecoder, Tokenizer};
use serde::Serialize;
use serde_json::json;

use crate::certificate::{CertificateFile, Certified, VERSION};
use crate::cli::{DescentArgs, KERNELS, MIN_P, Output, STORAGES, by_flag, kernel, one_of, real, whole, write_json};
use crate::inference::{InferenceModel, SessionMemory, delimiters, extents, spells};

/// Continue a prompt.
///
/// The prompt and what follows are written to standard output as they come, whole characters at a time. Generation ends
/// after --tokens tokens, or when the model ends the document.
///
/// What was read is kept, so a token costs the same wherever it stands; one thread of the processor computes. Packed
/// models (`ebt export --packed`) are used in place. The same model, seed and settings give the same text here, in C, in
/// a browser and on a phone. The prompt is read as training text is: in Unicode NFC, with LF at line ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt generate --prompt \"Bir varmış\"
  ebt generate --model runs/turkish --prompt \"Ankara\" --temperature 0.8 --top-p 0.95 --seed 7
  ebt generate --model model.ebp --prompt \"Ankara\" --think 16 --tolerance 0.01
  ebt generate --model model.ebp --prompt \"Ankara\" --candidates 8 --choose drop
  ebt generate --model model.ebp --prompt \"Ankara\" --step-size armijo --certificate ankara.json
  ebt generate --model model.ebt --prompt \"Ankara\" --temperature 0 --think 8 --json")]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE [default: a small model that the program brings along]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Text to continue; may be empty
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    prompt: String,
    /// Most tokens to generate
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<usize>(0..=MOST_TOKENS))]
    tokens: usize,
    /// Seed of initial states and draws: the same seed gives the same text
    #[arg(long, default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Instructions of the processor; the text does not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    kernel: &'static str,
    /// How read keys and values are kept: f16 and int8 take half and a quarter of a session's memory, and change results a little
    #[arg(long, value_parser = one_of(STORAGES), default_value = "f32", value_name = "NUMBERS")]
    cache: Storage,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    think: DescentArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Choosing tokens")]
struct SamplingArgs {
    /// Divides the logits; 0 takes the most probable token every time
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = real::<f32>(0.0..))]
    temperature: f32,
    /// Only the K most probable tokens; 0 = off
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = whole::<usize>(0..=u64::from(u32::MAX)))]
    top_k: usize,
    /// Only the most probable tokens that together reach probability P
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = real::<f32>((Bound::Excluded(0.0), Bound::Included(1.0))))]
    top_p: f32,
    /// Only tokens with at least this share of the most probable token's probability; 0 = off
    #[arg(long, value_name = "P", default_value_t = MIN_P, value_parser = real::<f32>(0.0..=1.0))]
    min_p: f32,
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

/// More tokens than this are refused: their certificates would not fit any memory.
const MOST_TOKENS: u64 = 1 << 24;

/// Why generation ended.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Stop {
    /// The asked number of tokens was reached.
    Length,
    /// The model ended the document, or began the next one.
    End,
}

/// Runs the command.
///
/// # Errors
///
/// Flags out of range, a file that cannot be read, and values that are not finite.
pub fn run(args: Args) -> Result<()> {
    let s = &args.sampling;
    let sampling = Sampling { temperature: s.temperature, top_k: s.top_k, top_p: s.top_p, min_p: s.min_p };
    sampling.validate().map_err(by_flag)?;
    let think = args.think.request(args.seed)?;
    if args.output.json && args.output.prints_certificate() {
        bail!("--certificate -: with --json, which is printed too, name a file");
    }
    let kernel = kernel(args.kernel)?;
    let certified = args.output.certificate.is_some();
    let think = DescentOptions { certify: think.certify || certified, ..think };
    let loaded = InferenceModel::load(args.model.as_deref())?;
    let model = loaded.model()?;
    let tokenizer = loaded.tokenizer(&model)?;
    let backend = format!("cpu {} ({})", model.storage.name(), kernel.name());
    let extents = SessionOptions { cache: args.cache, ..extents(&think, model.descent.steps) };
    let mut memory = SessionMemory::of(&model.config, &extents)?;
    let mut session = memory.session(model, &extents, kernel)?;
    if let Some(rule) = args.think.rule {
        session.dynamics_mut().update = rule;
    }
    let rule = session.dynamics_mut().update;
    let mut generator = TokenGenerator::new(session, delimiters(&tokenizer)?);
    let args = Args { prompt: normal(&args.prompt).into_owned(), ..args };
    generator.accept(&tokenizer.encode(&args.prompt)?)?;
    let settings = Settings { think, sampling };
    let mut out = Printer::new(&args, &tokenizer)?;
    let mut stop = Stop::Length;
    for _ in 0..args.tokens {
        if out.is_in_vain() {
            return Ok(());
        }
        let drawn = generator.next(&settings, |id| spells(&tokenizer, id), &mut |_| ControlFlow::Continue(()));
        let (Some(drawn), Some(certificate)) = (drawn.map_err(by_flag)?, generator.certificate()) else {
            stop = Stop::End;
            break;
        };
        out.push(drawn.id)?;
        if certified || args.output.json {
            let bytes = tokenizer.token_bytes(drawn.id).unwrap_or_default();
            out.tokens.push(Certified::new(drawn, bytes, &certificate));
        }
    }
    let (text, tokens) = out.finish(stop, &loaded.name, &backend)?;
    let Some(path) = &args.output.certificate else { return Ok(()) };
    let (model, prompt) = (loaded.name.clone(), args.prompt.clone());
    let file = CertificateFile { version: VERSION, model, rule, think, prompt, text, tokens };
    if args.output.prints_certificate() {
        return Ok(write_json(&mut Output::of_results(), &file)?);
    }
    file::write(path, |out| {
        let mut out = io::BufWriter::new(out);
        write_json(&mut out, &file)?;
        Ok(out.flush()?)
    })
}

/// What is printed: a stream of text, one JSON object, or nothing.
struct Printer<'a> {
    args: &'a Args,
    out: Output,
    decoder: StreamDecoder,
    streams: bool,
    text: String,
    tokens: Vec<Certified>,
    started: Instant,
}

impl<'a> Printer<'a> {
    fn new(args: &'a Args, tokenizer: &Tokenizer) -> Result<Self> {
        let streams = !args.output.json && !args.output.prints_certificate();
        let mut out = Output::of_results();
        if streams {
            write!(out, "{}", args.prompt)?;
            out.flush()?;
        }
        let decoder = StreamDecoder::new(tokenizer);
        Ok(Self { args, out, decoder, streams, text: String::new(), tokens: Vec::new(), started: Instant::now() })
    }

    fn push(&mut self, id: u32) -> Result<()> {
        let piece = self.decoder.push(id)?;
        self.text.push_str(piece);
        if self.streams {
            write!(self.out, "{piece}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Whether nobody reads what is generated, and no file is to hold it.
    fn is_in_vain(&self) -> bool {
        self.out.is_closed() && self.args.output.certificate.is_none()
    }

    /// The generated text, and its tokens where they are wanted.
    fn finish(self, stop: Stop, model: &str, backend: &str) -> Result<(String, Vec<Certified>)> {
        let Self { args, mut out, decoder, streams, mut text, tokens, started } = self;
        let rest = decoder.finish();
        text.push_str(rest);
        if args.output.json {
            let token =
                |t: &Certified| json!({"id": t.id, "probability": t.probability, "energies": t.certificate.energies});
            let report = json!({
                "model": model,
                "prompt": args.prompt,
                "text": text,
                "stop": stop,
                "seed": args.seed,
                "backend": backend,
                "tokens": tokens.iter().map(token).collect::<Vec<_>>(),
                "seconds": started.elapsed().as_secs_f64(),
            });
            write_json(&mut out, &report)?;
        } else if streams {
            writeln!(out, "{rest}")?;
        }
        out.flush()?;
        Ok((text, tokens))
    }
}
