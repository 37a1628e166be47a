//! Metrics read back.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ebt_data::baselines::Baselines;
use serde::Deserialize;

use crate::checkpoint::Validation;

/// A training step that was done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// Steps done, this one included.
    pub step: u64,
    /// Tokens trained on so far.
    pub tokens: u64,
    /// Seconds of training so far, over all invocations.
    pub seconds: f64,
    /// Loss in nats a token; NaN where it was no number.
    pub loss: f64,
    /// Mean energy before every descent step; NaN where it was no number.
    pub energies: Vec<f64>,
}

/// What a run has told of itself so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Training steps in their order.
    pub steps: Vec<Past>,
    /// Measurements in their order.
    pub validations: Vec<Validation>,
    /// What tables of counts come to on the validation text, where it is text; that of the most text.
    pub baselines: Option<Baselines>,
}

/// A line of any kind; fields of other programs and versions are passed over.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    step: u64,
    tokens: Option<u64>,
    seconds: Option<f64>,
    loss: Option<f64>,
    #[serde(default)]
    energies: Vec<Option<f64>>,
    validation: Option<Validation>,
    baselines: Option<Baselines>,
}

impl History {
    /// Reads the metrics of a run that may be going on: what is not yet a whole line is left out.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or holds no step and no validation; the message names it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut history = Self::default();
        for line in text.split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
            let Ok(line) = serde_json::from_slice::<Line>(line) else { continue };
            if let Some(validation) = line.validation {
                history.validations.push(validation);
            } else if line.baselines.is_some() {
                history.baselines = line.baselines;
            } else if let (Some(tokens), Some(seconds)) = (line.tokens, line.seconds) {
                let number = |x: Option<f64>| x.unwrap_or(f64::NAN);
                let energies = line.energies.into_iter().map(number).collect();
                history.steps.push(Past { step: line.step, tokens, seconds, loss: number(line.loss), energies });
            }
        }
        if history.steps.is_empty() && history.validations.is_empty() {
            bail!("{} holds no step of a run yet", path.display());
        }
        Ok(history)
    }

    /// The last step that was done by the time of a measurement after `step` steps.
    pub fn at(&self, step: u64) -> Option<&Past> {
        self.steps[..self.steps.partition_point(|past| past.step <= step)].last()
    }
}
