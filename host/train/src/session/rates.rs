//! The learning rate at which a fresh run learns fastest: a sweep over rates (Smith, arXiv 1506.01186).

use std::sync::atomic::Ordering;

use anyhow::{Result, bail};
use ebt_core::compute::Backend;
use ebt_core::error::Error;
use ebt_core::training::{Part, StepSettings, Trainer};
use ebt_data::loader::DEPTH;
use ebt_data::progress::{Progress, Stretch};
use ebt_data::{Loader, Worker};
use serde::Serialize;

use super::begin::begin;
use super::types::Session;
use crate::rounding::{self, Rounding};

/// Steps of a sweep.
const STEPS: u64 = 100;
/// The first rate and the last one.
const RATES: [f64; 2] = [1e-6, 1.0];
/// Share of the smoothed loss that stays at a step.
const KEPT: f64 = 0.98;
/// Multiple of the least smoothed loss at which the sweep ends.
const WORST: f64 = 4.0;
/// Steps at the beginning of which the slope says nothing: the mean is of too few losses.
const FIRST: usize = STEPS as usize / 10;
/// Steps to either side that a slope is measured over.
const REACH: usize = 2;
/// A smoothed loss that falls by less than this share of itself stays as it is.
const ROUNDING: f64 = 1e-9;

/// Why a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SweepEnd {
    /// All rates were tried.
    Finished,
    /// The smoothed loss was many times its least.
    TooHigh,
    /// A loss or a gradient was not finite.
    NotFinite,
}

/// What a sweep over learning rates found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RateSearch {
    /// Learning rate of every step.
    pub rates: Vec<f64>,
    /// Loss of every step before its update, nats a token.
    pub losses: Vec<f64>,
    /// Their mean with weights that fall by 0.98 a step, corrected for its beginning.
    pub smoothed: Vec<f64>,
    /// Why it ended.
    pub ended: SweepEnd,
    /// The rate at which the smoothed loss falls most for a step in the logarithm of the rate; none where it falls nowhere.
    pub steepest: Option<f64>,
}

impl RateSearch {
    fn new() -> Self {
        Self { rates: Vec::new(), losses: Vec::new(), smoothed: Vec::new(), ended: SweepEnd::Finished, steepest: None }
    }

    /// Adds the loss of a step; whether the sweep goes on.
    fn add(&mut self, rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            self.ended = SweepEnd::NotFinite;
            return false;
        }
        self.rates.push(rate);
        self.losses.push(loss);
        let mean = self.losses.iter().fold(0.0, |mean, loss| KEPT * mean + (1.0 - KEPT) * loss);
        self.smoothed.push(mean / (1.0 - KEPT.powi(self.losses.len() as i32)));
        let least = self.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.smoothed.last().is_some_and(|&last| last > WORST * least);
        if high {
            self.ended = SweepEnd::TooHigh;
        }
        !high
    }

    /// Looks for the steepest fall; less than [`ROUNDING`] is none.
    fn conclude(mut self) -> Self {
        let slope = |i: usize| self.smoothed[i + REACH] - self.smoothed[i - REACH];
        let places = FIRST.max(REACH)..self.smoothed.len().saturating_sub(REACH);
        let steepest = places
            .min_by(|&a, &b| slope(a).total_cmp(&slope(b)))
            .filter(|&i| slope(i) < -ROUNDING * self.smoothed[i].abs());
        self.steepest = steepest.map(|i| self.rates[i]);
        self
    }
}

/// Rate of step `i`.
fn rate(i: u64) -> f64 {
    RATES[0] * (RATES[1] / RATES[0]).powf(i as f64 / (STEPS - 1) as f64)
}

