//! What both kinds of models have, as it is printed.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

/// A tokenizer inside a model.
#[derive(Debug, Serialize)]
pub struct TokenizerReport {
    /// Number of tokens in its vocabulary.
    pub vocabulary: usize,
    /// Sixteen hexadecimal digits.
    pub fingerprint: String,
    /// Bytes that it takes in the file.
    pub bytes: usize,
}

/// The fields of a structure, one a line.
pub fn print_fields(out: &mut impl Write, title: &str, fields: &impl Serialize) -> Result<()> {
    writeln!(out, "{title}")?;
    for (name, value) in serde_json::to_value(fields)?.as_object().into_iter().flatten() {
        writeln!(out, "  {name:16} {value}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// Tokenizer, or the fingerprint of the one that weights go with, and provenance.
pub fn print_origin(
    out: &mut impl Write,
    tokenizer: Option<&TokenizerReport>,
    fingerprint: Option<&str>,
    provenance: &[(String, String)],
) -> Result<()> {
    match (tokenizer, fingerprint) {
        (Some(t), _) => {
            writeln!(out, "tokenizer: {} tokens, fingerprint {}, {} bytes", t.vocabulary, t.fingerprint, t.bytes)?
        }
        (None, Some(fingerprint)) => writeln!(out, "tokenizer: not inside; the weights go with {fingerprint}")?,
        (None, None) => writeln!(out, "tokenizer: none")?,
    }
    if !provenance.is_empty() {
        writeln!(out, "\nprovenance")?;
        for (key, value) in provenance {
            writeln!(out, "  {key}: {value}")?;
        }
    }
    Ok(())
}
