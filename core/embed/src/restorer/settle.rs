//! Restoring until nothing changes any more.

use core::mem::swap;

use ebt_tokenizer::letters::Damage;

use super::{Letter, Restorer};
use crate::engine::descent::DescentOptions;
use crate::{EngineError, Error};

/// What a text took more bytes than there were, or is no text, although neither can be.
const LOST: Error = Error::Engine(EngineError::Size { what: "the restored text" });

impl Restorer<'_, '_> {
    /// Bytes of memory that [`Restorer::settle`] takes for a text of so many bytes: two copies, in which every byte may have become two.
    pub fn bytes_to_settle(length: usize) -> usize {
        length.saturating_mul(4)
    }

    /// Restores `text` until nothing changes any more, so that restoring the result changes nothing: what was put right is known in the
    /// next pass, and never in doubt again. Where every letter stays in doubt, as with mistaken ones, one pass is all. `put(pass,
    /// letter)` sees every character of every pass in order. The result lies in `memory`.
    ///
    /// # Errors
    ///
    /// As [`Restorer::restore`], and memory that is too small.
    pub fn settle<'t>(
        &mut self,
        text: &str,
        damage: Damage,
        think: &DescentOptions,
        memory: &'t mut [u8],
        put: &mut dyn FnMut(usize, Letter),
    ) -> Result<&'t str, Error> {
        let (needed, given) = (Self::bytes_to_settle(text.len()), memory.len());
        let memory = memory.get_mut(..needed).ok_or(Error::Engine(EngineError::Arena { needed, given }))?;
        let (mut now, mut next) = memory.split_at_mut(needed / 2);
        let (mut length, mut changed) = self.pass(text, damage, think, now, &mut |letter| put(0, letter))?;
        let mut passes = 0usize;
        while changed && damage.prior().is_none() {
            passes = passes.saturating_add(1);
            let text = written(now, length)?;
            (length, changed) = self.pass(text, damage, think, next, &mut |letter| put(passes, letter))?;
            swap(&mut now, &mut next);
        }
        written(now, length)
    }

    /// Restores `text` into `to`; the bytes that it takes there, and whether anything changed.
    fn pass(
        &mut self,
        text: &str,
        damage: Damage,
        think: &DescentOptions,
        to: &mut [u8],
        put: &mut dyn FnMut(Letter),
    ) -> Result<(usize, bool), Error> {
        let (mut end, mut changed, mut lost) = (0usize, false, false);
        self.restore(text, damage, think, &mut |letter| {
            let mut utf8 = [0; 4];
            let bytes = letter.is.encode_utf8(&mut utf8).as_bytes();
            let start = end;
            end = end.saturating_add(bytes.len());
            match to.get_mut(start..end) {
                Some(place) => place.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte),
                None => lost = true,
            }
            changed |= letter.is != letter.was;
            put(letter);
        })?;
        if lost { Err(LOST) } else { Ok((end, changed)) }
    }
}

/// The text at the front of a copy.
fn written(copy: &[u8], length: usize) -> Result<&str, Error> {
    core::str::from_utf8(copy.get(..length).unwrap_or_default()).map_err(|_| LOST)
}
