//! The packed model: a file that inference uses in place, from flash or from a memory map, without heap.
//!
//! ```text
//! 0    magic         89 'E' 'B' 'P' 0D 0A 1A 0A   (a transfer as text damages it visibly)
//! 8    version       u32
//! 12   header bytes  u32
//! 16   file bytes    u64
//! 24   header        postcard: Config, DescentDefaults, Storage, number of provenance pairs, the pairs, tokenizer bytes
//! ...  sections      each at a multiple of 64, zeros between:
//!        token embedding (V, D); candidate mixing or output matrix (V, D) unless tied; of a joint model the mixing matrix alone
//!        of a joint model: flags (2, D), vectors of positions (rows, D) if there are any
//!        of every block: qkv, wo, relations (classes, H) if there are any, then w13 and w2, or gate, routing bias, experts' w13 and w2, shared w13 and w2
//!        plain gains, if something is unmodulated: w1, w2 of every block, then w of the final norm
//!        of every landscape: w1, b1, a1, w2, b2, a2 of every block, then w, b of the final norm
//!        energy head (D), or of a joint model with a head of logits its matrix (V, D) and bias (V)
//!        tokenizer (compact form); of a joint model of letters its table of words
//! end  checksum      u32: CRC-32 of everything before
//! ```
//!
//! All integers are little-endian. A matrix is two sections: values row by row, and scales row by row (none for floats).
//! Vectors are singles. The order and the sizes follow from the configuration, so there is no table to keep. AdaLN's
//! modulation depends on the landscape alone and is folded: `w1 = gain1 (1 + g1)`, so the file holds vectors instead of the
//! `(6D, D)` matrices.
//!
//! [`Model::read`] takes any bytes of any alignment: it checks every size against the file before it believes it, never
//! panics, allocates nothing, and its time is linear in the length of the file. [`VERSION`] changes whenever
//! [`Config`](ebt_core::config::Config) or [`DescentDefaults`] do, because postcard stores fields by position. Files from
//! [`OLDEST`] on are read; the configuration of version 2 had no joint models, that of version 3 no last token.

mod error;
mod header;
mod kernel;
mod layout;
mod matrix;
mod model;
mod older;
#[cfg(feature = "pack")]
mod pack;
mod parts;
mod product;
pub(crate) mod quantize;
mod storage;

pub use error::ReadError;
pub use header::{ALIGNMENT, DescentDefaults, MAGIC, OLDEST, VERSION};
pub use kernel::{Avx2, Avx512, Isa};
pub use matrix::{Floats, Matrix};
pub use model::{Model, Provenance};
#[cfg(feature = "pack")]
pub use pack::{Contents, matrices, pack, round, unpack};
pub use parts::{
    Block, BlockCondition, BlockConditionOf, BlockOf, ConditionOf, FeedForward, FeedForwardOf, HeadCondition,
    HeadConditionOf, Marks, MarksOf, Output, OutputOf, Swiglu, SwigluOf,
};
pub use storage::{GROUP, Storage};
