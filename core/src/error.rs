//! The one error type of the crate.

use alloc::string::String;

use crate::config_error::ConfigError;

/// Why a computation, a configuration or a file was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A configuration that cannot describe a model or a run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Arrays whose shapes do not fit together.
    #[error("shape of {what}: {message}")]
    Shape {
        /// The array, parameter or operation whose shapes do not fit, by name or as a noun phrase (`a reshape`).
        what: String,
        /// Expected and found.
        message: String,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} at position {position} is outside the vocabulary of {vocabulary}")]
    Token {
        /// The id that was found.
        id: u32,
        /// Its index in the batch.
        position: usize,
        /// Number of tokens of the vocabulary.
        vocabulary: usize,
    },
    /// A fixed memory was too small.
    #[error("out of memory: {needed} bytes more were needed of the {capacity} this backend was given")]
    Memory {
        /// Bytes of the request that failed.
        needed: usize,
        /// Bytes in all.
        capacity: usize,
    },
    /// A value that is not finite where one must be.
    #[error("{tensor} is not finite at step {step}")]
    NonFinite {
        /// The training step, from 0.
        step: u64,
        /// Which quantity, as a noun phrase (`the loss`).
        tensor: String,
    },
    /// A file that is not what it should be.
    #[error("{what}: {message}")]
    Format {
        /// File kind or section.
        what: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A device failure, in the device's words.
    #[error("device: {0}")]
    Device(String),
    /// A replayed computation asked for something else than what was recorded.
    #[error("a replayed pass left its recording at operation {at}: the model code is not deterministic")]
    Replay {
        /// Number of the operation.
        at: usize,
    },
}

/// A result with the error of this crate.
pub type Result<T> = core::result::Result<T, Error>;
