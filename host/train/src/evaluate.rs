//! Perplexity and bits per byte of a model on text, for every number of thinking steps.
//!
//! Every document is tokenised whole and stands after a begin token; each of its tokens is predicted once, from what
//! stands before it in a window of the model's context. Bytes are counted once, as UTF-8. Perplexity is the exponential
//! of the mean loss per token; bits per byte, the total loss over the total of bytes, does not depend on the tokenizer.

use std::ops::Range;
use std::time::Instant;

use anyhow::Result;
use ebt_core::compute::Backend;
use ebt_core::layer::Model;
use ebt_core::objective::Objective;
use ebt_core::training::{NO_TARGET, Sequences};
use ebt_data::Tokens;
use ebt_data::progress::Counter;
use ebt_ranks::{Alone, Collective, Place};
use ebt_tokenizer::Tokenizer;
use serde::Serialize;

use crate::candidates::{CANDIDATES, MOST_POSITIONS, Position, greatest};
use crate::confidence::{Confidence, Doubt};
use crate::rollout::{Energies, Predictor, usual_steps};
use crate::windows::{Group, Limits, batches, chosen_windows};
use ebt_model::check_vocabulary;

/// How to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Descent steps; at least as many as the model was trained to take are run. The baseline takes 1.
    pub steps: usize,
    /// Sequences computed together; the result does not depend on it.
    pub batch: usize,
    /// About how much text is measured, taken evenly from all sources.
    pub limits: Limits,
    /// Seed of the initial states.
    pub seed: u64,
    /// Whether progress is shown on standard error.
    pub progress: bool,
    /// Whether it is found how well the model tells its errors; the energy of the final state then takes another evaluation.
    pub confidence: bool,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { steps: 0, batch: 8, limits: Limits::default(), seed: 0, progress: false, confidence: false }
    }
}

/// Losses summed over some text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Losses {
    /// Where the text is from.
    pub source: String,
    /// Number of predicted tokens, which leaves begin tokens out; at 0 the mean loss is NaN.
    pub tokens: usize,
    /// Bytes of text of these tokens.
    pub bytes: usize,
    /// Sum of the losses in nats, after every step.
    pub nats: Vec<f64>,
}

impl Losses {
    /// Mean loss per token in nats after step `step` (from 0).
    pub fn loss(&self, step: usize) -> f64 {
        self.nats.get(step).copied().unwrap_or(f64::NAN) / self.tokens as f64
    }

    /// `exp` of the mean loss per token.
    pub fn perplexity(&self, step: usize) -> f64 {
        self.loss(step).exp()
    }

    /// Total loss in bits over the bytes of text.
    pub fn bits_per_byte(&self, step: usize) -> f64 {
        self.nats.get(step).copied().unwrap_or(f64::NAN) / std::f64::consts::LN_2 / self.bytes as f64
    }

    fn none(source: &str, steps: usize) -> Self {
        Self { source: source.to_owned(), nats: vec![0.0; steps], ..Self::default() }
    }

    /// Adds the losses of other text to these.
    pub fn add(&mut self, other: &Losses) {
        self.tokens += other.tokens;
        self.bytes += other.bytes;
        self.nats.resize(other.nats.len().max(self.nats.len()), 0.0);
        self.nats.iter_mut().zip(&other.nats).for_each(|(sum, x)| *sum += x);
    }
}

/// Result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// By source, in the order given.
    pub sources: Vec<Losses>,
    /// Over all sources.
    pub total: Losses,
    /// Steps that were run: the length of every `nats`.
    pub steps: usize,
    /// Steps the model was trained to take: its usual result is that after step `usual_steps - 1`.
    pub usual_steps: usize,
    /// Seconds it took.
    pub seconds: f64,
    /// Energies of some of the positions before every step, where there are any; see [`Energies`].
    #[serde(skip)]
    pub energies: Vec<Vec<f32>>,
    /// How well the model tells its errors after the usual steps, where that was asked for; of ranks that share an evaluation, of
    /// what this one measured.
    pub confidence: Option<Confidence>,
}

impl Evaluation {
    /// What the losses by source add up to, `started` being when the evaluation began.
    pub fn of(mut sources: Vec<Losses>, steps: usize, usual_steps: usize, started: Instant) -> Self {
        let mut total = Losses::none("total", steps);
        sources.iter().for_each(|l| total.add(l));
        sources.retain(|l| l.tokens > 0);
        let seconds = started.elapsed().as_secs_f64();
        Self { sources, total, steps, usual_steps, seconds, energies: Vec::new(), confidence: None }
    }
}

