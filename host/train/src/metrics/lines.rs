//! The lines of metrics.

use ebt_core::training::StepReport;
use ebt_data::baselines::Baselines;
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

/// One measurement on validation data.
#[derive(Serialize)]
pub(super) struct ValidationLine<'a> {
    pub step: u64,
    pub validation: &'a Validation,
}

/// What tables of counts come to on validation text, where a run learns text.
#[derive(Serialize)]
pub(super) struct BaselinesLine {
    pub step: u64,
    pub baselines: Baselines,
}
