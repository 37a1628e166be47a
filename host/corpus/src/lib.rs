//! From raw corpora to prepared data.
//!
//! [`inputs`] finds the files, [`format`](mod@format) says what they are, [`read`] gives their documents, [`chunks`]
//! does so ahead of time. [`clean`] and [`language`] look at one document, [`duplicates`] at all of them. [`prepare`]
//! puts it together. [`hub`] fetches files of the Hugging Face hub.

pub mod chunks;
pub mod clean;
pub mod duplicates;
pub mod format;
pub mod hub;
pub mod inputs;
pub mod language;
pub mod licence;
pub mod prepare;
pub mod read;
