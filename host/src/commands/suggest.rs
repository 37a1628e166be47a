//! `ebt suggest`: finishes words.

use std::io::{self, BufRead, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ebt::{DescentOptions, Generator, Options, SuggestOptions, word_start};
use ebt_data::text::clean::normal;
use serde_json::json;

use crate::cli::{KERNELS, Output, by_flag, kernel, one_of, real, steps, whole, write_json_line};
use crate::inference::{InferenceModel, SessionMemory, extents};

/// Finish the word that a text ends in, or say which words come next.
///
/// Every suggestion is a word with its probability, given the text: that of all ways to cut the word into tokens, summed. Behind
/// punctuation or a space whole words are suggested. Without TEXT, every line of standard input is a text of its own.
///
/// The search is best first: it ends when no open path promises more than the last word that is asked for, or after --evaluations.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebt suggest \"Türkiye'nin başk\"
  ebt suggest \"Ankara'd\" -k 3 --json
  printf 'bugün hava \\nİstanbul' | ebt suggest --model runs/turkish")]
pub struct Args {
    /// Text whose last word is finished [default: every line of standard input]
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: Option<String>,
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE [default: a small model that the program brings along]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Most words to suggest
    #[arg(short = 'k', long, value_name = "K", default_value_t = 5, value_parser = whole::<usize>(1..=4096))]
    words: usize,
    /// Most evaluations of the model for a text
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = whole::<usize>(1..=65_536))]
    evaluations: usize,
    /// Paths of tokens that are held at a time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = whole::<usize>(1..=65_536))]
    paths: usize,
    /// Follow paths that promise this multiple of the probability of the last word asked for; 0 = follow all
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = real::<f32>(0.0..))]
    least: f32,
    /// Descent steps of an evaluation [default: as in training]
    #[arg(long, value_name = "N", value_parser = steps())]
    think: Option<NonZeroUsize>,
    /// Print a JSON object a text
    #[arg(long)]
    json: bool,
    /// Instructions of the processor; words do not depend on them
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto", value_name = "KERNEL")]
    kernel: &'static str,
}

/// Runs the command.
///
/// # Errors
///
/// Flags out of range, a model that cannot be read, input that cannot be read or is not UTF-8, and values that are not finite.
pub fn run(args: Args) -> Result<()> {
    let think = DescentOptions { steps: args.think.map_or(0, NonZeroUsize::get), ..DescentOptions::default() };
    let inference = InferenceModel::load(args.model.as_deref())?;
    let session = extents(&think, inference.model()?.descent.steps);
    let options = Options { session, prompt: 1 << 16 };
    let mut memory = inference.generator_memory(&options)?;
    let mut generator = inference.generator(&options, &mut memory, kernel(args.kernel)?)?;
    let paths = args.paths.max(args.words);
    let search = SuggestOptions {
        words: args.words,
        evaluations: args.evaluations,
        paths,
        least: args.least,
        ..SuggestOptions::default()
    };
    let mut scratch = SessionMemory::of_bytes(search.bytes_needed()?)?;
    let mut out = Output::of_results();
    let mut tell = |number: u64, text: &str| -> Result<()> {
        let found = suggestions(&mut generator, text, (&think, &search), scratch.arena())?;
        if args.json {
            let line = json!({ "line": number, "text": text, "words": found.words, "evaluations": found.evaluations });
            write_json_line(&mut out, &line)?;
        } else {
            if number > 1 {
                writeln!(out)?;
            }
            for word in &found.words {
                writeln!(out, "{:>6.2}%  {}", 100.0 * word.probability, word.word)?;
            }
        }
        Ok(out.flush()?)
    };
    if let Some(text) = &args.text {
        return tell(1, &normal(text));
    }
    let (mut input, mut line) = (io::stdin().lock(), String::new());
    for number in 1u64.. {
        line.clear();
        let read = input.read_line(&mut line).with_context(|| format!("standard input, line {number}"))?;
        if read == 0 {
            break;
        }
        tell(number, &normal(line.trim_end_matches(['\n', '\r']))).with_context(|| format!("line {number}"))?;
    }
    Ok(())
}

/// A word that was suggested.
#[derive(serde::Serialize)]
struct Word {
    /// What is typed of it, and its ending.
    word: String,
    ending: String,
    probability: f32,
}

struct Found {
    words: Vec<Word>,
    evaluations: usize,
}

/// Suggestions for a whole text.
fn suggestions(
    generator: &mut Generator<'_, '_>,
    text: &str,
    (think, search): (&DescentOptions, &SuggestOptions),
    scratch: &mut [u8],
) -> Result<Found> {
    generator.reset();
    let (finished, rest) = text.split_at(generator.tokenizer().finished(text));
    generator.prompt(finished)?;
    let typed = &text[word_start(text)..];
    let mut words = Vec::new();
    let done = generator.suggest(rest, think, search, scratch, &mut |suggestion| {
        let (ending, probability) = (suggestion.ending.to_owned(), suggestion.probability);
        words.push(Word { word: format!("{typed}{ending}").trim_start().to_owned(), ending, probability });
    });
    let done = done.map_err(by_flag)?;
    Ok(Found { words, evaluations: done.evaluations })
}
