//! Main memory that work on the processor takes, from shapes alone and before any of it is taken.

use anyhow::Result;
use ebt_core::compute::{Backend as _, Compute as _};
use ebt_core::layer::Model;
use ebt_core::lora::{parameters, shapes};
use ebt_core::parameters::ParameterLayout;
use ebt_core::plan::Plan;
use ebt_core::training::{Part, Sequences};
use ebt_data::memory;
use ebt_model::LoadedModel;
use ebt_train::rollout::{Predictor, usual_steps};
use ebt_train::run_config::{RunConfig, TrainConfig};

use crate::plan::{ELEMENT, plan, sequences_bytes};
use crate::steps::TimedSteps;

/// Positions up to which a batch is planned as it is.
const PLANNED: usize = 1 << 20;

/// Most bytes at `batch` sequences of `context` positions, where `peak` tells that of a smaller batch: the peak is the
/// largest of several numbers that grow in proportion with the batch, so it grows by at least as much as at the end.
fn peak_at(batch: usize, context: usize, peak: impl Fn(usize) -> Result<usize>) -> Result<u64> {
    let most = (PLANNED / context.max(1)).max(2);
    if batch <= most {
        return Ok(peak(batch)? as u64);
    }
    let (last, before) = (peak(most)? as u64, peak(most - 1)? as u64);
    Ok(last.saturating_add(last.saturating_sub(before).saturating_mul((batch - most) as u64)))
}

/// Bytes of main memory that a run of a valid configuration takes on the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainMemory {
    /// Weights, gradients, moments and averages, and their copies while a checkpoint is written.
    pub held: u64,
    /// Activations and sequences of a step.
    pub step: u64,
    /// Remembered rollouts.
    pub replay: u64,
}

impl MainMemory {
    /// What a run takes, of a lower bound where the batch is very large.
    ///
    /// # Errors
    ///
    /// Sizes beyond what can be addressed.
    pub fn of(config: &RunConfig) -> Result<Self> {
        let layout = ParameterLayout::new(&config.model);
        let values = layout.count() as u64;
        let list = values.saturating_mul(ELEMENT as u64);
        let sequences = sequences_bytes(config);
        memory::check("this step", sequences, "a smaller `train.batch` or `train.accumulate` takes less")?;
        let peak = |batch| {
            let train = TrainConfig { batch, accumulate: 1, lanes: 1, ..config.train.clone() };
            Ok(plan(&RunConfig { train, ..config.clone() })?.peak_bytes)
        };
        let peak = peak_at(config.train.batch, config.context(), peak)?;
        let row = config.model.vocab as u64 * ELEMENT as u64 + 3 * size_of::<u32>() as u64;
        let replay = (config.objective.replay as u64).saturating_mul(config.context() as u64).saturating_mul(row);
        let adapters = match &config.lora {
            Some(lora) => {
                let of = lora.adapted(&layout)?;
                let own: usize = shapes(&layout, &of, lora.rank).iter().map(|(rows, columns)| rows * columns).sum();
                let base: usize = parameters(&of).into_iter().map(|id| layout.entries[id].len()).sum();
                // weights, moments and gradients
                ((4 * own + base) * ELEMENT) as u64
            }
            None => 0,
        };
        let held = list.saturating_mul(5).saturating_add(adapters);
        let copies = list.saturating_mul(4).saturating_add(adapters);
        let lanes = list.saturating_mul(Part::waiting(config.train.lanes()) as u64);
        Ok(Self {
            held: held.saturating_add(copies).saturating_add(lanes),
            step: peak.saturating_sub(held).saturating_add(sequences),
            replay,
        })
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.held.saturating_add(self.step).saturating_add(self.replay)
    }
}

/// Most bytes that timed training steps take on the processor of one of so many ranks, which share the lanes.
///
/// # Errors
///
/// Sizes beyond what can be addressed.
pub fn peak_of_steps(timed: &TimedSteps, ranks: usize) -> Result<u64> {
    let TimedSteps { batch, context, .. } = *timed;
    let lanes = timed.lanes / ranks;
    let train = TrainConfig { batch, accumulate: lanes, lanes, context, ..TrainConfig::default() };
    let (model, objective) = (timed.model.clone(), timed.objective.clone());
    let memory = MainMemory::of(&RunConfig { model, objective, train, ..RunConfig::default() })?;
    Ok(memory.total())
}

/// Most bytes that an evaluation takes on the processor in batches of `batch` sequences, each as long as the model's
/// context, with so many descent steps.
///
/// # Errors
///
/// Sizes beyond what can be addressed.
pub fn peak_of_evaluation(model: &LoadedModel, steps: usize, batch: usize) -> Result<u64> {
    let LoadedModel { config, layout, objective, .. } = model;
    // on no landscape a third step takes more than a second
    let steps = steps.max(usual_steps(config, objective)).min(config.landscapes.saturating_add(2));
    let peak = |batch: usize| {
        let b = Plan::new(ELEMENT);
        let weights = b.weights(layout);
        let rows = batch * config.context;
        let sequences = Sequences::blank(config, batch, config.context);
        let (targets, one) = (b.index(&sequences.targets), b.fill(rows, 1, 1.0));
        let model = Model { config, layout, weights: &weights };
        Predictor::new(&b, model, objective, 0).run(&sequences, 0, steps, |step| {
            b.cross_entropy(step.logits, &targets, &one);
            Ok(())
        })?;
        Ok(b.peak_bytes())
    };
    peak_at(batch, config.context, peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ebt_train::run_config::presets;

    fn config(batch: usize) -> RunConfig {
        let mut config = presets::preset("sample", None).unwrap();
        config.fit_vocabulary(300).unwrap();
        config.train.batch = batch;
        config
    }

    #[test]
    fn the_memory_of_a_large_batch_is_told_without_taking_it() {
        let peak = |batch| MainMemory::of(&config(batch)).unwrap().step;
        // planned as it is, and carried on from there, it grows by the same amount a sequence
        let (small, limit) = (peak(1000), PLANNED / 64);
        let slope = (peak(limit) - small) as f64 / (limit - 1000) as f64;
        let carried = (peak(4 * limit) - peak(limit)) as f64 / (3 * limit) as f64;
        assert!((slope - carried).abs() < 0.01 * slope, "{slope} {carried}");
        let planned = plan(&config(1000)).unwrap();
        let memory = MainMemory::of(&config(1000)).unwrap();
        assert!(memory.total() > planned.peak_bytes as u64 && memory.total() < 2 * planned.peak_bytes as u64);
    }

    #[test]
    fn remembered_rollouts_count() {
        let with = |replay| {
            let mut config = config(2);
            config.objective.replay = replay;
            MainMemory::of(&config).unwrap()
        };
        assert_eq!(with(0).replay, 0);
        assert_eq!(with(1 << 40).replay, (1 << 40) * 64 * (300 * 4 + 12));
        assert_eq!(with(1 << 40).step, with(0).step);
    }
}
