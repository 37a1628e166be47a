//! `ebt data merge`: parts of a corpus to data of all of it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use ebt_corpus::merge::{Merge, merge};
use ebt_corpus::prepare::CHUNK;
use ebt_data::progress::of_command;
use ebt_data::text;

use super::making::print;
use crate::cli::{refuse_unnamed, thread_count, threads};

/// Make data to train on of parts that `ebt data prepare --part I/N` prepared.
///
/// The result is that of the same `ebt data prepare` without --part, byte for byte: the same documents in the same shards, in
/// the same order, and the same manifest. Documents are dropped here that are like one of an earlier part, and chosen for
/// validation. Every byte of the parts is checked, and no document encoded again. Memory stays below 1 GB.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// Folders of all parts, in any order, and quoted globs
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,
    /// Folder of the data: a new one, or one in which the same command was interrupted
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace finished data in DIR; it is removed first
    #[arg(long)]
    overwrite: bool,
    /// Processor threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads())]
    threads: Option<NonZeroUsize>,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Tell nothing while working
    #[arg(long)]
    quiet: bool,
}

const NOTES: &str = "\
Parts belong together that were made by the same version of this program of the same input files (names, formats and sizes
are compared), with the same options, licences and tokenizer. Each is needed once.

An interrupted command, by Ctrl-C, a full disk or anything else, goes on where it was when it is given again.

Examples:
  ebt data prepare dumps/ --near-duplicates 0.8 --part 1/2 --out parts/1      # on one machine
  ebt data prepare dumps/ --near-duplicates 0.8 --part 2/2 --out parts/2      # on another one
  ebt data merge parts/1 parts/2 --out data/tr";

/// Runs the command.
///
/// # Errors
///
/// Folders that are not all parts of one corpus, damaged shards, a full disk; the message names folder, file or flag.
pub fn run(args: &Args) -> Result<()> {
    let mut parts = Vec::new();
    for name in &args.parts {
        parts.extend(text::expand(name)?);
    }
    refuse_unnamed(parts.iter().chain([&args.out]).map(PathBuf::as_path))?;
    let (out, overwrite, threads) = (args.out.clone(), args.overwrite, thread_count(args.threads));
    let job = Merge { parts, out, overwrite, threads, chunk: CHUNK };
    print(&merge(&job, of_command(args.quiet).as_mut())?, args.json)
}
