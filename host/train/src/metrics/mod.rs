//! Metrics of a run: one JSON object a line, a line a training step and a line a validation; of text also a line of baselines.

#[cfg(feature = "tensorboard")]
mod events;
mod history;
mod lines;
#[cfg(feature = "tensorboard")]
mod records;
mod sink;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ebt_data::baselines::Baselines;
use ebt_data::file;
use serde::Serialize;
use serde_json::Value;

#[cfg(feature = "tensorboard")]
pub use events::{EVENTS_FOLDER, Events};
pub use history::{History, Past};
pub use lines::StepLine;
use lines::{BaselinesLine, ValidationLine};
pub use sink::{Sink, Standing};

use crate::checkpoint::Validation;

/// The file of a run.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    /// None: lines go nowhere.
    file: Option<File>,
    /// The last line, where it is of a validation.
    validated: Option<Vec<u8>>,
    /// Baselines that were told.
    baselines: Vec<Value>,
    /// What else records the run.
    sinks: Vec<Box<dyn Sink>>,
}

impl Metrics {
    /// Metrics that are not written down: those of ranks behind the first.
    pub fn none() -> Self {
        Self { path: PathBuf::new(), file: None, validated: None, baselines: Vec::new(), sinks: Vec::new() }
    }

    /// Opens the file for a run that has done `step` steps: later lines, and a last line cut off by a crash, are dropped.
    /// Returns where the run stands by the lines that are kept, too.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or written; the message names it.
    pub fn open(path: &Path, step: u64) -> Result<(Self, Standing)> {
        let (mut standing, mut validated, mut baselines) = (Standing::default(), None, Vec::new());
        if path.exists() {
            let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let mut kept = Vec::new();
            for line in text.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
                let Ok(value) = serde_json::from_slice::<Value>(line) else { continue };
                if value["step"].as_u64().is_some_and(|s| s <= step) {
                    kept.extend_from_slice(line);
                    if value["baselines"].is_object() {
                        baselines.push(value["baselines"].clone());
                        continue;
                    }
                    standing = Standing {
                        step: value["step"].as_u64().unwrap_or(standing.step),
                        tokens: value["tokens"].as_u64().unwrap_or(standing.tokens),
                        seconds: value["seconds"].as_f64().unwrap_or(standing.seconds),
                    };
                    validated = value["validation"].is_object().then(|| line.to_vec());
                }
            }
            if kept != text {
                file::write(path, |out| Ok(out.write_all(&kept)?))?;
            }
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let path = path.to_path_buf();
        Ok((Self { path, file: Some(file), validated, baselines, sinks: Vec::new() }, standing))
    }

    /// Lets something else record the run from now on, too.
    pub fn also(&mut self, sink: Box<dyn Sink>) {
        self.sinks.push(sink);
    }

    /// Appends a training step.
    ///
    /// # Errors
    ///
    /// What cannot be written; the message names the file.
    pub fn step(&mut self, line: &StepLine) -> Result<()> {
        self.append(&text(line)?)?;
        self.validated = None;
        self.sinks.iter_mut().try_for_each(|sink| sink.step(line))
    }

    /// Appends a validation, unless the last line is the same: that of a run that ended before the checkpoint after it. `energies`
    /// are those of positions before every thinking step, for what shows them.
    ///
    /// # Errors
    ///
    /// What cannot be written; the message names the file.
    pub fn validation(&mut self, validation: &Validation, energies: &[Vec<f32>]) -> Result<()> {
        let line = text(&ValidationLine { step: validation.step, validation })?;
        if self.validated.as_ref() != Some(&line) {
            self.append(&line)?;
            self.validated = Some(line);
            self.sinks.iter_mut().try_for_each(|sink| sink.validation(validation, energies))?;
        }
        Ok(())
    }

    /// Appends what tables of counts come to on validation text after `step` steps, unless that was told before.
    ///
    /// # Errors
    ///
    /// What cannot be written; the message names the file.
    pub fn baselines(&mut self, step: u64, baselines: Baselines) -> Result<()> {
        let value = serde_json::to_value(baselines).context("cannot write metrics as JSON")?;
        if !self.baselines.contains(&value) {
            self.append(&text(&BaselinesLine { step, baselines })?)?;
            self.baselines.push(value);
        }
        Ok(())
    }

    fn append(&mut self, line: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(line).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// A line of the file.
fn text(line: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line).context("cannot write metrics as JSON")?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_and_broken_lines_are_dropped_on_resume() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let (mut metrics, standing) = Metrics::open(&path, 0).unwrap();
        assert_eq!(standing, Standing::default());
        for step in 1..=4 {
            metrics.step(&StepLine { step, tokens: 3 * step, seconds: step as f64, ..StepLine::default() }).unwrap();
        }
        metrics.validation(&Validation { step: 2, bits_per_byte: 2.5, ..Validation::default() }, &[]).unwrap();
        metrics.append(b"{\"step\": 1").unwrap();
        // one process at a time writes them
        drop(metrics);
        let (_, standing) = Metrics::open(&path, 2).unwrap();
        assert_eq!(standing, Standing { step: 2, tokens: 6, seconds: 2.0 });
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.ends_with("}\n") && text.contains("\"bits_per_byte\":2.5"));
    }

    #[test]
    fn a_validation_that_is_made_again_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let validation = Validation { step: 1, bits_per_byte: 2.5, ..Validation::default() };
        let (mut metrics, _) = Metrics::open(&path, 0).unwrap();
        metrics.step(&StepLine { step: 1, ..StepLine::default() }).unwrap();
        metrics.validation(&validation, &[]).unwrap();
        let once = fs::read(&path).unwrap();
        let (mut metrics, _) = Metrics::open(&path, 1).unwrap();
        metrics.validation(&validation, &[]).unwrap();
        assert!(fs::read(&path).unwrap() == once);
        metrics.validation(&Validation { tokens: 3, ..validation.clone() }, &[]).unwrap();
        metrics.step(&StepLine { step: 2, ..StepLine::default() }).unwrap();
        metrics.validation(&validation, &[]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
    }

    #[test]
    fn baselines_are_told_once_and_do_not_part_a_validation_from_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let baselines = Baselines { unigram: 2.5, bigram: 1.75 };
        let validation = Validation { step: 1, bits_per_byte: 2.25, ..Validation::default() };
        let (mut metrics, _) = Metrics::open(&path, 0).unwrap();
        metrics.baselines(0, baselines).unwrap();
        metrics.step(&StepLine { step: 1, ..StepLine::default() }).unwrap();
        metrics.validation(&validation, &[]).unwrap();
        metrics.baselines(1, Baselines { unigram: 2.0, ..baselines }).unwrap();
        let once = fs::read(&path).unwrap();
        let (mut metrics, _) = Metrics::open(&path, 1).unwrap();
        metrics.baselines(1, baselines).unwrap();
        metrics.validation(&validation, &[]).unwrap();
        metrics.baselines(1, Baselines { unigram: 2.0, ..baselines }).unwrap();
        assert!(fs::read(&path).unwrap() == once);
    }
}
