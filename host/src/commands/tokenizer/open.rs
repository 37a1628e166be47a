//! Which tokenizer a command runs.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use ebt_data::{DataConfig, dataset};
use ebt_tokenizer::Tokenizer;

use crate::cli::{start_threads, threads};

/// The arguments of a command that runs a tokenizer over lines of standard input.
#[derive(Debug, clap::Args)]
pub struct LineArgs {
    /// tokenizer.json or compact tokenizer, or `full` for the shipped one of 32,768 tokens [default: the shipped one of 4,096]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Processor threads [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N", value_parser = threads())]
    threads: Option<NonZeroUsize>,
}

impl LineArgs {
    /// The tokenizer; parallel work goes to as many threads as are asked for from now on.
    pub fn open(self) -> Result<Tokenizer> {
        start_threads(self.threads)?;
        open(self.tokenizer)
    }
}

/// Opens a tokenizer, the shipped one where none is named.
pub fn open(path: Option<PathBuf>) -> Result<Tokenizer> {
    dataset::tokenizer(&mut DataConfig { tokenizer: path, ..DataConfig::default() })
}
