//! From raw corpora to prepared data.
//!
//! Files are found, and documents cleaned, by `ebt_data::text`. [`read`] gives their documents, those of Parquet and Arrow
//! too, [`documents`] also those of shards, [`chunks`] does so ahead of time. [`language`] looks at one document,
//! [`duplicates`] at all of them. [`prepare`] puts it together, [`merge`] what was prepared in parts. `hub` (with the feature of that name) fetches files of the Hugging Face hub.

pub mod chunks;
pub mod documents;
pub mod duplicates;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "language")]
pub mod language;
#[cfg(not(feature = "language"))]
#[path = "no_language.rs"]
pub mod language;
pub mod licence;
pub mod merge;
pub mod prepare;
pub mod read;
