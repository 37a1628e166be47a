//! Before the first step of an invocation.

use anyhow::{Context, Result, bail};
use ebt_core::compute::Backend;
use ebt_core::training::Trainer;
use ebt_ranks::tree;

use super::share;
use super::types::Session;
use crate::adapt::attach;
use crate::checkpoint::Header;

/// Why so many ranks cannot share so many lanes, and what can be done.
pub fn unfit(lanes: usize, world: usize) -> String {
    let worlds: Vec<String> = tree::worlds(lanes).iter().map(ToString::to_string).collect();
    format!(
        "{world} ranks cannot share `train.lanes` = {lanes} evenly: use {} ranks, or in a new run --set train.lanes={world} \
         (`train.accumulate` must be a multiple of it)",
        worlds.join(" or ")
    )
}

/// A run before its first step of this invocation: at the state that the session goes on from, or fresh.
pub(super) fn begin<B: Backend>(session: &mut Session<'_, B>, toml: String) -> Result<(Header, Trainer<B>)> {
    let (b, config) = (session.backend, session.config);
    let (lanes, place) = (config.train.lanes(), session.ranks.place());
    if !tree::fits(lanes, place.world) {
        bail!("{}", unfit(lanes, place.world));
    }
    let Some(state) = share::state(session.ranks, session.resume.take())? else {
        let (model, objective) = (config.model.clone(), config.objective.clone());
        model.validate()?;
        let weights = config.start.layout(&model).draw(b, config.train.seed);
        let mut trainer = Trainer::with_weights(b, model, objective, config.optimizer.clone(), weights)?;
        attach(b, &mut trainer, config)?;
        return Ok((Header::new(config, session.task, toml), trainer));
    };
    let header = Header { config: toml, ..state.header.clone() };
    let mut trainer = state.restore(b, config).context("the checkpoint does not fit its own configuration")?;
    trainer.replay = trainer.replay.drain(tree::own(lanes, place)).collect();
    Ok((header, trainer))
}
