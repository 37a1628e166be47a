//! `ebt score`: how well a model predicts a text, token by token.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use ebt::{DescentOptions, Options, SessionOptions};
use ebt_data::progress::Counter;
use ebt_data::text::clean::normal;
use serde::Serialize;

use crate::cli::{KERNELS, Output, by_flag, kernel, one_of, steps, write_json};
use crate::inference::{InferenceModel, extents};

/// Say how many bits a text takes with a model: of every byte, and of every token.
///
/// The text is one document, read from FILE or from standard input: `-log2` of the probability of every token, given those before it.
/// Text that the model finds likely takes few bits. The text is read as training text is: in Unicode NFC, with LF at line ends.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt score mektup.txt
  echo \"Ankara'da yağmur yağıyor.\" | ebt score --by-token
  ebt score --model runs/turkish --json mektup.txt")]
pub struct Args {
    /// Text in UTF-8 [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE [default: a small model that the program brings along]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Descent steps [default: as in training]
    #[arg(long, value_name = "N", value_parser = steps())]
    think: Option<NonZeroUsize>,
    /// Print the bits of every token, too
    #[arg(long)]
    by_token: bool,
    /// Print one JSON object; with --by-token every token is in it
    #[arg(long)]
    json: bool,
    /// Instructions of the processor; bits do not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    kernel: &'static str,
}

/// Tokens that are computed together.
const TOGETHER: usize = 64;

/// Most bytes of a word, and of text that is encoded together.
const PIECE: usize = 1 << 16;

#[derive(Serialize)]
struct Report {
    model: String,
    tokens: usize,
    bytes: usize,
    bits: f64,
    bits_per_token: f64,
    bits_per_byte: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    each: Option<Vec<Token>>,
}

#[derive(Serialize)]
struct Token {
    id: u32,
    at: usize,
    piece: String,
    bits: f32,
}

/// The text that is named.
fn read(file: Option<&Path>) -> Result<String> {
    let (bytes, name) = match file {
        Some(path) => (std::fs::read(path), path.display().to_string()),
        None => {
            let mut all = Vec::new();
            (io::stdin().lock().read_to_end(&mut all).map(|_| all), "standard input".to_owned())
        }
    };
    let bytes = bytes.with_context(|| format!("{name} cannot be read"))?;
    let text = String::from_utf8(bytes);
    text.map_err(|error| error.utf8_error()).with_context(|| format!("{name} is not UTF-8 text"))
}

/// Runs the command.
///
/// # Errors
///
/// A file or a model that cannot be read, text that is empty or not UTF-8, and values that are not finite.
pub fn run(args: Args) -> Result<()> {
    let text = read(args.file.as_deref())?;
    let text = normal(&text);
    if text.is_empty() {
        bail!("there is no text to score");
    }
    let think = DescentOptions { steps: args.think.map_or(0, NonZeroUsize::get), ..DescentOptions::default() };
    let inference = InferenceModel::load(args.model.as_deref())?;
    let session = SessionOptions { rows: TOGETHER, ..extents(&think, inference.model()?.descent.steps) };
    let options = Options { session, prompt: PIECE };
    let mut memory = inference.generator_memory(&options)?;
    let mut generator = inference.generator(&options, &mut memory, kernel(args.kernel)?)?;
    let progress = Counter::new(!args.json && !args.by_token, text.len());
    let (mut out, mut each, mut written) = (Output::of_results(), Vec::new(), Ok(()));
    let score = generator.score(&text, &think, &mut |scored| {
        progress.advance(scored.bytes.len());
        if !args.by_token {
            return;
        }
        let piece = String::from_utf8_lossy(scored.bytes);
        if args.json {
            each.push(Token { id: scored.id, at: scored.at, piece: piece.into_owned(), bits: scored.bits });
        } else if written.is_ok() {
            let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
            written = writeln!(out, "{:>8.3}  {}", scored.bits, piece.chars().map(shown).collect::<String>());
        }
    });
    written?;
    let score = score.map_err(by_flag)?;
    let report = Report {
        model: inference.name.clone(),
        tokens: score.tokens,
        bytes: score.bytes,
        bits: score.bits,
        bits_per_token: score.bits / score.tokens as f64,
        bits_per_byte: score.bits / score.bytes as f64,
        each: args.by_token.then_some(each),
    };
    if args.json {
        return Ok(write_json(&mut out, &report)?);
    }
    let Report { tokens, bytes, bits, bits_per_token, bits_per_byte, .. } = report;
    writeln!(out, "{tokens} tokens, {bytes} bytes: {bits:.1} bits")?;
    writeln!(out, "{bits_per_byte:.4} bits per byte, {bits_per_token:.4} bits per token")?;
    Ok(out.flush()?)
}
