//! What a run tells of itself before its first step, and beside its checks.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_data::baselines::{self, Baselines, Counts};
use ebt_data::progress::{Progress, count};

use super::run::Run;
use crate::adapt::trained;
use crate::checkpoint::Validation;
use crate::task::Probe;

impl<B: Backend> Run<'_, B> {
    pub(super) fn describe(&self, baselines: Option<Baselines>, progress: &mut dyn Progress) {
        let (config, task) = (self.session.config, self.session.task);
        let (all, active) = (self.trainer.layout.count(), self.trainer.layout.active(&config.model));
        let active = if active < all { format!(" ({} active)", count(active as f64)) } else { String::new() };
        progress.note(&format!(
            "model: {} parameters{active}, {} blocks, width {}, vocabulary {}",
            count(all as f64),
            config.model.layers,
            config.model.dim,
            config.model.vocab
        ));
        let trained = trained(self.session.backend, &self.trainer);
        if trained < all {
            let how = if config.lora.is_some() { "of adapters (`lora`)" } else { "of the model (`train.freeze`)" };
            progress.note(&format!("trained: {} values {how}", count(trained as f64)));
        }
        task.describe(config, progress);
        if let Some(Baselines { unigram, bigram, .. }) = baselines {
            progress.note(&format!("to beat: unigram {unigram:.3}, bigram {bigram:.3} bits per byte"));
        }
        if self.header.step == 0 && !self.header.from.is_empty() {
            progress.note(&format!("begins with the weights of {}", self.header.from));
        }
        if self.header.step > 0 {
            progress.note(&format!("resumed after step {} of {}", self.header.step, self.header.total_steps));
        }
        if self.is_out_of_patience() {
            progress.note("the run has ended early: `train.patience` validations were no better than the best one");
        }
    }

    /// Tells the metrics of the baselines, and keeps that of pairs on what checks measure on.
    pub(super) fn compare(&mut self, baselines: Baselines, counts: &Counts) -> Result<()> {
        self.metrics.baselines(self.header.step, baselines)?;
        self.bigram = match &self.probe {
            Probe::Text(text) if text.len() <= baselines::SAMPLE => Some(counts.measure(text)?.bigram),
            _ => Some(baselines.bigram),
        };
        Ok(())
    }

    /// How far a check is from the bigram table on the same text.
    pub(super) fn beside_bigram(&self, validation: &Validation) -> String {
        self.bigram.map_or_else(String::new, |bigram| beside(validation.bits_per_byte, bigram))
    }
}

/// How far bits per byte are from those of a bigram table, as part of a line.
fn beside(bits: f64, bigram: f64) -> String {
    let place = if bits < bigram { "below" } else { "above" };
    format!(", {:.3} {place} bigram", (bits - bigram).abs())
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn less_is_below() {
        assert_eq!(beside(1.75, 2.0), ", 0.250 below bigram");
        assert_eq!(beside(2.125, 2.0), ", 0.125 above bigram");
    }
}
