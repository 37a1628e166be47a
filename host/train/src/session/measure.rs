//! Measuring and saving the averaged model of a run.

use std::path::Path;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::training::Trainer;
use ebt_model::Dtype;
use ebt_model::model::{self, Contents};
use ebt_ranks::Collective;
use ebt_tokenizer::letters::words::Words;

use crate::boards::{self, Trial};
use crate::checkpoint::{Header, Validation};
use crate::evaluate::{EvaluateOptions, evaluate_shared};
use crate::restored::{self, Forms};
use crate::rollout::Energies;
use crate::run_config::RunConfig;
use crate::task::{Probe, Task};

/// Descent steps that a model of boards is measured with.
const STEPS: usize = 16;
/// The same at the end of a run: thinking longer must do no harm.
const MOST_STEPS: usize = 100;

/// Bits per byte of the averaged model, whose weights are given as they will be held, after every thinking step, or the boards that it solves; more of these is tried where
/// it is the `last` measurement; beside it energies of positions before every step. The caller fills in the training step.
pub fn validate<B: Backend>(
    (ranks, b): (&dyn Collective, &B),
    (trainer, weights): (&Trainer<B>, &[B::Array]),
    config: &RunConfig,
    task: &Task,
    probe: &Probe,
    last: bool,
) -> Result<(Validation, Vec<Vec<f32>>)> {
    let model = Model { config: &trainer.config, layout: &trainer.layout, weights };
    let options = EvaluateOptions { batch: config.train.batch, ..EvaluateOptions::default() };
    let reached = trainer.objective.reached(trainer.optimizer.updates);
    let mut energies = Energies::default();
    let (data, tokens) = match (task, probe) {
        (Task::Text(data), Probe::Text(tokens)) => (data, tokens),
        (Task::Sudoku(sudoku), &Probe::Boards(boards)) => {
            let trial = match last {
                false => Trial { steps: STEPS, ..Trial::default() },
                true if config.objective.max_steps == 1 => {
                    Trial { steps: 1, commits: vec![(4, 1), (8, 1), (16, 1), (32, 1)], ..Trial::default() }
                }
                true => Trial {
                    steps: MOST_STEPS,
                    commits: vec![(4, 4), (8, 4)],
                    starts: vec![4, 8, 16],
                    start_steps: STEPS,
                },
            };
            let solved = boards::measure(ranks, b, model, &reached, (sudoku, boards), &trial, &mut energies)?;
            let tokens = solved.boards * config.model.context as u64;
            let found = Validation { bits_per_byte: f64::NAN, tokens, solved: Some(solved), ..Validation::default() };
            return Ok((found, energies.by_step));
        }
        (Task::Letters(text), Probe::Letters(tokens)) => {
            let damage = text.config.damage;
            let forms = last.then(|| Forms::of(&text.train, damage)).transpose()?;
            let steps = if last && config.objective.max_steps > 1 { STEPS } else { config.objective.max_steps };
            let words = Words::read(&text.words).ok();
            let on = (tokens, damage, words.as_ref(), forms.as_ref());
            let restored = restored::measure(ranks, b, model, &reached, on, (steps, last), &mut energies)?;
            let (tokens, restored) = (tokens.len(), Some(restored));
            let found = Validation { bits_per_byte: f64::NAN, tokens, restored, ..Validation::default() };
            return Ok((found, energies.by_step));
        }
        _ => anyhow::bail!("a model is measured on what it learns"),
    };
    let sources = tokens.as_one_source("validation");
    let found = evaluate_shared(ranks, b, model, &reached, &data.tokenizer, &sources, &options)?;
    let per_step: Vec<f64> = (0..found.steps).map(|i| found.total.bits_per_byte(i)).collect();
    let validation = Validation {
        step: 0,
        bits_per_byte: per_step.last().copied().unwrap_or(f64::NAN),
        per_step,
        tokens: found.total.tokens as u64,
        ..Validation::default()
    };
    Ok((validation, found.energies))
}

/// Writes the averaged weights with configuration and tokenizer or words as a model file.
pub fn save_model(path: &Path, config: &RunConfig, weights: &[Vec<f32>], task: &Task, header: &Header) -> Result<()> {
    let mut provenance = vec![
        (String::from("program"), String::from(ebt_data::CREATED_BY)),
        (String::from("training steps"), format!("{} of {}", header.step, header.total_steps)),
        (String::from("training tokens"), header.tokens.to_string()),
        (String::from("training text"), format!("fingerprint {:016x}", header.train_data)),
        (String::from("seed"), header.seed.to_string()),
    ];
    if !header.from.is_empty() {
        provenance.push((String::from("began with"), header.from.clone()));
    }
    if let Some(v) = &header.last {
        let value = match (&v.solved, &v.restored) {
            (_, Some(restored)) => {
                let right = restored.per_step.last().map_or(0, |right| right.words);
                format!("{right} of {} words right at step {}", restored.of.words, v.step)
            }
            (Some(solved), None) => {
                let last = solved.per_step.last().copied().unwrap_or(0);
                format!("{last} of {} harder boards solved at step {}", solved.boards, v.step)
            }
            (None, None) => format!("{:.4} bits per byte on {} tokens at step {}", v.bits_per_byte, v.tokens, v.step),
        };
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
            tokenizer: task.tokenizer(),
            fingerprint: None,
            words: task.words(),
        },
    )
}
