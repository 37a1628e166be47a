//! Names and arguments of kernel launches.

use crate::kind::Kind;

/// A kernel: file `kernels/<family>.cu`, function `<name>_<kind>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kernel {
    pub(crate) family: &'static str,
    pub(crate) name: &'static str,
    /// Storage type that the file is compiled for.
    pub(crate) kind: Kind,
}

/// A kernel argument. Scalars lie in the low bytes of a word (both host and device are little-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arg<'a> {
    /// Pointer or scalar.
    Word(u64),
    /// A structure passed by value.
    Words(&'a [u64]),
}

macro_rules! scalar_args {
    ($($type:ty => $bits:expr),*) => {
        $(impl From<$type> for Arg<'_> {
            fn from(value: $type) -> Self {
                let bits: fn($type) -> u64 = $bits;
                Arg::Word(bits(value))
            }
        })*
    };
}

scalar_args! {
    u32 => u64::from,
    i32 => |x| u64::from(x.cast_unsigned()),
    u64 => |x| x,
    f32 => |x| u64::from(x.to_bits())
}

/// Kernel arguments in order.
macro_rules! args {
    ($($arg:expr),* $(,)?) => {
        &[$($crate::launch::Arg::from($arg)),*]
    };
}
pub(crate) use args;
