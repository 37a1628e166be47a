//! A text is scored, and words are finished.

use ebt::{DescentOptions, Error, Generator, SuggestOptions};

use crate::PROMPT;
use crate::print::hexadecimal;

/// What is finished, after the prompt.
const TYPED: [&str; 2] = [" Ankara'd", " b\u{fc}y\u{fc}k "];

/// Memory of a search.
#[repr(align(4))]
struct Memory([u8; 4096]);

/// Bits of the prompt's tokens, and ways to finish words after it.
pub(crate) fn run(generator: &mut Generator<'_, '_>, out: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let think = DescentOptions { seed: 7, ..DescentOptions::default() };
    let search = SuggestOptions { evaluations: 12, paths: 32, bytes: 32, ..SuggestOptions::default() };
    generator.reset();
    out(b"score:");
    generator.score(PROMPT, &think, &mut |scored| hexadecimal(scored.bits.to_bits(), out))?;
    out(b"\n");
    let mut memory = Memory([0; 4096]);
    for typed in TYPED {
        let done = generator.suggest(typed, &think, &search, &mut memory.0, &mut |_| ())?;
        out(b"suggest:");
        hexadecimal(done.evaluations as u32, out);
        out(b"\n");
        generator.suggest(typed, &think, &search, &mut memory.0, &mut |suggestion| {
            out(b"  ");
            out(suggestion.ending.as_bytes());
            out(b"|");
            hexadecimal(suggestion.probability.to_bits(), out);
            out(b"\n");
        })?;
    }
    Ok(())
}
