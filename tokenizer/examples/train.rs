//! Trains a tokenizer on text files and writes its `tokenizer.json`.
//!
//! ```text
//! cargo run --release -p ebt-tokenizer --example train -- OUTPUT VOCABULARY_SIZE INPUT...
//! ```
//!
//! A blank line in an input file separates documents. Files are read in the order given.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use ebt_tokenizer::{Tokenizer, TrainOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [output, size, inputs @ ..] = arguments.as_slice() else {
        return Err("usage: train OUTPUT VOCABULARY_SIZE INPUT...".into());
    };
    let vocabulary_size =
        (size.parse()).map_err(|error| format!("the vocabulary size {size:?} is not a number: {error}"))?;
    let mut documents = Vec::new();
    for input in inputs.iter().map(PathBuf::from) {
        let text = fs::read_to_string(&input).map_err(|error| format!("cannot read {}: {error}", input.display()))?;
        documents.extend(text.split("\n\n").map(|document| document.trim().to_owned()));
    }
    let options = TrainOptions { vocabulary_size, ..TrainOptions::default() };
    let tokenizer = Tokenizer::train(documents.into_iter(), options)?;
    fs::write(output, tokenizer.to_json()? + "\n").map_err(|error| format!("cannot write {output}: {error}"))?;
    println!("{output}: {} tokens, fingerprint {:016x}", tokenizer.vocabulary_size(), tokenizer.fingerprint());
    Ok(())
}
