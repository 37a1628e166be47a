//! Damaged text is restored.

use ebt::{Damage, DescentOptions, Error, Letter, Restorer, SessionOptions};

use crate::print::{hexadecimal, size};

/// Text as people type it: without Turkish letters, with some of them, and things that are to be left alone.
const TEXTS: [&str; 3] = [
    "Turkiye'nin baskenti Ankara'dir. ISTANBUL'un nufusu 15 milyonu asti; Izmir'in yagisli gunleri azaldi.",
    "yarin aksam görüşuruz, cok ozledim sizi! https://ornek.com.tr/sicak adresine bak, ali@ornek.com yaz :)",
    "Madde 3 - Bu Kanunun uygulanmasinda soz konusu isyerleri ile isciler hakkinda asagidaki hukumler gecerlidir.",
];

/// One candidate and the steps of the model: what a restorer takes.
fn options() -> SessionOptions {
    SessionOptions { rows: 1, steps: 1, ..SessionOptions::default() }
}

/// Runs everything with `model` in `arena`; what is printed goes to `out`.
///
/// # Errors
///
/// The number of the step that failed, for an exit status.
pub fn run(model: &[u8], arena: &mut [u8], out: &mut dyn FnMut(&[u8])) -> Result<(), u32> {
    let needed = Restorer::bytes_needed(model, &options()).map_err(|_| 40u32)?;
    size(b"restorer", model.len(), out);
    size(b"letters", needed, out);
    let (arena, scratch) = needed
        .checked_next_multiple_of(64)
        .and_then(|needed| arena.split_at_mut_checked(needed))
        .ok_or(41u32)?;
    let mut restorer = Restorer::new(model, &options(), arena).map_err(|_| 42u32)?;
    for (number, text) in (43u32..).zip(TEXTS) {
        // the optimiser must not know the text: what is proved for this one would say nothing of others
        restore(&mut restorer, core::hint::black_box(text), scratch, out).map_err(|_| number)?;
    }
    Ok(())
}

fn restore(
    restorer: &mut Restorer<'_, '_>,
    text: &str,
    scratch: &mut [u8],
    out: &mut dyn FnMut(&[u8]),
) -> Result<(), Error> {
    let mut sums = 0u32;
    let put = &mut |pass: usize, letter: Letter| {
        sums = sums.rotate_left(5) ^ letter.probability.to_bits() ^ pass as u32;
    };
    let restored = restorer.settle(text, Damage::Ascii, &DescentOptions::default(), scratch, put)?;
    out(restored.as_bytes());
    out(b"|");
    hexadecimal(sums, out);
    out(b"\n");
    Ok(())
}
