//! Lossless tokenization of Turkish text.
//!
//! [`Tokenizer`] learns, loads, encodes and decodes; [`compact`] does the last two in place, without std and without a
//! heap, and is all there is without the feature `std`, beside [`letters`]. [`Kind`] says how tokens are chosen.
//!
//! Every Unicode string encodes to token ids and decodes back to itself, byte for byte: there is
//! no normaliser, no added prefix space and no unknown token. Special tokens (`<s>`, `<pad>`, …)
//! exist as ids only. Text that happens to spell one of them is encoded as ordinary text, so a
//! document cannot smuggle control tokens into a model; a caller who wants one asks for its id
//! with [`Tokenizer::special`].
//!
//! ```
//! use ebt_tokenizer::{Special, StreamDecoder, Tokenizer, TrainOptions};
//!
//! # fn main() -> Result<(), ebt_tokenizer::TokenizerError> {
//! let texts = ["Ankara'nın başkent oluşu", "İstanbul'un ilçeleri"].map(String::from);
//! let options = TrainOptions { vocabulary_size: 300, ..TrainOptions::default() };
//! let tokenizer = Tokenizer::train(texts.into_iter(), options)?;
//!
//! let ids = tokenizer.encode("İzmir'in <s> simgesi")?;
//! assert!(!ids.contains(&tokenizer.special(Special::Begin).unwrap_or(u32::MAX)));
//! assert_eq!(tokenizer.decode(&ids)?, "İzmir'in <s> simgesi");
//!
//! let mut stream = StreamDecoder::new(&tokenizer);
//! let mut text = String::new();
//! for id in ids {
//!     text.push_str(stream.push(id)?);
//! }
//! text.push_str(stream.finish());
//! assert_eq!(text, "İzmir'in <s> simgesi");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

pub mod compact;
pub mod letters;
mod special;

#[cfg(feature = "std")]
mod alphabet;
#[cfg(feature = "std")]
mod build;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
mod format;
#[cfg(feature = "std")]
mod guard;
#[cfg(feature = "std")]
mod library;
#[cfg(feature = "std")]
mod stream;
#[cfg(feature = "std")]
mod table;
#[cfg(feature = "std")]
mod tokenizer;
#[cfg(feature = "std")]
mod train;

pub use special::Special;

#[cfg(feature = "std")]
pub use error::TokenizerError;
#[cfg(feature = "std")]
pub use library::{Library, LibraryToken};
#[cfg(feature = "std")]
pub use stream::StreamDecoder;
#[cfg(feature = "std")]
pub use tokenizer::{Kind, Tokenizer};
#[cfg(feature = "std")]
pub use train::{ProgressSink, TrainOptions, TrainProgress, VOCABULARY_SIZES};
