//! Perplexity and bits per byte of a model on text, for every number of thinking steps.
//!
//! Every document is tokenised whole and stands after a begin token; each of its tokens is predicted once, from what
//! stands before it in a window of the model's context. Bytes are counted once, as UTF-8. Perplexity is the exponential
//! of the mean loss per token; bits per byte, the total loss over the total of bytes, does not depend on the tokenizer.

use std::ops::Range;
use std::time::Instant;

use anyhow::{Result, bail};
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
use ebt_model::check_vocabulary;

/// How to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Descent steps; at least as many as the model was trained to take are run. The baseline takes 1.
    pub steps: usize,
    /// Sequences computed together; the result does not depend on it.
    pub batch: usize,
    /// Stop after about this many tokens, taken evenly from all sources.
    pub limit_tokens: Option<usize>,
    /// Stop after about this many bytes of text, taken evenly from all sources.
    pub limit_bytes: Option<usize>,
    /// Seed of the initial states.
    pub seed: u64,
    /// Whether progress is shown on standard error.
    pub progress: bool,
    /// Whether it is found how well the model tells its errors; the energy of the final state then takes another evaluation.
    pub confidence: bool,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { steps: 0, batch: 8, limit_tokens: None, limit_bytes: None, seed: 0, progress: false, confidence: false }
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
    let windows = chosen_windows(text, tokenizer, model.config.context, options)?;
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

/// A run of tokens of one document, to be predicted together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Number of the source it is from.
    pub source: usize,
    /// Position of the first predicted token in the stream; the one before it, a begin token or text, is observed.
    pub start: u64,
    /// Predicted tokens, at least 1.
    pub length: usize,
    /// Bytes of text that these stand for, once counted.
    pub bytes: usize,
}

impl Window {
    /// Positions of the predicted tokens.
    pub fn targets(&self) -> Range<u64> {
        self.start..self.start + self.length as u64
    }
}

/// All windows of at most `context` tokens, by source.
fn windows(text: &Tokens, context: usize) -> Vec<Vec<Window>> {
    let mut by_source = vec![Vec::new(); text.sources().len()];
    for document in 0..text.documents() {
        let (source, tokens) = (text.source(document), text.document(document));
        for start in (tokens.start + 1..tokens.end).step_by(context) {
            let length = (tokens.end - start).min(context as u64) as usize;
            by_source[source].push(Window { source, start, length, bytes: 0 });
        }
    }
    by_source
}

/// The windows that are measured: within the limits of `options`, of all sources in turn.
///
/// # Errors
///
/// No text, and a damaged shard.
pub fn chosen_windows(
    text: &Tokens,
    tokenizer: &Tokenizer,
    context: usize,
    options: &EvaluateOptions,
) -> Result<Vec<Window>> {
    let width = |id: &u32| tokenizer.token_bytes(*id).map_or(0, <[u8]>::len);
    let mut ids = Vec::new();
    let windows = limited(windows(text, context), options, |window| {
        ids.clear();
        text.gather(window.targets(), &mut ids)?;
        Ok(ids.iter().map(width).sum())
    })?;
    if windows.is_empty() {
        bail!("there is no text to evaluate");
    }
    Ok(windows)
}

/// The windows within the limits, taken from all sources in turn, with their bytes counted.
fn limited(
    by_source: Vec<Vec<Window>>,
    options: &EvaluateOptions,
    mut count: impl FnMut(&Window) -> Result<usize>,
) -> Result<Vec<Window>> {
    let longest = by_source.iter().map(Vec::len).max().unwrap_or(0);
    let (mut tokens, mut bytes, mut taken) = (0, 0, Vec::new());
    for i in 0..longest {
        for window in by_source.iter().filter_map(|list| list.get(i)) {
            let full = |sum: usize, limit: Option<usize>| limit.is_some_and(|limit| sum >= limit);
            if full(tokens, options.limit_tokens) || full(bytes, options.limit_bytes) {
                return Ok(taken);
            }
            let window = Window { bytes: count(window)?, ..*window };
            tokens += window.length;
            bytes += window.bytes;
            taken.push(window);
        }
    }
    Ok(taken)
}

/// Windows of about the same length, padded to `context` rows each.
#[derive(Debug)]
struct Group<'a> {
    context: usize,
    first_row: u64,
    windows: Vec<&'a Window>,
}

/// Lengths are rounded up to eighths of the context, so that short documents cost little. The initial state of a row
/// is numbered by its place among all windows of its length: batches of another size give the same states.
fn batches(windows: &[Window], context: usize, batch: usize) -> Vec<Group<'_>> {
    const CLASSES: usize = 8;
    let rows = |class: usize| (context * class).div_ceil(CLASSES);
    let mut groups = Vec::new();
    for class in 1..=CLASSES {
        let fits = |w: &&Window| w.length <= rows(class) && w.length > rows(class - 1);
        let members: Vec<&Window> = windows.iter().filter(fits).collect();
        for (i, chunk) in members.chunks(batch).enumerate() {
            let first_row = ((class as u64) << 32) + (i * batch * rows(class)) as u64;
            groups.push(Group { context: rows(class), first_row, windows: chunk.to_vec() });
        }
    }
    groups
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

#[cfg(test)]
mod tests {
    use super::*;

    use ebt_data::part::Encoded;

    /// Documents of these lengths, by source; a byte a token.
    fn text(sources: &[&[usize]]) -> Tokens {
        let mut all = Encoded::default();
        for (source, lengths) in sources.iter().enumerate() {
            lengths.iter().for_each(|&n| all.push(0, &vec![7; n], n as u64, source as u32));
        }
        Tokens::new(all, sources.iter().map(|_| String::from("s")).collect(), 0, 8)
    }

    #[test]
    fn windows_cover_every_token_once() {
        let text = text(&[&[0, 1, 5, 8, 17], &[3]]);
        let found = windows(&text, 8);
        let lengths: Vec<usize> = found[0].iter().map(|w| w.length).collect();
        assert_eq!(lengths, [1, 5, 8, 8, 8, 1]);
        assert_eq!(found[1].len(), 1);
        let mut ids = Vec::new();
        found.iter().flatten().for_each(|w| text.gather(w.targets(), &mut ids).unwrap());
        assert_eq!(ids, [7; 34]);
    }

    #[test]
    fn batches_hold_every_window_once_and_number_rows_by_window() {
        let all: Vec<Window> = windows(&text(&[&[1, 2, 3, 9, 16, 10, 1, 40]]), 16).concat();
        let numbers = |batch: usize| {
            let mut rows: Vec<(u64, u64)> = Vec::new();
            for group in batches(&all, 16, batch) {
                for (i, w) in group.windows.iter().enumerate() {
                    assert!(w.length <= group.context);
                    rows.push((w.start, group.first_row + (i * group.context) as u64));
                }
            }
            rows.sort_unstable();
            rows
        };
        assert_eq!(numbers(1).len(), all.len());
        assert_eq!(numbers(1), numbers(3));
    }

    #[test]
    fn limits_take_from_all_sources() {
        let by_source = windows(&text(&[&[4, 4, 4], &[4, 4, 4]]), 4);
        let options = EvaluateOptions { limit_tokens: Some(8), ..EvaluateOptions::default() };
        let taken = limited(by_source, &options, |w| Ok(w.length)).unwrap();
        assert_eq!(taken.iter().map(|w| w.source).collect::<Vec<_>>(), [0, 1]);
    }
}
