//! Training a tokenizer on text files.

use std::collections::VecDeque;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use ebt_data::progress::{size, tell};
use ebt_tokenizer::{Tokenizer, TrainOptions, TrainProgress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::blocks::Documents;

/// What is known of a text before it is learned from.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Documents.
    pub documents: u64,
    /// Bytes of the documents.
    pub bytes: u64,
    /// The last documents, of about [`TAIL`] bytes together.
    pub tail: VecDeque<String>,
}

/// Bytes of text that are kept to count tokens on.
pub const TAIL: usize = 1_000_000;

/// Reads all files once, so that text that cannot be read stops the command before anything is learned.
///
/// # Errors
///
/// Files that cannot be read or are not UTF-8; the message names file, line and byte.
pub fn survey(paths: &[PathBuf], progress: &Progress) -> Result<Survey> {
    let (mut found, mut tail_bytes) = (Survey::default(), 0);
    for document in Documents::of(paths) {
        let document = document?;
        found.documents += 1;
        found.bytes += document.len() as u64;
        tail_bytes += document.len();
        found.tail.push_back(document);
        while let Some(first) = found.tail.front().filter(|first| tail_bytes - first.len() >= TAIL) {
            tail_bytes -= first.len();
            found.tail.pop_front();
        }
        progress.show(Stage::Checking, found.bytes, 0);
    }
    Ok(found)
}

/// Learns a tokenizer from surveyed files.
///
/// # Errors
///
/// As [`survey`], where a file has changed since, and what [`Tokenizer::train`] refuses.
pub fn learn(paths: &[PathBuf], options: TrainOptions, survey: &Survey, progress: &Arc<Progress>) -> Result<Tokenizer> {
    let (shown, bytes_in_all) = (Arc::clone(progress), survey.bytes);
    let report = move |event: TrainProgress| match event {
        TrainProgress::Reading { bytes, .. } => shown.show(Stage::Reading, bytes, bytes_in_all),
        TrainProgress::Learning { done, .. } => shown.show(Stage::Learning, done as u64, 0),
        _ => {}
    };
    let mut failure = None;
    let documents = Documents::of(paths).map_while(|document| document.map_err(|error| failure = Some(error)).ok());
    let trained = Tokenizer::train(documents, TrainOptions { progress: Some(Arc::new(report)), ..options });
    match failure {
        Some(error) => Err(error),
        None => Ok(trained?),
    }
}

/// Shows how far training is: a bar on a terminal, a plain line now and then elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    /// The stage shown, and when it was last told in a plain line; `None` tells nothing.
    told: Option<Mutex<(Option<Stage>, Instant)>>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Checking,
    Reading,
    Learning,
}

/// Time between plain lines.
const PAUSE: Duration = Duration::from_secs(10);
/// Time between two states of the bar.
const REFRESH: Duration = Duration::from_millis(200);
/// With a known end, and without.
const BAR: &str = "{bar:24.cyan/blue} {msg}";
const SPINNER: &str = "{spinner:.cyan} {msg}";

impl Progress {
    /// Shows nothing.
    pub fn silent() -> Self {
        Self { bar: None, told: None }
    }

    /// Shows on standard error.
    pub fn of_stderr() -> Self {
        let told = Some(Mutex::new((None, Instant::now())));
        if !stderr().is_terminal() {
            return Self { bar: None, told };
        }
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(5));
        bar.enable_steady_tick(REFRESH);
        Self { bar: Some(bar), told }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// `all` is 0 where it is not known.
    fn show(&self, stage: Stage, done: u64, all: u64) {
        let Some(Ok(mut told)) = self.told.as_ref().map(Mutex::lock) else { return };
        let changed = told.0.replace(stage) != Some(stage);
        let message = || match stage {
            Stage::Checking => format!("checking the text: {}", size(done as f64)),
            Stage::Reading => format!("reading {} of {}", size(done as f64), size(all as f64)),
            Stage::Learning => format!("learning: step {done}"),
        };
        match &self.bar {
            Some(bar) => {
                if changed && let Ok(style) = ProgressStyle::with_template(if all == 0 { SPINNER } else { BAR }) {
                    bar.set_style(style);
                }
                bar.set_length(all.max(1));
                bar.set_position(done.min(all));
                // a message is made anew only as often as it can be read
                if changed || stage == Stage::Learning || told.1.elapsed() >= REFRESH {
                    bar.set_message(message());
                    told.1 = Instant::now();
                }
            }
            None if stage == Stage::Learning && changed || told.1.elapsed() >= PAUSE => {
                tell(message());
                told.1 = Instant::now();
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_survey_counts_all_and_keeps_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["1", "2"].map(|name| folder.path().join(name));
        let document = "on harf..\n".repeat(10_000);
        fs::write(&paths[0], (document.clone() + "\n").repeat(15)).unwrap();
        fs::write(&paths[1], "bir\n\nson").unwrap();
        let found = survey(&paths, &Progress::silent()).unwrap();
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
        let progress = Arc::new(Progress::silent());
        let found = survey(&paths, &progress).unwrap();
        fs::write(&paths[0], b"bir iki \xff").unwrap();
        let error = learn(&paths, TrainOptions::default(), &found, &progress).unwrap_err();
        assert!(error.to_string().contains("metin.txt"), "{error}");
    }
}
