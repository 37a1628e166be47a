//! Training a tokenizer on text files.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use ebt_data::progress::{Progress, Stretch, size};
use ebt_data::text::clean::clean;
use ebt_data::text::{Documents, InputFile, ReadOptions};
use ebt_tokenizer::{Tokenizer, TrainOptions, TrainProgress};

use super::open;

/// What is known of a text before it is learned from.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Number of documents in all files that are not empty; one over 1 MiB counts once for each of its parts.
    pub documents: u64,
    /// Bytes of the cleaned documents.
    pub bytes: u64,
    /// The last documents, of about [`TAIL`] bytes together.
    pub tail: VecDeque<String>,
}

/// Bytes of text that are kept to count tokens on.
pub const TAIL: usize = 1_000_000;

/// The documents of files, cleaned; empty ones are passed over.
fn documents<'a>(
    inputs: &'a [InputFile],
    note: impl FnMut(&str) + Send + 'a,
) -> impl Iterator<Item = Result<String>> + Send + 'a {
    let open = |input: &InputFile| open(input, &ReadOptions::default());
    let cleaned = Documents::new(inputs, open, note).map(|document| Ok(clean(&document?.text).into_owned()));
    cleaned.filter(|document| document.as_ref().map_or(true, |text| !text.is_empty()))
}

/// Reads all files once, so that text that cannot be read stops the command before anything is learned.
///
/// # Errors
///
/// Files that cannot be read or are not UTF-8; the message names file and byte.
pub fn survey(inputs: &[InputFile], progress: &mut dyn Progress) -> Result<Survey> {
    progress.begin(stretch(None, false));
    let (mut found, mut tail_bytes, mut notes) = (Survey::default(), 0, Vec::new());
    for document in documents(inputs, |note| notes.push(note.to_owned())) {
        let document = document?;
        found.documents += 1;
        found.bytes += document.len() as u64;
        tail_bytes += document.len();
        found.tail.push_back(document);
        while let Some(first) = found.tail.front().filter(|first| tail_bytes - first.len() >= TAIL) {
            tail_bytes -= first.len();
            found.tail.pop_front();
        }
        progress.advance(found.bytes, &|| format!("checking the text: {}", size(found.bytes as f64)));
    }
    progress.end();
    notes.iter().for_each(|note| progress.note(note));
    Ok(found)
}

/// Learns a tokenizer from surveyed files.
///
/// # Errors
///
/// As [`survey`], where a file has changed since, and what [`Tokenizer::train`] refuses.
pub fn learn(
    inputs: &[InputFile],
    options: TrainOptions,
    survey: &Survey,
    progress: Box<dyn Progress + Send>,
) -> Result<Tokenizer> {
    let all = survey.bytes;
    let shown = Mutex::new((progress, None));
    let report = move |event: TrainProgress| {
        let Ok(mut shown) = shown.lock() else { return };
        let (progress, stage) = &mut *shown;
        // whether this event is of another kind than the one before
        let mut begins = |now| stage.replace(now) != Some(now);
        match event {
            TrainProgress::Reading { bytes, .. } => {
                if begins("reading") {
                    progress.begin(stretch(Some(all), false));
                }
                progress.advance(bytes, &|| format!("reading {} of {}", size(bytes as f64), size(all as f64)));
            }
            TrainProgress::Learning { done, .. } => {
                if begins("learning") {
                    progress.begin(stretch(None, true));
                }
                progress.advance(done as u64, &|| format!("learning: step {done}"));
            }
            _ => {}
        }
    };
    let mut failure = None;
    inputs.iter().try_for_each(InputFile::check_unchanged)?;
    let documents =
        documents(inputs, |_| {}).map_while(|document| document.map_err(|error| failure = Some(error)).ok());
    // the bar goes with the report, which ends with the training
    let trained = Tokenizer::train(documents, TrainOptions { progress: Some(Arc::new(report)), ..options });
    match failure {
        Some(error) => Err(error),
        None => Ok(trained?),
    }
}

/// A stretch of the training, whose message says all: of `bytes` bytes, if that is known; `prompt` as in [`Stretch`].
fn stretch(bytes: Option<u64>, prompt: bool) -> Stretch {
    let bar = if bytes.is_some() { "{bar:24.cyan/blue} {msg}" } else { "{spinner:.cyan} {msg}" };
    let line: fn(&Stretch, u64, &str) -> String = |_, _, message| message.to_owned();
    Stretch { total: bytes, bar, line: Some(line), prompt, ..Stretch::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebt_data::progress::Silent;
    use ebt_data::text::{self, Formats};
    use std::fs;

    #[test]
    fn a_survey_counts_all_and_keeps_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["1", "2"].map(|name| folder.path().join(name));
        let document = "on harf..\n".repeat(10_000);
        fs::write(&paths[0], (document.clone() + "\n").repeat(15)).unwrap();
        fs::write(&paths[1], "bir\n\nson").unwrap();
        let found = survey(&text::find(&paths, Formats::ByNameOrText).unwrap(), &mut Silent).unwrap();
        assert_eq!((found.documents, found.bytes), (17, 15 * (document.len() as u64 - 1) + 6));
        let tail: usize = found.tail.iter().map(String::len).sum();
        assert!((TAIL..TAIL + document.len()).contains(&tail), "{tail}");
        assert_eq!(found.tail.back().unwrap(), "son");
    }

    #[test]
    fn a_file_that_breaks_after_the_survey_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let paths = [folder.path().join("metin.txt")];
        fs::write(&paths[0], "bir iki bir iki").unwrap();
        let inputs = text::find(&paths, Formats::ByNameOrText).unwrap();
        let found = survey(&inputs, &mut Silent).unwrap();
        fs::write(&paths[0], b"bir iki \xff").unwrap();
        let error = learn(&inputs, TrainOptions::default(), &found, Box::new(Silent)).unwrap_err();
        assert!(error.to_string().contains("metin.txt"), "{error}");
    }
}
