//! What functions return.

use core::ffi::{CStr, c_char, c_int};

use ebt_tokenizer::compact::CompactError;

use crate::Error;
use crate::engine;

/// What every function returns: 0 and above is success, below 0 an error. `ebt_strerror` makes a sentence of it.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// Done, and the model has ended the text.
    End = 1,
    /// A pointer that must not be null is null.
    Null = -1,
    /// A pointer is not aligned, or a length is larger than any object.
    Length = -2,
    /// The bytes are no packed model that this version reads, or are damaged.
    Model = -3,
    /// The packed model holds no tokenizer, or one that does not fit it.
    Tokenizer = -4,
    /// An option is out of its range.
    Option = -5,
    /// The memory is too small; `ebt_bytes_needed` says how much is needed.
    Memory = -6,
    /// The sizes do not fit in the address space of this machine.
    Size = -7,
    /// The text is not UTF-8.
    Utf8 = -8,
    /// The prompt is longer than option `prompt` allows.
    Prompt = -9,
    /// The buffer for the text is too small; `ebt_piece_bytes` says how much a piece needs, and restoring takes four bytes a byte.
    Buffer = -10,
    /// A token id is outside the vocabulary.
    Token = -11,
    /// A setting is out of its range, or needs an option that the generator was not opened with.
    Setting = -12,
    /// The callback cancelled the descent.
    Cancelled = -13,
    /// An energy, a gradient or a logit is not finite.
    NotFinite = -14,
    /// No token may be drawn.
    NoToken = -15,
    /// The handle is not one of an open generator, solver or restorer.
    Closed = -16,
    /// The generator or solver is in use: a callback may not use the one that calls it.
    Busy = -17,
    /// A problem does not fit the model, or a cell of it has no allowed token.
    Problem = -18,
}

impl Status {
    /// The number that C sees.
    pub fn code(self) -> c_int {
        self as c_int
    }

    /// What is wrong, and what would be right.
    pub fn sentence(self) -> &'static CStr {
        match self {
            Self::Ok => c"no error",
            Self::End => c"the model ended the text",
            Self::Null => c"a pointer that must not be null is null",
            Self::Length => c"a pointer is not aligned, or a length is larger than any object can be",
            Self::Model => c"the bytes are no packed model that this version reads, or are damaged",
            Self::Tokenizer => c"the packed model holds no tokenizer, or one that does not fit it",
            Self::Option => c"an option is out of its range",
            Self::Memory => c"the memory is too small: ebt_bytes_needed says how much is needed",
            Self::Size => c"the sizes do not fit in the address space of this machine",
            Self::Utf8 => c"the text is not UTF-8",
            Self::Prompt => c"the prompt is longer than option `prompt` allows: give it in parts",
            Self::Buffer => c"the buffer for the text is too small: ebt_piece_bytes says how much a piece needs, restoring takes 4 bytes a byte",
            Self::Token => c"a token id is outside the vocabulary",
            Self::Setting => {
                c"a setting is out of its range, or needs an option that the generator was not opened with"
            }
            Self::Cancelled => c"the callback cancelled the descent",
            Self::NotFinite => c"an energy, a gradient or a logit is not finite",
            Self::NoToken => c"no token may be drawn",
            Self::Closed => c"the handle is not one of an open generator, solver or restorer",
            Self::Busy => c"the generator or solver is in use: a callback may not use the one that calls it",
            Self::Problem => {
                c"the problem does not fit the model, or a cell has no allowed token: ebt_solver_sizes says what fits"
            }
        }
    }
}

/// All of them.
pub(super) static ALL: [Status; 20] = [
    Status::Ok,
    Status::End,
    Status::Null,
    Status::Length,
    Status::Model,
    Status::Tokenizer,
    Status::Option,
    Status::Memory,
    Status::Size,
    Status::Utf8,
    Status::Prompt,
    Status::Buffer,
    Status::Token,
    Status::Setting,
    Status::Cancelled,
    Status::NotFinite,
    Status::NoToken,
    Status::Closed,
    Status::Busy,
    Status::Problem,
];

/// The code of an error from reading a model and opening a generator.
pub(super) fn of_open(error: Error) -> Status {
    match error {
        Error::Engine(engine::Error::Option { .. }) => Status::Option,
        other => of_use(other),
    }
}

/// The code of an error from using a generator.
pub(super) fn of_use(error: Error) -> Status {
    match error {
        Error::Model(_) => Status::Model,
        Error::NoTokenizer | Error::Vocabulary { .. } | Error::NoBegin => Status::Tokenizer,
        Error::Tokenizer(CompactError::IdOutOfRange { .. }) => Status::Token,
        Error::Tokenizer(_) => Status::Tokenizer,
        Error::Prompt { .. } => Status::Prompt,
        Error::Engine(error) => match error {
            engine::Error::Option { .. } => Status::Setting,
            engine::Error::Config(_) => Status::Model,
            engine::Error::Arena { .. } => Status::Memory,
            engine::Error::Alignment | engine::Error::Shape { .. } => Status::Length,
            engine::Error::Cells { .. } | engine::Error::Empty { .. } => Status::Problem,
            engine::Error::Size { .. } => Status::Size,
            engine::Error::Token { .. } => Status::Token,
            engine::Error::NotFinite { .. } | engine::Error::Logit { .. } => Status::NotFinite,
            engine::Error::NoToken => Status::NoToken,
            engine::Error::Cancelled => Status::Cancelled,
        },
    }
}

/// A sentence for a code that a function returned; never null, never to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn ebt_strerror(status: c_int) -> *const c_char {
    let known = ALL.iter().find(|s| s.code() == status);
    known.map_or(c"this is no code of ebt", |s| s.sentence()).as_ptr()
}
