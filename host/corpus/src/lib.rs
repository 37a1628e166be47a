//! From raw corpora to prepared data.
//!
//! [`inputs`] finds the files, [`format`](mod@format) says what they are, [`read`] gives their documents, [`chunks`]
//! does so ahead of time. [`clean`] and [`language`] look at one document, [`duplicates`] at all of them. [`prepare`]
//! puts it together. `hub` (with the feature of that name) fetches files of the Hugging Face hub.

pub mod chunks;
pub mod clean;
pub mod duplicates;
pub mod format;
#[cfg(feature = "hub")]
pub mod hub;
pub mod inputs;
#[cfg(feature = "language")]
pub mod language;
#[cfg(not(feature = "language"))]
#[path = "no_language.rs"]
pub mod language;
pub mod licence;
pub mod prepare;
pub mod read;
