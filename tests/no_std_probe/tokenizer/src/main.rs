//! Proof that the compact tokenizer needs neither std nor a heap: a static program without an allocator (it would not link
//! if anything asked for memory) that encodes and decodes with tables in its own image. It prints the ids by a raw system
//! call and exits with 0 only if the text came back.

#![no_std]
#![no_main]

#[path = "../../src/machine.rs"]
mod machine;

use core::fmt::Write;

use ebt_tokenizer::compact::{CompactError, CompactTokenizer};
use machine::Output;

static TABLES: &[u8] = include_bytes!("../../../../fixtures/tokenizer.bin");
const TEXT: &str = "Ankara'da yaşıyorum; İstanbul'un ilçelerini ve TBMM'nin 1923'teki kararlarını okudum. 👍\n";

/// Encodes, streams back, compares.
fn round_trip() -> Result<bool, CompactError> {
    let tokenizer = CompactTokenizer::from_bytes(TABLES)?;
    let (mut ids, mut bytes) = ([0; 2 * TEXT.len()], [0; TEXT.len()]);
    let count = tokenizer.encode(TEXT, &mut ids)?;
    let mut told = write!(Output, "encoded without std and heap: {count} tokens:");
    let mut stream = tokenizer.stream();
    for &id in &ids[..count] {
        told = told.and_then(|()| write!(Output, " {id}|{}", stream.push(id).map_err(|_| core::fmt::Error)?));
    }
    let length = tokenizer.decode(&ids[..count], &mut bytes)?;
    Ok(told.is_ok() && bytes[..length] == *TEXT.as_bytes())
}

/// Called by the entry point with a stack that is aligned.
extern "C" fn main() -> ! {
    let same = match round_trip() {
        Ok(same) => same,
        Err(error) => {
            let _ = writeln!(Output, "failed: {error}");
            false
        }
    };
    machine::exit(i32::from(!same))
}
