//! What a run leaves behind: validations, checkpoints, the model.

use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_data::file;
use ebt_data::in_use::was_in_use;
use ebt_data::progress::Progress;

use super::measure;
use super::run::Run;
use super::share;
use super::types::{BEST_FILE, Ending};
use crate::checkpoint::{State, Validation, download};
use crate::task::Probe;
use ebt_model::model::MODEL_FILE;

/// Fewest tokens that are measured when the time is up.
const LEAST_VALIDATION: usize = 2048;

impl<B: Backend> Run<'_, B> {
    /// Measures the averaged model.
    fn validate(&mut self, probe: &Probe, last: bool) -> Result<Validation> {
        let (start, session) = (Instant::now(), &self.session);
        let (ranks, b) = (session.ranks, session.backend);
        let trainer = &self.trainer;
        let rounded;
        let weights = match &self.rounding {
            Some(rounding) => {
                rounded = rounding.rounded(b, &trainer.average.weights)?;
                &rounded
            }
            None => &trainer.average.weights,
        };
        let (mut validation, energies) =
            measure::validate((ranks, b), (trainer, weights), session.config, session.task, probe, last)?;
        validation.step = self.header.step;
        self.validation_cost = Some(start.elapsed().as_secs_f64() / probe.tokens(self.session.config).max(1) as f64);
        self.metrics.validation(&validation, &energies)?;
        self.header.last = Some(validation.clone());
        Ok(validation)
    }

    /// Averages as the model will hold them.
    fn held(&self, mut average: Vec<Vec<f32>>) -> Result<Vec<Vec<f32>>> {
        if let Some(rounding) = &self.rounding {
            rounding.round(&mut average)?;
        }
        Ok(average)
    }

    /// Measures the averaged model on the probe, and keeps it if it is the best so far and that is asked for.
    pub(super) fn check(&mut self, progress: &mut dyn Progress) -> Result<Validation> {
        let probe = self.probe.clone();
        let validation = self.validate(&probe, false)?;
        if self.header.best.as_ref().is_some_and(|best| !validation.is_better_than(best)) {
            self.header.stale += 1;
            return Ok(validation);
        }
        self.header.best = Some(validation.clone());
        self.header.stale = 0;
        if self.session.config.train.keep_best && self.session.ranks.place().is_first() {
            let average = self.held(download(self.session.backend, &self.trainer.average.weights))?;
            let (config, task) = (self.session.config, self.session.task);
            let path = self.session.out.join(BEST_FILE);
            let saved = measure::save_model(&path, config, &average, task, &self.header);
            if let Err(error) = saved {
                let in_use = was_in_use(&error);
                let error = error.context("the best model was not saved");
                if !in_use {
                    return Err(error);
                }
                progress.note(&format!("{error:#}; another program uses it"));
            }
        }
        Ok(validation)
    }

    /// Whether a run that is not at its end has had as many validations as may be that were no better than the best one.
    pub(super) fn is_out_of_patience(&self) -> bool {
        let patience = self.session.config.train.patience;
        self.header.step < self.header.total_steps && patience.is_some_and(|patience| self.header.stale >= patience)
    }

    /// The last checkpoint and validation, with the text measured. A run that is not at its end is saved first, as it
    /// would have gone on; only then may the time limit cut the text short.
    pub(super) fn conclude(
        &mut self,
        ending: Ending,
        progress: &mut dyn Progress,
    ) -> Result<Option<(Validation, Probe)>> {
        let measured = self.header.last.as_ref().is_some_and(|last| last.step == self.header.step);
        if self.session.config.train.keep_best && ending != Ending::Stopped && !measured {
            progress.during("the validation at the end of the run");
            self.check(progress)?;
        }
        if ending != Ending::Finished {
            self.save(progress)?;
        }
        let text = match (ending, self.session.config.train.minutes) {
            (Ending::Stopped, _) => return Ok(None),
            (Ending::TimeUp, Some(minutes)) => {
                let affordable = self.until(60.0 * minutes) / self.validation_cost();
                let affordable = share::first(self.session.ranks, affordable as u64)?;
                self.session.task.probe(self.session.config, (affordable as usize).max(LEAST_VALIDATION))?
            }
            _ => self.session.task.whole(),
        };
        progress.note(&format!("measuring the model on {}", text.describe()));
        progress.during("the validation at the end of the run");
        let validation = self.validate(&text, true)?;
        if ending == Ending::Finished {
            self.save(progress)?;
        }
        Ok(Some((validation, text)))
    }

    /// Writes a checkpoint, and its model to the folder of the run. A model there that another program uses and the system
    /// does not let go is told and stays; the run goes on.
    pub(super) fn save(&mut self, progress: &mut dyn Progress) -> Result<()> {
        progress.during(&format!("the saving of step {}", self.header.step));
        let (ranks, b) = (self.session.ranks, self.session.backend);
        let replay = share::replay(ranks, &self.trainer.replay)?;
        if !ranks.place().is_first() {
            return share::same_weights(ranks, &download(b, &self.trainer.weights));
        }
        let state = State { replay, ..State::of(b, &self.trainer, self.header.clone())? };
        share::same_weights(ranks, &state.weights)?;
        let (config, task) = (self.session.config, &self.session.task);
        let average = self.held(state.average.clone())?;
        let folder =
            self.store.write(&state, |path| measure::save_model(path, config, &average, task, &state.header))?;
        let saved = folder.join(MODEL_FILE);
        let model = file::map(&saved)?;
        self.model = self.session.out.join(MODEL_FILE);
        match file::write(&self.model, |to| Ok(to.write_all(&model)?)) {
            Err(error) if was_in_use(&error) => {
                let (step, place) = (self.header.step, saved.display());
                progress.note(&format!("{error:#}; another program uses it; the model of step {step} is {place}"));
                self.model = saved;
                Ok(())
            }
            written => written,
        }
    }
}
