//! `ebt restore`: puts letters back into damaged text.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use ebt::engine::descent::DescentOptions;
use ebt::{Damage, Letter, Restorer};
use serde_json::json;

use crate::cli::{KERNELS, Output, SearchArgs, by_flag, kernel, one_of, real, steps};
use crate::inference::{InferenceModel, SessionMemory, extents};

/// Put letters back into damaged text.
///
/// Text is read from standard input and printed restored, line by line: `Turkiye'nin baskenti` becomes `Türkiye'nin başkenti`. Only
/// letters that may have been damaged are changed, each into one of those that it may have been, in its own case; addresses, paths,
/// code and all else come out as they were, to the byte. Restoring what was restored changes nothing, but where letters were mistaken
/// for others (`keyboard`, `ocr`), which stay in doubt.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo \"Turkiye'nin baskenti\" | ebt restore
  ebt restore --mark 0.9 < mektup.txt
  echo \"T_rkiye'nin ba_kenti\" | ebt restore --damage missing
  ebt restore --damage circumflex --json < lines.txt")]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE, as `ebt train --preset restore` makes one [default: a built-in one]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// What happened to the text; the model must have learned that
    #[arg(long, value_parser = one_of(Damage::ALL), default_value = "ascii", value_name = "KIND")]
    damage: Damage,
    /// The text was typed without Turkish letters: --damage ascii
    #[arg(long, conflicts_with = "damage")]
    ascii: bool,
    /// Descent steps [default: as in training]
    #[arg(long, value_name = "N", value_parser = steps())]
    think: Option<NonZeroUsize>,
    #[command(flatten)]
    search: SearchArgs,
    /// Put letters that the model holds less probable than P into brackets
    #[arg(long, value_name = "P", value_parser = real::<f32>(0.0..=1.0), conflicts_with = "json")]
    mark: Option<f32>,
    /// Print a JSON object a line: the text, and every letter in doubt with its place in bytes, before and after, and its probability
    #[arg(long)]
    json: bool,
    /// Pass bytes through that are not UTF-8, instead of refusing them
    #[arg(long)]
    lossy: bool,
    /// Instructions of the processor; answers do not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    kernel: &'static str,
}

/// Runs the command.
///
/// # Errors
///
/// A model that cannot be read or knows no letters, input that cannot be read or is not UTF-8; the lines before it are restored.
pub fn run(args: Args) -> Result<()> {
    let (starts, usual) = (args.search.starts.get(), DescentOptions::default());
    let think = DescentOptions {
        steps: args.think.map_or(0, NonZeroUsize::get),
        commits: args.search.commits,
        candidates: starts,
        // nothing is chosen from a single start, and a model without an energy cannot assess it
        choose: if starts > 1 { args.search.choose } else { usual.choose },
        ..usual
    };
    think.validate().map_err(by_flag)?;
    let inference = InferenceModel::load_restorer(args.model.as_deref(), args.damage)?;
    let options = extents(&think, inference.model()?.descent.steps);
    let name = || inference.name.clone();
    let file = inference.bytes();
    let mut memory = SessionMemory::of_bytes(Restorer::bytes_needed(file, &options).with_context(name)?)?;
    let restorer = Restorer::new(file, &options, memory.arena()).with_context(name)?;
    let mut restorer = restorer.with_isa(kernel(args.kernel)?);
    let mut out = Output::of_results();
    let (mut input, mut line) = (io::stdin().lock(), Vec::new());
    for number in 1u64.. {
        line.clear();
        if input.read_until(b'\n', &mut line).context("standard input cannot be read")? == 0 {
            break;
        }
        let end = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
        let (text, end) = line.split_at(line.len() - end);
        let restored = restored(&args, &think, &mut restorer, text).with_context(|| format!("line {number}"))?;
        if args.json {
            writeln!(out, "{}", restored.as_json(number))?;
        } else {
            out.write_all(&restored.text)?;
            out.write_all(end)?;
        }
        out.flush()?;
    }
    Ok(())
}

/// A restored line.
#[derive(Default)]
struct Restored {
    text: Vec<u8>,
    letters: Vec<serde_json::Value>,
}

impl Restored {
    fn as_json(&self, line: u64) -> serde_json::Value {
        json!({ "line": line, "text": String::from_utf8_lossy(&self.text), "letters": self.letters })
    }

    /// Appends a letter; `at` is where it stood in the line.
    fn push(&mut self, args: &Args, at: usize, letter: &Letter) {
        let to = self.text.len();
        let unsure = letter.in_doubt && args.mark.is_some_and(|least| letter.probability < least);
        let (open, close): (&[u8], &[u8]) = if unsure { (b"[", b"]") } else { (b"", b"") };
        let mut utf8 = [0; 4];
        self.text.extend([open, letter.is.encode_utf8(&mut utf8).as_bytes(), close].concat());
        if args.json && letter.in_doubt {
            let Letter { was, is, probability, .. } = *letter;
            self.letters.push(json!({ "at": at, "to": to, "was": was, "is": is, "probability": probability }));
        }
    }
}

/// Restores a line.
fn restored(args: &Args, think: &DescentOptions, restorer: &mut Restorer<'_, '_>, line: &[u8]) -> Result<Restored> {
    let (mut all, mut at) = (Restored::default(), 0);
    for chunk in line.utf8_chunks() {
        for letter in settled(restorer, chunk.valid(), args.damage, think)? {
            all.push(args, at + letter.at, &letter);
        }
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() && !args.lossy {
            bail!("byte {} is not UTF-8; --lossy passes such bytes through", at + 1);
        }
        all.text.extend_from_slice(chunk.invalid());
        at += chunk.invalid().len();
    }
    Ok(all)
}

/// Restores a text until nothing more changes; a letter that was put right keeps the probability that it had then.
fn settled(restorer: &mut Restorer<'_, '_>, text: &str, damage: Damage, think: &DescentOptions) -> Result<Vec<Letter>> {
    let (mut letters, mut scratch) = (Vec::<Letter>::new(), vec![0; Restorer::bytes_to_settle(text.len())]);
    let mut at = (0, 0);
    restorer.settle(text, damage, think, &mut scratch, &mut |pass, again| {
        if pass == 0 {
            return letters.push(again);
        }
        let i = if at.0 == pass { at.1 } else { 0 };
        at = (pass, i + 1);
        if let Some(letter) = letters.get_mut(i).filter(|_| again.in_doubt) {
            (letter.is, letter.probability) = (again.is, again.probability);
        }
    })?;
    Ok(letters)
}
