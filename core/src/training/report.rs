//! What a training step reports, and the array on the device that it is gathered in.

use alloc::vec::Vec;

use serde::Serialize;

use crate::compute::Backend;
use crate::descent::adjoint::Outcome;
use crate::loss_scale::LossScale;
use crate::transformer::TransformerLoss;

/// What a step reports. Counts of steps and tokens are not written out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepReport {
    /// The whole loss: the sum of its three parts.
    pub loss: f64,
    /// Its cross entropy, weighted over the descent steps.
    pub reconstruction: f64,
    /// Its balance loss of the mixtures, weighted.
    pub balance: f64,
    /// Its contrastive and Lyapunov terms, weighted.
    pub extra: f64,
    /// Cross entropy after every descent step.
    pub step_losses: Vec<f64>,
    /// Mean energy before every descent step.
    pub energies: Vec<f64>,
    /// Global norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Step size after the update.
    pub alpha: f64,
    /// Share of the descent steps that decreased the energy sufficiently, where that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decreased: Option<f64>,
    /// Loss scales of the step, where the backend's numbers need them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
    /// Whether a gradient overflowed its scale: nothing was updated, the scale has been halved.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub skipped: bool,
    /// Whether a rank asked to stop after this step ([`Part::stop`](super::Part::stop)); never where one rank computes all.
    #[serde(skip)]
    pub stop: bool,
    /// Descent steps taken.
    #[serde(skip)]
    pub steps: usize,
    /// Tokens per expert, by block with experts.
    #[serde(skip)]
    pub load: Vec<Vec<f64>>,
}

/// Where the numbers of a report lie in its array `(1, columns)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReportLayout {
    /// Descent steps that there is room for.
    steps: usize,
    /// Experts of every block that has some.
    experts: Vec<usize>,
    /// Whether it is measured which steps decrease the energy.
    decrease: bool,
}

const RECONSTRUCTION: usize = 0;
const BALANCE: usize = 1;
const EXTRA: usize = 2;
const NORM: usize = 3;
const ALPHA: usize = 4;
const OVERFLOW: usize = 5;
const STOP: usize = 6;
const DECREASED: usize = 7;
const FIXED: usize = 8;

impl ReportLayout {
    pub(super) fn new(steps: usize, experts: Vec<usize>, decrease: bool) -> Self {
        Self { steps, experts, decrease }
    }

    pub(super) fn columns(&self) -> usize {
        FIXED + 2 * self.steps + self.experts.iter().sum::<usize>()
    }

    fn load(&self, block: usize) -> usize {
        FIXED + 2 * self.steps + self.experts[..block].iter().sum::<usize>()
    }

    fn put<B: Backend>(&self, b: &B, report: &mut B::Array, at: usize, value: &B::Array) {
        b.accumulate(report, &b.pad_columns(value, at, self.columns()));
    }

    /// Adds a micro-batch whose sequences are `share` of all.
    pub(super) fn add<B: Backend>(&self, b: &B, report: &mut B::Array, o: &Outcome<B::Array>, share: f64) {
        self.put(b, report, RECONSTRUCTION, &o.reconstruction);
        self.put(b, report, BALANCE, &o.balance);
        self.put(b, report, EXTRA, &o.extra);
        if let Some(overflow) = &o.overflow {
            self.put(b, report, OVERFLOW, overflow);
        }
        if let Some(decreased) = &o.decreased {
            self.put(b, report, DECREASED, decreased);
        }
        for (i, (loss, energy)) in o.step_losses.iter().zip(&o.energies).enumerate() {
            let rows = b.shape(energy).0 as f64;
            self.put(b, report, FIXED + i, loss);
            self.put(b, report, FIXED + self.steps + i, &b.scale(&b.sum_rows(energy), share / rows));
        }
        self.add_load(b, report, &o.load);
    }

    /// Adds a micro-batch of the baseline.
    pub(super) fn add_baseline<B: Backend>(&self, b: &B, report: &mut B::Array, o: &TransformerLoss<B::Array>) {
        self.put(b, report, RECONSTRUCTION, &o.reconstruction);
        self.put(b, report, BALANCE, &o.balance);
        self.put(b, report, FIXED, &o.reconstruction);
        self.add_load(b, report, &o.load);
    }

    fn add_load<B: Backend>(&self, b: &B, report: &mut B::Array, load: &[Option<B::Array>]) {
        for (block, load) in load.iter().flatten().enumerate().take(self.experts.len()) {
            self.put(b, report, self.load(block), load);
        }
    }

    /// `(1,1)`: the share of steps that decreased the energy, times the outer loss scale.
    pub(super) fn decreased<B: Backend>(&self, b: &B, report: &B::Array) -> B::Array {
        b.slice_columns(report, DECREASED, 1)
    }

    /// Adds the wish to stop.
    pub(super) fn add_stop<B: Backend>(&self, b: &B, report: &mut B::Array, stop: &B::Array) {
        self.put(b, report, STOP, stop);
    }

    /// Adds what the update left.
    pub(super) fn add_update<B: Backend>(
        &self,
        b: &B,
        report: &mut B::Array,
        norm: &B::Array,
        alpha: Option<&B::Array>,
    ) {
        self.put(b, report, NORM, norm);
        if let Some(alpha) = alpha {
            self.put(b, report, ALPHA, alpha);
        }
    }

    /// `(1,1)`: the loss but for its balance part, for a look at whether it is finite.
    pub(super) fn loss<B: Backend>(&self, b: &B, report: &B::Array) -> B::Array {
        b.sum_columns(&b.slice_columns(report, RECONSTRUCTION, 3))
    }

    /// Tokens per expert `(1,E)` by block with experts.
    pub(super) fn loads<B: Backend>(&self, b: &B, report: &B::Array) -> Vec<B::Array> {
        let one = |(block, &experts): (usize, &usize)| b.slice_columns(report, self.load(block), experts);
        self.experts.iter().enumerate().map(one).collect()
    }

    /// The report of a rollout of `steps` steps, with whether the energy gradients were finite. Losses in the array are
    /// `scale` times too large.
    pub(super) fn read<B: Backend>(&self, b: &B, report: &B::Array, scale: f64, steps: usize) -> (StepReport, bool) {
        let mut x = alloc::vec![f64::NAN; self.columns()];
        b.download_f64(report, &mut x);
        let (reconstruction, balance, extra) = (x[RECONSTRUCTION] / scale, x[BALANCE], x[EXTRA] / scale);
        let losses = x[FIXED..FIXED + steps].iter().map(|loss| loss / scale).collect();
        let energies = x[FIXED + self.steps..FIXED + self.steps + steps].to_vec();
        let load = |(block, &experts): (usize, &usize)| x[self.load(block)..][..experts].to_vec();
        let report = StepReport {
            loss: reconstruction + balance + extra,
            reconstruction,
            balance,
            extra,
            step_losses: losses,
            energies,
            gradient_norm: x[NORM],
            alpha: x[ALPHA],
            decreased: self.decrease.then(|| x[DECREASED] / scale),
            loss_scale: None,
            skipped: false,
            stop: x[STOP] > 0.0,
            steps,
            load: self.experts.iter().enumerate().map(load).collect(),
        };
        (report, x[OVERFLOW].is_finite())
    }
}
