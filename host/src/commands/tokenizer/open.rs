//! Which tokenizer a command runs.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Result;
use ebt_data::{DataConfig, dataset};
use ebt_tokenizer::Tokenizer;

use crate::cli::thread_pool;

/// The arguments of a command that runs a tokenizer over lines of standard input.
#[derive(Debug, clap::Args)]
pub struct LineArgs {
    /// tokenizer.json or compact tokenizer, or `full` for the shipped one of 32,768 tokens [default: the shipped one of 4,096]
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Processor threads [default: all cores]; the result does not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl LineArgs {
    /// The tokenizer, and the threads to run it on.
    pub fn open(self) -> Result<(Tokenizer, rayon::ThreadPool)> {
        let pool = thread_pool(self.threads)?;
        Ok((open(self.tokenizer)?, pool))
    }
}

/// Opens a tokenizer, the shipped one where none is named.
pub fn open(path: Option<PathBuf>) -> Result<Tokenizer> {
    dataset::tokenizer(&mut DataConfig { tokenizer: path, ..DataConfig::default() })
}
