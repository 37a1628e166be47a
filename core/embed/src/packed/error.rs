//! Why bytes are not a packed model.

use core::fmt;

use super::header::{OLDEST, VERSION};
use ebt_core::config_error::ConfigError;

/// Why bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes do not begin with the signature.
    Foreign,
    /// Another version of the format.
    Version {
        /// Version number of the file, outside [`OLDEST`] to [`VERSION`].
        found: u32,
    },
    /// There are fewer bytes than the file had.
    CutShort {
        /// Bytes that were given, fewer than `whole`.
        found: u64,
        /// Bytes of the whole file.
        whole: u64,
    },
    /// Bytes follow the end of the model.
    TooLong {
        /// Bytes behind the end that the file states, at least 1.
        extra: u64,
    },
    /// The checksum does not match.
    Checksum,
    /// A field of the header cannot be read.
    Header {
        /// What could not be read, in words (`the configuration`).
        field: &'static str,
    },
    /// The configuration cannot describe a model.
    Config(ConfigError),
    /// The sections do not have the length that the configuration asks for.
    Sections,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Foreign => {
                f.write_str("this is not a packed model: it does not begin with the signature of packed models")
            }
            ReadError::Version { found } => {
                write!(
                    f,
                    "format version {found} of the packed model cannot be read: this program reads versions {OLDEST} to {VERSION}"
                )?;
                let remedy =
                    if *found > VERSION { "; a newer one wrote it" } else { "; export it again from its model file" };
                f.write_str(remedy)
            }
            ReadError::CutShort { found, whole } => {
                write!(f, "the packed model was cut short: {found} bytes are left of {whole}")
            }
            ReadError::TooLong { extra } => write!(f, "{extra} bytes follow the end of the packed model"),
            ReadError::Checksum => f.write_str("the checksum does not match: the packed model is damaged"),
            ReadError::Header { field } => write!(f, "{field} in the header of the packed model cannot be read"),
            ReadError::Config(error) => {
                // no number is printed: floating-point formatting is much code
                write!(f, "configuration field `{}` of the packed model: {}", error.field, error.rule)
            }
            ReadError::Sections => {
                f.write_str("the packed model does not hold as many bytes as its configuration asks for")
            }
        }
    }
}

impl core::error::Error for ReadError {}

impl From<ConfigError> for ReadError {
    fn from(error: ConfigError) -> Self {
        ReadError::Config(error)
    }
}

#[cfg(feature = "pack")]
impl From<ReadError> for ebt_core::error::Error {
    fn from(error: ReadError) -> Self {
        let message = alloc::string::ToString::to_string(&error);
        ebt_core::error::Error::Format { what: "packed model", message }
    }
}
