//! Byte-level BPE tokenization.
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

mod alphabet;
mod error;
mod format;
mod special;
mod stream;
mod table;
mod tokenizer;
mod train;

pub use error::TokenizerError;
pub use special::Special;
pub use stream::StreamDecoder;
pub use tokenizer::Tokenizer;
pub use train::{ProgressSink, TrainOptions, TrainProgress};
