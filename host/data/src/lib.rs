//! From text to batches: [`input`] (what the paths of a command mean), [`text`] (the one door of text: files are found,
//! read and cleaned), [`shard`] (documents prepared beforehand), [`tokens`] (either as one token stream), [`blocks`] and [`batches`] (the stream in shuffled
//! sequences), [`loader`] (batches gathered ahead), [`dataset`] (all that a run reads, and its tokenizer), [`baselines`]
//! (what a table of counts already predicts).
//!
//! Beside these stands what every program of this house does with the system: mapping files and replacing them whole
//! ([`file`](mod@file)), their digests ([`digest`]), folders that one process at a time works in ([`lock`]), how much memory
//! there is ([`memory`], [`allocator`]), dates ([`date`]), its own name ([`program`]), and reporting how far a long piece of work is ([`progress`]).

pub mod allocator;
pub mod baselines;
pub mod batches;
pub mod blocks;
pub mod dataset;
pub mod date;
pub mod digest;
pub mod encoder;
pub mod file;
pub mod in_use;
pub mod input;
pub mod loader;
pub mod lock;
pub mod memory;
pub mod part;
pub mod program;
pub mod progress;
mod sample;
pub mod shard;
pub mod shuffle;
pub mod text;
pub mod tokens;

pub use batches::{BatchOptions, BatchSource, Batches, Worker};
pub use blocks::Documents;
pub use dataset::{DataConfig, Dataset};
pub use input::Input;
pub use loader::Loader;
pub use tokens::Tokens;

/// The program that wrote a file, as files of data and models record it.
pub const CREATED_BY: &str = concat!("ebt-host ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
pub(crate) mod tests {
    use super::Tokens;
    use crate::part::Encoded;

    /// Begins the documents of test streams.
    pub const BEGIN: u32 = 0;
    /// A token that no test stream holds.
    pub const PAD: u32 = 1;

    /// Documents with these tokens.
    pub fn tokens_of(documents: &[&[u32]], vocabulary: usize) -> Tokens {
        let mut all = Encoded::default();
        documents.iter().for_each(|ids| all.push(BEGIN, ids, 3 * ids.len() as u64, 0));
        Tokens::new(all, vec![String::from("test")], BEGIN, vocabulary)
    }

    /// Documents of these lengths; ids from 2 on, each once.
    pub fn stream(lengths: &[usize]) -> Tokens {
        numbered(lengths, 1 << 20)
    }

    /// The same, with the last three ids outside the vocabulary.
    pub fn damaged(lengths: &[usize]) -> Tokens {
        numbered(lengths, 2 + lengths.iter().sum::<usize>() - 3)
    }

    fn numbered(lengths: &[usize], vocabulary: usize) -> Tokens {
        let mut next = 2..;
        let documents: Vec<Vec<u32>> = lengths.iter().map(|&n| next.by_ref().take(n).collect()).collect();
        tokens_of(&documents.iter().map(Vec::as_slice).collect::<Vec<_>>(), vocabulary)
    }
}
