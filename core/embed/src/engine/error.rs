//! The one error type of inference; it owns no memory.

use ebt_core::config_error::ConfigError;

/// Why a session, an option or a computation was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model that cannot be built.
    #[error("{0}")]
    Config(ConfigError),
    /// An option that cannot be run.
    #[error("option `{field}`: {requirement}")]
    Option {
        /// The field, dotted (`step_size.shrink`).
        field: &'static str,
        /// What would be right.
        requirement: &'static str,
    },
    /// The memory that was passed is too small.
    #[error("the arena holds {given} bytes and {needed} are needed")]
    Arena {
        /// Bytes that would do.
        needed: usize,
        /// Bytes of the memory that was passed.
        given: usize,
    },
    /// The memory that was passed does not start at a multiple of four.
    #[error("the arena must start at an address that is a multiple of 4")]
    Alignment,
    /// A size that does not fit in the address space of this machine.
    #[error("{what} does not fit in the address space of this machine")]
    Size {
        /// What was to be stored.
        what: &'static str,
    },
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocabulary}")]
    Token {
        /// The id that was given, at or above `vocabulary`.
        id: u32,
        /// Extent `V` of the vocabulary: ids run from 0 to one less.
        vocabulary: usize,
    },
    /// A problem with more cells than the model takes.
    #[error("the problem has {given} cells, and the model takes {most} at most")]
    Cells {
        /// Cells of the problem.
        given: usize,
        /// The model's context.
        most: usize,
    },
    /// A cell of a problem that no token may stand in.
    #[error("cell {cell} of the problem has no allowed token")]
    Empty {
        /// Number of the first such cell, from 0.
        cell: usize,
    },
    /// Arrays whose shapes do not fit together.
    #[error("{what}: expected {expected}, got {given}")]
    Shape {
        /// The extent that does not fit, in words (`rows of the potential`).
        what: &'static str,
        /// The extent that is needed; of logits to sample, the most that fit.
        expected: usize,
        /// The extent that the array or the potential has.
        given: usize,
    },
    /// A value that is not finite where one must be.
    #[error("{what} of position {position} is not finite at descent step {step}")]
    NotFinite {
        /// The quantity, in words: `the energy` or `the gradient`.
        what: &'static str,
        /// Position in the sequence.
        position: usize,
        /// Step of the descent, from 0.
        step: usize,
    },
    /// A logit that no token can be drawn with.
    #[error("the logit of token {id} is not a number or infinite")]
    Logit {
        /// Id of the first token whose logit is NaN or positive infinity.
        id: u32,
    },
    /// No token has a positive probability and is allowed.
    #[error("no token may be generated: all are banned or have probability zero")]
    NoToken,
    /// The caller's callback stopped the descent.
    #[error("cancelled by the caller after a descent step")]
    Cancelled,
}
