//! The digest of a file: SHA-256 of all its bytes, with 64 zeros in the place of the digest itself.
//!
//! The digest stands in the header, as the metadata string [`KEY`]. So any program can check it: read the file, put zeros
//! where the digest is, hash.

use std::ops::Range;

use anyhow::{Result, anyhow, bail};
use ebt_data::digest::hexadecimal;
use ebt_data::program;
use hmac_sha256::Hash;

use crate::tensor_file::TensorFile;

/// Metadata key of the digest.
pub const KEY: &str = "ebt_digest";

/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// What stands in place of the digest while it is computed.
pub(crate) fn blank() -> String {
    "0".repeat(DIGITS)
}

/// Where the digest stands in a header that was written without white space. A string of JSON holds no bare quotation
/// mark, so what is found is the key itself.
pub(crate) fn place(header: &[u8]) -> Option<Range<usize>> {
    let key = format!("\"{KEY}\":\"");
    let start = header.windows(key.len()).position(|window| window == key.as_bytes())? + key.len();
    (start + DIGITS < header.len()).then_some(start..start + DIGITS)
}

/// Refuses a file whose digest is not that of its bytes. A file without a digest passes.
///
/// # Errors
///
/// What was found, and what to do about it; the message names the file.
pub fn verify(file: &TensorFile) -> Result<()> {
    let Some(said) = file.text(KEY) else { return Ok(()) };
    let wrong = || {
        anyhow!(
            "the digest of {} does not match: the file is damaged; if another program rewrote it on purpose, it has to leave \
             out the metadata `{KEY}`, and `{} import` then takes the file",
            file.path().display(),
            program::name()
        )
    };
    let (length, header, values) = file.sections();
    let place = place(header).ok_or_else(wrong)?;
    let mut sum = Hash::new();
    sum.update(length);
    sum.update(&header[..place.start]);
    sum.update(blank());
    sum.update(&header[place.end..]);
    sum.update(values);
    if said.as_bytes() != &header[place] || hexadecimal(sum.finalize()) != said {
        bail!(wrong());
    }
    Ok(())
}
