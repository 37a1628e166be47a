//! What the commands `ebt tokenizer ...` do: [`train`] (files to a tokenizer), from [`blocks`] (files to documents, block
//! by block); [`lines`] (text to ids and back, line by line); [`measure`] (how well a tokenizer writes a text).

pub mod blocks;
pub mod lines;
pub mod measure;
pub mod train;