/// Nothing measured yet, by source.
pub fn no_losses(text: &Tokens, steps: usize) -> Vec<Losses> {
    text.sources().iter().map(|name| Losses::none(name, steps)).collect()
}

/// Evaluates a model on documents, given by source as text.
///
/// # Errors
///
/// No text, a tokenizer that does not fit the model, a device failure.
pub fn evaluate<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    objective: &Objective,
    tokenizer: &Tokenizer,
    documents: &[(String, Vec<String>)],
    options: &EvaluateOptions,
) -> Result<Evaluation> {
    evaluate_tokens(b, model, objective, tokenizer, &Tokens::of(documents, tokenizer)?, options)
}

/// As [`evaluate`], on a token stream of the same tokenizer. What is measured is read as it is needed.
///
/// # Errors
///
/// As [`evaluate`], and a damaged shard.
pub fn evaluate_tokens<B: Backend>(
    b: &B,
    model: Model<'_, B::Array>,
    objective: &Objective,
    tokenizer: &Tokenizer,
    text: &Tokens,
    options: &EvaluateOptions,
) -> Result<Evaluation> {
    evaluate_shared(&Alone::default(), b, model, objective, tokenizer, text, options)
}

/// As [`evaluate_tokens`], shared out among ranks, all of which call it with the same arguments and have the same result; it
/// has the bits of one rank alone.
///
/// # Errors
///
/// As [`evaluate_tokens`], and a rank that is lost.
pub fn evaluate_shared<B: Backend>(
    ranks: &dyn Collective,
    b: &B,
    model: Model<'_, B::Array>,
    objective: &Objective,
    tokenizer: &Tokenizer,
    text: &Tokens,
    options: &EvaluateOptions,
) -> Result<Evaluation> {
    let started = Instant::now();
    check_vocabulary(model.config, tokenizer)?;
    let usual = usual_steps(model.config, objective);
    let steps = if objective_descends(model) { usual.max(options.steps) } else { 1 };
    let windows = chosen_windows(text, tokenizer, model.config.context, options.limits)?;
    let mut losses = no_losses(text, steps);
    let predictor = Predictor::new(b, model, objective, options.seed);
    let mut energies = Energies::default();
    let mut doubts = options.confidence.then(|| Doubts {
        after: usual,
        of: Vec::new(),
        positions: objective_descends(model).then(Vec::new),
    });
    let progress = Counter::new(options.progress, windows.iter().map(|w| w.length).sum());
    let groups = batches(&windows, model.config.context, options.batch.max(1));
    let Place { rank, world } = ranks.place();
    // by group, step and window; what other ranks measure stays 0 here
    let mut values = vec![0.0; steps * windows.len()];
    let mut rest = values.as_mut_slice();
    for (i, group) in groups.iter().enumerate() {
        let found = rest.split_off_mut(..steps * group.windows.len()).unwrap_or_default();
        if i % world == rank {
            measure(b, &predictor, text, group, found, (&mut energies, doubts.as_mut()))?;
        }
        progress.advance(group.windows.iter().map(|w| w.length).sum());
    }
    ranks.sum_f64(&mut [&mut values])?;
    let mut found = values.into_iter();
    for group in &groups {
        for step in 0..steps {
            for (window, loss) in group.windows.iter().zip(&mut found) {
                losses[window.source].nats[step] += loss;
            }
        }
    }
    for window in &windows {
        let source = &mut losses[window.source];
        source.tokens += window.length;
        source.bytes += window.bytes;
    }
    let confidence = doubts.map(|doubts| Confidence::of(&doubts.of, doubts.positions.as_deref()));
    Ok(Evaluation { energies: energies.by_step, confidence, ..Evaluation::of(losses, steps, usual, started) })
}

fn objective_descends<T>(model: Model<'_, T>) -> bool {
    model.layout.energy.is_some()
}

/// Doubts in tokens that were predicted, after so many steps.
struct Doubts {
    after: usize,
    of: Vec<Doubt>,
    /// The most probable tokens of every position, of models that have energies.
    positions: Option<Vec<Position>>,
}

