//! Metrics of a run: one JSON object a line, a line a training step and a line a validation.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ebt_core::training::StepReport;
use ebt_data::file;
use serde::Serialize;

use crate::checkpoint::Validation;

/// One training step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepLine {
    /// Steps done, this one included.
    pub step: u64,
    /// Tokens trained on so far.
    pub tokens: u64,
    /// Seconds of training so far, over all invocations.
    pub seconds: f64,
    /// Seconds that this step waited for its batch.
    pub data_wait: f64,
    /// Loss in nats a token, gradient and energies.
    #[serde(flatten)]
    pub report: StepReport,
    /// Learning rate of this step as the schedule gives it.
    pub rate: f64,
    /// Busiest expert's load over the mean, by block with experts.
    pub load: Vec<f64>,
}

impl StepLine {
    /// The line of a report, of a step that did not wait for data.
    pub fn new(report: StepReport, step: u64, tokens: u64, seconds: f64, rate: f64) -> Self {
        let load = |counts: &Vec<f64>| {
            let mean = counts.iter().sum::<f64>() / counts.len().max(1) as f64;
            counts.iter().copied().fold(0.0, f64::max) / mean
        };
        let load = report.load.iter().map(load).collect();
        Self { step, tokens, seconds, data_wait: 0.0, report, rate, load }
    }
}

#[derive(Serialize)]
struct ValidationLine<'a> {
    step: u64,
    validation: &'a Validation,
}

/// The file of a run.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    /// None: lines go nowhere.
    file: Option<File>,
    /// The last line, where it is of a validation.
    validated: Option<Vec<u8>>,
}

impl Metrics {
    /// Metrics that are not written down: those of ranks behind the first.
    pub fn none() -> Self {
        Self { path: PathBuf::new(), file: None, validated: None }
    }

    /// Opens the file for a run that has done `step` steps: later lines, and a last line cut off by a crash, are dropped.
    /// Returns the seconds of training so far, too.
    pub fn open(path: &Path, step: u64) -> Result<(Self, f64)> {
        let (mut seconds, mut validated) = (0.0, None);
        if path.exists() {
            let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let mut kept = Vec::new();
            for line in text.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
                let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
                if value["step"].as_u64().is_some_and(|s| s <= step) {
                    kept.extend_from_slice(line);
                    seconds = value["seconds"].as_f64().unwrap_or(seconds);
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
        Ok((Self { path: path.to_path_buf(), file: Some(file), validated }, seconds))
    }

    /// Appends a training step.
    pub fn step(&mut self, line: &StepLine) -> Result<()> {
        self.append(&text(line)?)?;
        self.validated = None;
        Ok(())
    }

    /// Appends a validation, unless the last line is the same: that of a run that ended before the checkpoint after it.
    pub fn validation(&mut self, validation: &Validation) -> Result<()> {
        let line = text(&ValidationLine { step: validation.step, validation })?;
        if self.validated.as_ref() != Some(&line) {
            self.append(&line)?;
            self.validated = Some(line);
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
        let (mut metrics, seconds) = Metrics::open(&path, 0).unwrap();
        assert_eq!(seconds, 0.0);
        for step in 1..=4 {
            metrics.step(&StepLine { step, seconds: step as f64, ..StepLine::default() }).unwrap();
        }
        metrics.validation(&Validation { step: 2, bits_per_byte: 2.5, ..Validation::default() }).unwrap();
        metrics.append(b"{\"step\": 1").unwrap();
        // one process at a time writes them
        drop(metrics);
        let (_, seconds) = Metrics::open(&path, 2).unwrap();
        assert_eq!(seconds, 2.0);
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
        metrics.validation(&validation).unwrap();
        let once = fs::read(&path).unwrap();
        let (mut metrics, _) = Metrics::open(&path, 1).unwrap();
        metrics.validation(&validation).unwrap();
        assert!(fs::read(&path).unwrap() == once);
        metrics.validation(&Validation { tokens: 3, ..validation.clone() }).unwrap();
        metrics.step(&StepLine { step: 2, ..StepLine::default() }).unwrap();
        metrics.validation(&validation).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
    }
}
