//! What came out of `prepare`: by source and in all.

use std::path::PathBuf;

use ebt_data::shard::manifest::{Dropped, LeftOut};
use serde::Serialize;

use super::journal::{Finished, Journal, Survey};

/// The result of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Folder of the data.
    pub out: PathBuf,
    /// Every source, in order of appearance.
    pub sources: Vec<SourceSummary>,
    /// All sources together.
    pub total: SourceSummary,
    /// What there is to train on.
    pub train: SplitSummary,
    /// What there is to measure on.
    pub validation: SplitSummary,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Seconds of the first pass; `None` if an earlier run had done it.
    pub survey_seconds: Option<f64>,
    /// Seconds of the second pass, as far as this run did it.
    pub encode_seconds: f64,
}

/// What came of one source, or of all sources together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceSummary {
    /// Its name in the manifest; `total` for all sources together.
    pub name: String,
    /// Number of its input files, those without a document included.
    pub files: u64,
    /// Licence, if given.
    pub licence: Option<String>,
    /// Number of documents that were kept, in both splits.
    pub documents: u64,
    /// Bytes of text kept.
    pub text_bytes: u64,
    /// Tokens, begin tokens included.
    pub tokens: u64,
    /// Bytes of text a token stands for on average, begin tokens not counted.
    pub bytes_per_token: f64,
    /// Documents left out.
    pub dropped: Dropped,
    /// Times a long document was cut.
    pub cuts: u64,
    /// Invalid sequences of bytes that became U+FFFD.
    pub replaced: u64,
}

/// What all shards of one split hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SplitSummary {
    /// Number of shard files; 0 where no document is of this split.
    pub shards: u64,
    /// Number of documents, each of which has one begin token.
    pub documents: u64,
    /// Tokens, begin tokens included.
    pub tokens: u64,
    /// Bytes of text.
    pub text_bytes: u64,
}

impl SourceSummary {
    fn with_average(self) -> Self {
        let text_tokens = self.tokens.saturating_sub(self.documents).max(1);
        Self { bytes_per_token: self.text_bytes as f64 / text_tokens as f64, ..self }
    }
}

/// A source of documents, before they are looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Its name in the manifest.
    pub name: String,
    /// Licence, if given.
    pub licence: Option<String>,
    /// Number of its input files.
    pub files: u64,
    /// What was left out of it before.
    pub before: LeftOut,
}

/// Every source of a finished job.
pub fn by_source(sources: &[Source], survey: &Survey, journal: &Journal) -> Vec<SourceSummary> {
    let mut all: Vec<SourceSummary> = sources
        .iter()
        .enumerate()
        .map(|(i, source)| SourceSummary {
            name: source.name.clone(),
            files: source.files,
            licence: source.licence.clone(),
            dropped: total(&[source.before.dropped, survey.dropped.get(i).copied().unwrap_or_default()]),
            cuts: source.before.cuts + survey.tallies.get(i).map_or(0, |t| t.cuts),
            replaced: source.before.replaced + survey.tallies.get(i).map_or(0, |t| t.replaced),
            ..SourceSummary::default()
        })
        .collect();
    for share in journal.train.iter().chain(&journal.validation).flat_map(|finished| &finished.shares) {
        if let Some(source) = all.get_mut(share.source) {
            source.documents += share.documents;
            source.text_bytes += share.text_bytes;
            source.tokens += share.tokens;
        }
    }
    all.into_iter().map(SourceSummary::with_average).collect()
}

/// All sources together.
pub fn of_all(sources: &[SourceSummary]) -> SourceSummary {
    let sum = |of: fn(&SourceSummary) -> u64| sources.iter().map(of).sum();
    let all = SourceSummary {
        name: "total".into(),
        files: sum(|s| s.files),
        licence: None,
        documents: sum(|s| s.documents),
        text_bytes: sum(|s| s.text_bytes),
        tokens: sum(|s| s.tokens),
        dropped: total(&sources.iter().map(|s| s.dropped).collect::<Vec<_>>()),
        cuts: sum(|s| s.cuts),
        replaced: sum(|s| s.replaced),
        bytes_per_token: 0.0,
    };
    all.with_average()
}

/// One split of a finished job.
pub fn of_split(shards: &[Finished]) -> SplitSummary {
    let sum = |of: fn(&Finished) -> u64| shards.iter().map(of).sum();
    SplitSummary {
        shards: shards.len() as u64,
        documents: sum(|f| f.shard.documents),
        tokens: sum(|f| f.shard.tokens),
        text_bytes: sum(|f| f.shard.text_bytes),
    }
}

/// The sum of several sources' dropped documents.
pub fn total(all: &[Dropped]) -> Dropped {
    all.iter().fold(Dropped::default(), |sum, d| Dropped {
        null: sum.null + d.null,
        empty: sum.empty + d.empty,
        short: sum.short + d.short,
        language: sum.language + d.language,
        duplicates: sum.duplicates + d.duplicates,
        near_duplicates: sum.near_duplicates + d.near_duplicates,
    })
}
