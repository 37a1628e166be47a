//! What all readers share: how documents are read, what happened besides, how far reading is.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::program;

/// Longest line of JSON and longest row of a table, in bytes: more is an error, not a document.
pub const LONGEST_RECORD: usize = 64 << 20;

/// Where documents of plain text end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Borders {
    /// At a blank line
    #[default]
    BlankLine,
    /// At every line end
    Line,
    /// At the end of the file
    File,
}

/// What decides which documents a file has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadOptions {
    /// Name of the column or key that holds the text, where the format has such.
    pub column: String,
    /// Borders of documents in plain text.
    pub documents: Borders,
    /// Most bytes of a document, at least `cut::LEAST`; longer ones are cut.
    pub longest: usize,
    /// Whether invalid UTF-8 becomes U+FFFD instead of an error.
    pub lossy: bool,
    /// What stands between the values of a table. `None`: a tab in TSV; in CSV a comma, semicolon or tab, whichever the
    /// first line speaks for.
    pub delimiter: Option<u8>,
    /// Whether values of a table may stand between quotation marks. `None`: in CSV, but not in TSV.
    pub quoting: Option<bool>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            column: "text".into(),
            documents: Borders::default(),
            longest: 1 << 20,
            lossy: false,
            delimiter: None,
            quoting: None,
        }
    }
}

/// What happened besides documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows without a value.
    pub nulls: u64,
    /// Times a document was cut.
    pub cuts: u64,
    /// Invalid sequences of bytes that became U+FFFD.
    pub replaced: u64,
    /// Whether bytes behind its gzip data were passed over.
    pub garbage: bool,
}

impl Tally {
    /// A sentence about what was passed over, if it was more than padding.
    pub fn note(&self, path: &Path) -> Option<String> {
        let what = "what follows its gzip data is no gzip data and was passed over";
        self.garbage.then(|| format!("warning: {}: {what}", path.display()))
    }
}

/// Bytes read so far, of all files together; shared with whoever shows progress.
#[derive(Clone, Debug, Default)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    /// Counts `bytes` more as read; any thread may call it.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The records of one file, in order.
pub trait Records: Send {
    /// The text of the next record; records without text are counted and passed over.
    ///
    /// # Errors
    ///
    /// Damaged data; the message names the file and the place in it.
    fn next(&mut self, tally: &mut Tally) -> Result<Option<String>>;
}

/// The bytes of a text file behind its byte-order mark.
pub(super) struct Source {
    pub reader: Box<dyn BufRead + Send>,
    /// The file, for messages.
    pub path: String,
    /// Bytes of the file before those that `reader` gives first.
    pub offset: u64,
}

/// Whether two names of a column or key are the same: letters may be written composed or decomposed.
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || !(a.is_ascii() && b.is_ascii()) && a.nfc().eq(b.nfc())
}

/// A message that lists the columns there are, for one that is not.
pub fn no_such_column(place: &str, kind: &str, asked: &str, present: &[&str]) -> anyhow::Error {
    let shown: Vec<&str> = present.iter().copied().take(50).collect();
    let more = if present.len() > shown.len() { ", ..." } else { "" };
    let has = match shown.is_empty() {
        true => format!("it has no {kind}s"),
        false => format!("its {kind}s are {}{more}", shown.join(", ")),
    };
    let program = program::name();
    anyhow::anyhow!("{place} has no {kind} `{asked}`; {has}; `{program} data prepare --column NAME` reads another")
}
