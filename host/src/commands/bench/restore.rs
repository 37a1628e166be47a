//! Restoring letters, as an embedded program does it on one thread: a JSON line a configuration.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use ebt::engine::descent::DescentOptions;
use ebt::{Damage, Restorer};
use serde::Serialize;

use super::median::median;
use crate::cli::{KERNELS, MOST_STEPS, Output, kernel, one_of, whole, write_json_line};
use crate::inference::{InferenceModel, SessionMemory, extents};

/// What is measured.
///
/// One thread restores the held-out sample text, typed without its Turkish letters, line by line, as `restore` does. Fields of the
/// line:
///
/// characters_per_second: median over the passes; least and most beside it. megabytes_per_second: of the typed text.
///
/// arena_bytes: memory of a restorer. scratch_bytes: what it takes for a line of 1,024 bytes. model_bytes: the packed model.
#[derive(Clone, Debug, Serialize, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Model file or packed model, run or checkpoint folder, or hf://OWNER/NAME[@REVISION]/FILE [default: the built-in one]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// Descent steps; 0 = as in training
    #[arg(long, default_value_t = 0, value_parser = whole::<usize>(0..=MOST_STEPS))]
    steps: usize,
    /// Rounds of committing
    #[arg(long, default_value_t = 1, value_parser = whole::<usize>(1..=4096))]
    commits: usize,
    /// Characters of the text
    #[arg(long, default_value_t = 20_000, value_parser = whole::<usize>(1..=1 << 24))]
    characters: usize,
    /// Timed passes over it
    #[arg(long, default_value_t = 5, value_parser = whole::<usize>(1..=1000))]
    passes: usize,
    /// Instructions of the processor
    #[arg(long, value_parser = one_of(KERNELS), default_value = "auto")]
    #[serde(skip)]
    kernel: &'static str,
}

#[derive(Serialize)]
struct Line<'a> {
    characters_per_second: f64,
    least: f64,
    most: f64,
    megabytes_per_second: f64,
    arena_bytes: usize,
    scratch_bytes: usize,
    model_bytes: usize,
    kernel: &'a str,
    config: &'a Args,
}

/// Measures and prints.
///
/// # Errors
///
/// A model that cannot be read or knows no letters, and a value that is not finite.
pub fn run(args: &Args) -> Result<()> {
    let isa = kernel(args.kernel)?;
    let model = InferenceModel::load_restorer(args.model.as_deref(), Damage::Ascii)?;
    let think = DescentOptions { steps: args.steps, commits: args.commits, ..DescentOptions::default() };
    let options = extents(&think, model.model()?.descent.steps);
    let name = || model.name.clone();
    let mut memory = SessionMemory::of_bytes(Restorer::bytes_needed(model.bytes(), &options).with_context(name)?)?;
    let arena_bytes = memory.bytes();
    let mut restorer = Restorer::new(model.bytes(), &options, memory.arena()).with_context(name)?.with_isa(isa);
    let typed = typed(args.characters);
    let lines: Vec<&str> = typed.lines().collect();
    let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    let mut scratch = vec![0; Restorer::bytes_to_settle(longest)];
    let mut times = Vec::new();
    // the first pass is not counted
    for _ in 0..=args.passes {
        let start = Instant::now();
        for line in &lines {
            restorer.settle(line, Damage::Ascii, &think, &mut scratch, &mut |_, _| ())?;
        }
        times.push(start.elapsed().as_secs_f64());
    }
    times.remove(0);
    let middle = median(&mut times);
    let (count, rounded) = (typed.chars().count() as f64, |x: f64| x.round());
    let line = Line {
        characters_per_second: rounded(count / middle),
        least: rounded(count / times.last().copied().unwrap_or(middle)),
        most: rounded(count / times.first().copied().unwrap_or(middle)),
        megabytes_per_second: rounded(typed.len() as f64 / middle / 1e6 * 1e5) / 1e5,
        arena_bytes,
        scratch_bytes: Restorer::bytes_to_settle(1024),
        model_bytes: model.bytes().len(),
        kernel: isa.name(),
        config: args,
    };
    Ok(write_json_line(&mut Output::of_results(), &line)?)
}

/// The first characters of the held-out sample text as they are typed without Turkish letters: of every source in turn.
fn typed(characters: usize) -> String {
    let sources = ebt_fixtures::VALIDATION;
    let share = characters.div_ceil(sources.len().max(1));
    let letters = sources.iter().flat_map(|source| source.text.chars().take(share).chain(['\n']));
    letters.map(Damage::ascii).collect()
}