/// Trains for at most a hundred steps with rates from 1e-6 to 1, each the same multiple of the one before, and writes nothing.
/// The first loss that is not finite, and a smoothed loss of four times its least, end the sweep.
///
/// # Errors
///
/// Several ranks, data that cannot be read, a device failure, a stop that was asked for.
pub fn find_rate<B: Backend>(mut session: Session<'_, B>, progress: &mut dyn Progress) -> Result<RateSearch> {
    let config = session.config;
    if session.ranks.place().world > 1 {
        bail!("--find-rate: the rate is looked for by one process; start it without mpirun");
    }
    let (_, mut trainer) = begin(&mut session, config.to_toml()?)?;
    let all = session.task.batches(config, Worker { rank: 0, world: 1 });
    let mut batches = Loader::new(all, 0..STEPS, DEPTH)?;
    let mut found = RateSearch::new();
    progress.begin(Stretch { name: "rates", total: Some(STEPS), ..Stretch::default() });
    let swept = sweep(&session, &mut trainer, &mut batches, &mut found, progress);
    progress.end();
    swept?;
    Ok(found.conclude())
}

/// Steps at rates that rise, until the loss says that they are too high or the last one is done.
fn sweep<B: Backend>(
    session: &Session<'_, B>,
    trainer: &mut Trainer<B>,
    batches: &mut Loader,
    found: &mut RateSearch,
    progress: &mut dyn Progress,
) -> Result<()> {
    let (b, config) = (session.backend, session.config);
    let rounding = Rounding::of(config.train.storage, &trainer.layout);
    for step in 0..STEPS {
        if session.stop.load(Ordering::Relaxed) {
            bail!("stopped after {step} of {STEPS} steps of --find-rate");
        }
        let batch = batches.next_batch()?;
        let lanes = config.train.lanes();
        let settings = StepSettings {
            seed: config.train.seed,
            step: step as u32,
            rate: rate(step),
            micro_batch: config.train.batch,
            ema_decay: config.train.ema,
            part: (lanes > 1).then(|| Part::whole(&batch, lanes)),
        };
        let loss = match rounding::step(rounding.as_ref(), b, trainer, &batch, &settings) {
            Ok(report) => report.loss,
            Err(Error::NonFinite { .. }) => f64::NAN,
            Err(error) => return Err(error.into()),
        };
        progress.advance(step + 1, &|| format!("rate {:.1e}  loss {loss:.3}", settings.rate));
        if !found.add(settings.rate, loss) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(loss: impl Fn(f64) -> f64) -> RateSearch {
        let mut found = RateSearch::new();
        let _ = (0..STEPS).map(rate).all(|rate| found.add(rate, loss(rate)));
        found.conclude()
    }

    #[test]
    fn rates_span_their_range_in_equal_ratios() {
        assert_eq!([rate(0), rate(STEPS - 1)], RATES);
        assert!((rate(34) / rate(33) - rate(2) / rate(1)).abs() < 1e-12);
    }

    #[test]
    fn the_steepest_fall_is_found_and_a_blow_up_ends_the_sweep() {
        // falls around 1e-3, rises a hundredfold beyond 1e-1
        let found = sweep(|rate| 5.0 - 2.0 / (1.0 + (1e-3 / rate).powi(2)) + (rate / 0.1).powi(4));
        let steepest = found.steepest.unwrap();
        assert!((3e-4..1e-2).contains(&steepest), "{steepest}");
        assert_eq!(found.ended, SweepEnd::TooHigh);
        assert!(found.losses.len() < STEPS as usize);

        let flat = sweep(|_| 2.0);
        assert_eq!((flat.ended, flat.steepest, flat.rates.len()), (SweepEnd::Finished, None, STEPS as usize));
        assert!(flat.smoothed.iter().all(|loss| (loss - 2.0).abs() < 1e-9), "the beginning is corrected for");

        let broken = sweep(|rate| if rate > 1e-3 { f64::INFINITY } else { 2.0 - rate });
        assert_eq!(broken.ended, SweepEnd::NotFinite);
        assert!(broken.losses.iter().all(|loss| loss.is_finite()));
    }
}
