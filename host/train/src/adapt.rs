//! What of a model a run trains: everything, all but what is frozen, or adapters alone.

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::lora::Lora;
use ebt_core::training::Trainer;

use crate::run_config::RunConfig;
use crate::run_config::freeze::frozen;

/// Freezes what the configuration says, and gives a trainer fresh adapters where it asks for some.
///
/// # Errors
///
/// Names that no weight has.
pub fn attach<B: Backend>(b: &B, trainer: &mut Trainer<B>, config: &RunConfig) -> Result<()> {
    trainer.frozen = frozen(&trainer.layout, &config.train.freeze)?;
    if let Some(lora) = &config.lora {
        let of = lora.adapted(&trainer.layout)?;
        let sizes = (lora.rank, lora.alpha);
        trainer.frozen = (0..trainer.weights.len()).collect();
        trainer.lora = Some(Lora::new(b, &trainer.layout, &trainer.weights, of, sizes, config.train.seed));
    }
    Ok(())
}

/// Values that a trainer trains.
pub fn trained<B: Backend>(b: &B, trainer: &Trainer<B>) -> usize {
    let size = |array: &B::Array| {
        let (rows, columns) = b.shape(array);
        rows * columns
    };
    match &trainer.lora {
        Some(lora) => lora.weights.iter().map(size).sum(),
        None => {
            let kept = trainer.frozen.iter().map(|&id| &trainer.layout.entries[id]);
            let kept = kept.filter(|entry| entry.role != ebt_core::parameters::Role::State);
            trainer.layout.count() - kept.map(|entry| entry.len()).sum::<usize>()
        }
    }
}
