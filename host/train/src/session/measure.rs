//! Measuring and saving the averaged model of a run.

use std::path::Path;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::training::Trainer;
use ebt_data::Tokens;
use ebt_model::Dtype;
use ebt_model::model::{self, Contents};
use ebt_ranks::Collective;
use ebt_tokenizer::Tokenizer;

use crate::checkpoint::{Header, Validation};
use crate::evaluate::{EvaluateOptions, evaluate_shared};
use crate::run_config::RunConfig;

/// Bits per byte of the averaged model after every thinking step. The caller fills in the training step.
pub fn validate<B: Backend>(
    ranks: &dyn Collective,
    b: &B,
    trainer: &Trainer<B>,
    config: &RunConfig,
    tokenizer: &Tokenizer,
    tokens: &Tokens,
) -> Result<Validation> {
    let model = Model { config: &trainer.config, layout: &trainer.layout, weights: &trainer.average.weights };
    let options = EvaluateOptions { batch: config.train.batch, ..EvaluateOptions::default() };
    let reached = trainer.objective.reached(trainer.optimizer.updates);
    let found = evaluate_shared(ranks, b, model, &reached, tokenizer, &tokens.as_one_source("validation"), &options)?;
    let per_step: Vec<f64> = (0..found.steps).map(|i| found.total.bits_per_byte(i)).collect();
    Ok(Validation {
        step: 0,
        bits_per_byte: per_step.last().copied().unwrap_or(f64::NAN),
        per_step,
        tokens: found.total.tokens as u64,
    })
}

/// Writes the averaged weights with configuration and tokenizer as a model file.
pub fn save_model(
    path: &Path,
    config: &RunConfig,
    weights: &[Vec<f32>],
    tokenizer: &Tokenizer,
    header: &Header,
) -> Result<()> {
    let mut provenance = vec![
        (String::from("program"), String::from(ebt_data::CREATED_BY)),
        (String::from("training steps"), format!("{} of {}", header.step, header.total_steps)),
        (String::from("training tokens"), header.tokens.to_string()),
        (String::from("training text"), format!("fingerprint {:016x}", header.train_data)),
        (String::from("seed"), header.seed.to_string()),
    ];
    if let Some(v) = &header.last {
        let value = format!("{:.4} bits per byte on {} tokens at step {}", v.bits_per_byte, v.tokens, v.step);
        provenance.push((String::from("validation"), value));
    }
    model::save(
        path,
        &Contents {
            config: &config.model,
            objective: &config.objective.reached(header.step),
            provenance: &provenance,
            weights,
            dtype: Dtype::F32,
            tokenizer: Some(tokenizer),
            fingerprint: None,
        },
    )
}
