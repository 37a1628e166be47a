//! The table that shows what was prepared.

use std::io::{self, Write};

use ebt_data::progress::{clock, count};

use ebt_corpus::prepare::{SourceSummary, SplitSummary, Summary};

/// A column of the table of sources: its title and what stands in it.
type Column = (&'static str, fn(&SourceSummary) -> String);

type Count = (&'static str, fn(&SourceSummary) -> u64);

/// Columns that appear only where something is in them.
const DROPPED: [Count; 8] = [
    ("equal", |s| s.dropped.duplicates),
    ("similar", |s| s.dropped.near_duplicates),
    ("language", |s| s.dropped.language),
    ("short", |s| s.dropped.short),
    ("empty", |s| s.dropped.empty),
    ("null", |s| s.dropped.null),
    ("cuts", |s| s.cuts),
    ("replaced", |s| s.replaced),
];

/// Prints documents, bytes and tokens of every source, and where they went.
pub fn print(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    const KEPT: [Column; 2] = [("source", |s| s.name.clone()), ("kept", |s| s.documents.to_string())];
    const TEXT: [Column; 3] = [
        ("text bytes", |s| s.text_bytes.to_string()),
        ("tokens", |s| s.tokens.saturating_sub(s.documents).to_string()),
        ("bytes/token", |s| format!("{:.2}", s.bytes_per_token)),
    ];
    let rows: Vec<&SourceSummary> = match &summary.sources[..] {
        [only] => vec![only],
        several => several.iter().chain([&summary.total]).collect(),
    };
    let column = |title: &str, of: &dyn Fn(&SourceSummary) -> String| -> Vec<String> {
        std::iter::once(title.to_owned()).chain(rows.iter().map(|row| of(row))).collect()
    };
    let mut columns: Vec<Vec<String>> = KEPT.iter().map(|(title, of)| column(title, of)).collect();
    for (title, of) in DROPPED.iter().filter(|(_, of)| of(&summary.total) > 0) {
        columns.push(column(title, &|row| of(row).to_string()));
    }
    columns.extend(TEXT.iter().map(|(title, of)| column(title, of)));
    let widths: Vec<usize> =
        columns.iter().map(|column| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    for row in 0..=rows.len() {
        write!(out, "{:width$}", columns[0][row], width = widths[0])?;
        for (column, width) in columns.iter().zip(&widths).skip(1) {
            write!(out, "  {:>width$}", column[row])?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    for (name, split) in [("train", &summary.train), ("validation", &summary.validation)] {
        writeln!(out, "{name:10}  {}", of_split(split))?;
    }
    let seconds = summary.survey_seconds.unwrap_or(0.0) + summary.encode_seconds;
    writeln!(out, "written to {} in {}", summary.out.display(), clock(seconds))
}

fn of_split(split: &SplitSummary) -> String {
    let plural = |n: u64| if n == 1 { "" } else { "s" };
    format!(
        "{} tokens of {} document{} in {} shard{}",
        count(split.tokens as f64),
        split.documents,
        plural(split.documents),
        split.shards,
        plural(split.shards)
    )
}
