//! Making compact tokenizers.

mod compact;
mod json;
mod trie;

pub(crate) use compact::{Parts, Rules, class_table};
pub(crate) use trie::TrieBuilder;