impl Doubts {
    /// Adds those in the tokens of `sequences`, from the logits `(n,V)` of each, and the energies of the first state and the final one.
    fn add<B: Backend>(
        &mut self,
        b: &B,
        predictor: &Predictor<'_, B>,
        sequences: &Sequences,
        logits: &[f32],
        of_states: &[Vec<f32>; 2],
    ) -> Result<()> {
        let rows = sequences.targets.len();
        let of_row = |row: usize| &logits[row * (logits.len() / rows)..][..logits.len() / rows];
        let counted: Vec<usize> = (0..rows).filter(|&row| sequences.targets[row] != NO_TARGET).collect();
        let candidates = if self.positions.is_some() { CANDIDATES } else { 0 };
        let best: Vec<Vec<u32>> = counted.iter().map(|&row| greatest(of_row(row), candidates)).collect();
        let mut lists = vec![vec![0; rows]; best.first().map_or(0, Vec::len)];
        for (&row, tokens) in counted.iter().zip(&best) {
            lists.iter_mut().zip(tokens).for_each(|(list, &token)| list[row] = token);
        }
        let mut energies = vec![vec![0.0; rows]; lists.len()];
        predictor.vertices(sequences, &lists, |i, energy| {
            b.download(energy, &mut energies[i]);
            Ok(())
        })?;
        let at =
            |list: Option<&Vec<f32>>, row: usize| f64::from(list.and_then(|list| list.get(row)).map_or(0.0, |&e| e));
        for (&row, tokens) in counted.iter().zip(&best) {
            let (logits, target) = (of_row(row), sequences.targets[row]);
            let told = [of_states.first(), of_states.last(), energies.first()].map(|list| at(list, row));
            let doubt = Doubt::of(logits, target as usize, told);
            if let Some(positions) = self.positions.as_mut().filter(|kept| kept.len() < MOST_POSITIONS) {
                let log_p = |token: u32| f64::from(logits[token as usize]) - doubt.lse;
                positions.push(Position {
                    of: tokens
                        .iter()
                        .zip(&energies)
                        .map(|(&token, list)| (log_p(token), at(Some(list), row)))
                        .collect(),
                    right: tokens.iter().position(|&token| token == target),
                    log_p: log_p(target),
                });
            }
            self.of.push(doubt);
        }
        Ok(())
    }
}

/// The losses of the windows of a group, summed over each, after every step.
fn measure<B: Backend>(
    b: &B,
    predictor: &Predictor<'_, B>,
    text: &Tokens,
    group: &Group<'_>,
    losses: &mut [f64],
    (energies, mut doubts): (&mut Energies, Option<&mut Doubts>),
) -> Result<()> {
    let (batch, context) = (group.windows.len(), group.context);
    let rows = batch * context;
    let mut sequences = Sequences {
        batch,
        context,
        tokens: vec![text.begin(); rows],
        targets: vec![NO_TARGET; rows],
        ..Sequences::default()
    };
    let mut ids = Vec::with_capacity(context + 1);
    for (i, window) in group.windows.iter().enumerate() {
        let Range { start, end } = window.targets();
        ids.clear();
        text.gather(start - 1..end, &mut ids)?;
        let row = i * context..i * context + window.length;
        sequences.tokens[row.clone()].copy_from_slice(&ids[..window.length]);
        sequences.targets[row].copy_from_slice(&ids[1..]);
    }
    let targets = b.index(&sequences.targets);
    let weight = b.fill(rows, 1, 1.0);
    let mut values = vec![0.0; rows];
    let steps = losses.len() / batch;
    // the state after step `after` is the one before the next, where its energy is found
    let most = doubts.as_ref().map_or(steps, |doubts| steps.max(doubts.after + 1));
    let (mut logits, mut of_states) = (Vec::new(), [Vec::new(), Vec::new()]);
    predictor.run(&sequences, group.first_row, most, |step| {
        if let Some(doubts) = &doubts {
            if step.index + 1 == doubts.after {
                logits.resize(rows * b.shape(step.logits).1, 0.0);
                b.download(step.logits, &mut logits);
            }
            for (at, kept) in [0, doubts.after].into_iter().zip(&mut of_states) {
                if let Some(energy) = step.energy.filter(|_| step.index == at) {
                    kept.resize(rows, 0.0);
                    b.download(energy, kept);
                }
            }
        }
        if step.index >= steps {
            return Ok(b.status()?);
        }
        let (loss, _) = b.cross_entropy(step.logits, &targets, &weight);
        b.download_f64(&loss, &mut values);
        energies.add(b, step.index, step.energy, |row| sequences.targets[row] != NO_TARGET);
        b.status()?;
        let found = losses.chunks_exact_mut(batch).nth(step.index).unwrap_or_default();
        for ((loss, window), row) in found.iter_mut().zip(&group.windows).zip(values.chunks_exact(context)) {
            *loss = row.iter().take(window.length).sum();
        }
        Ok(())
    })?;
    if let Some(doubts) = &mut doubts {
        doubts.add(b, predictor, &sequences, &logits, &of_states)?;
    }
    Ok(())
}
