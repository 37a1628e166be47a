//! How well a model holds texts to fit.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, anyhow, bail};
use ebt::engine::descent::{DescentOptions, Potential};
use ebt::engine::{Session, SessionOptions};
use ebt::packed::{Isa, Model};
use ebt_core::config::ModelKind;
use ebt_data::memory;
use ebt_data::progress::Counter;
use ebt_model::check_vocabulary;
use ebt_tokenizer::Tokenizer;
use rayon::prelude::*;

use super::items::{Item, Kind};
use super::statistics::Verdict;
use crate::inference::{SessionMemory, delimiters, extents};

/// What says how well a text fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum By {
    /// The log-probability of its tokens
    Likelihood,
    /// Less the energy of its tokens, each as the certain candidate at its place
    Energy,
    /// How far the energy of its tokens lies below that of the state that a descent starts from
    Drop,
}

/// How items are judged.
#[derive(Clone, Copy, Debug)]
pub struct Judging {
    /// What says how well a text fits.
    pub by: By,
    /// Descent steps, at least as many as the model takes by itself; 0 = as many.
    pub steps: usize,
    /// Seed of states that start from noise.
    pub seed: u64,
    /// Instructions; the result does not depend on them.
    pub kernel: Isa,
    /// Sessions at work, on the threads of the current rayon pool; the result does not depend on their number.
    pub threads: usize,
    /// Whether progress is told.
    pub progress: bool,
}

/// Tokens that are computed together.
const TOGETHER: usize = 16;
/// Distributions that are evaluated together where energies are compared: the start and the token.
const STATES: usize = 2;

/// What the model says of every item, in their order, and the number of steps that it takes by itself.
///
/// # Errors
///
/// A model that judges no text or has no energy where that is asked for, a tokenizer that does not fit it, values that are not
/// finite, and more memory than there is.
pub fn judge(
    model: &Model<'_>,
    tokenizer: &Tokenizer,
    items: &[Item],
    kind: Kind,
    judging: &Judging,
) -> Result<(Vec<Verdict>, usize)> {
    check_vocabulary(&model.config, tokenizer)?;
    let usual = usual_steps(model, judging.by)?;
    let steps = if model.config.kind == ModelKind::Ebt { usual.max(judging.steps) } else { 1 };
    let think = DescentOptions { steps, seed: judging.seed, ..DescentOptions::default() };
    let rows = if judging.by == By::Likelihood { TOGETHER } else { STATES };
    let extents = SessionOptions { block: TOGETHER, rows, ..extents(&think, usual) };
    let sessions = judging.threads.min(items.len()).max(1);
    let wanted = Session::bytes_needed(&model.config, &extents)?.saturating_mul(sessions);
    memory::check("this judgement", wanted as u64, "fewer --threads take less")?;
    let begin = delimiters(tokenizer)?.begin;
    let counter = Counter::new(judging.progress, items.len());
    let (next, verdicts) = (AtomicUsize::new(0), Mutex::new(vec![None; items.len()]));
    let take = || -> Result<()> {
        let mut memory = SessionMemory::of(&model.config, &extents)?;
        let session = memory.session(model.clone(), &extents, judging.kernel)?;
        let mut scorer = Scorer::new(session, think, judging.by);
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return Ok(()) };
            let verdict =
                scorer.verdict(item, kind, tokenizer, begin).with_context(|| format!("item {}", number + 1))?;
            verdicts.lock().map_err(|_| anyhow!("a thread of the judgement failed"))?[number] = Some(verdict);
            counter.advance(1);
        }
    };
    (0..sessions).into_par_iter().with_max_len(1).try_for_each(|_| take())?;
    let verdicts = verdicts.into_inner().map_err(|_| anyhow!("a thread of the judgement failed"))?;
    let verdicts = verdicts.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| anyhow!("an item was left out"))?;
    Ok((verdicts, usual))
}

/// Steps that a model takes by itself.
///
/// # Errors
///
/// A model that judges no text, or has no energy where that is asked for.
pub fn usual_steps(model: &Model<'_>, by: By) -> Result<usize> {
    match (model.config.kind, by) {
        (ModelKind::Joint, _) => bail!("a joint model answers whole problems, such as boards, and judges no text"),
        (ModelKind::Transformer, By::Likelihood) => Ok(1),
        (ModelKind::Transformer, _) => bail!("the baseline transformer has no energy: judge by likelihood"),
        (ModelKind::Ebt, _) => Ok(model.descent.steps),
    }
}

/// A session that reads texts.
struct Scorer<'m, 'a> {
    session: Session<'m, 'a>,
    think: DescentOptions,
    by: By,
    /// Landscapes that the steps are on.
    landscapes: usize,
    /// Logits of the start `(V)`, and the distributions `(STATES, V)`.
    start: Vec<f32>,
    states: Vec<f32>,
}

impl<'m, 'a> Scorer<'m, 'a> {
    fn new(mut session: Session<'m, 'a>, think: DescentOptions, by: By) -> Self {
        let landscapes = session.dynamics_mut().landscapes.min(think.steps).max(1);
        let vocab = session.model().config.vocab;
        Self { session, think, by, landscapes, start: vec![0.0; vocab], states: vec![0.0; STATES * vocab] }
    }

    fn verdict(&mut self, item: &Item, kind: Kind, tokenizer: &Tokenizer, begin: u32) -> Result<Verdict> {
        let ids = |text: &str| -> Result<Vec<u32>> { Ok([vec![begin], tokenizer.encode(text)?].concat()) };
        let texts = item.choices.iter().map(|choice| ids(&joined(&item.context, choice)));
        let texts: Vec<Vec<u32>> = texts.collect::<Result<_>>()?;
        // what all have in common adds the same to all; of choices whose lengths count, no more than the context
        let context = if kind == Kind::Choices { Some(ids(&item.context)?) } else { None };
        let first = texts.first().map_or(&[][..], Vec::as_slice);
        let common = |other: &Vec<u32>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
        let shared = texts.iter().skip(1).chain(&context).map(common).min().unwrap_or(0).max(1);
        let scores = texts.iter().map(|text| {
            let (before, tokens) = text.split_at(shared.min(text.len()));
            self.score(before, tokens)
        });
        let scores: Vec<Vec<f64>> = scores.collect::<Result<_>>()?;
        let lengths: Vec<f64> = item.choices.iter().map(|choice| choice.len() as f64).collect();
        Verdict::of(&scores, &lengths, item.answer)
    }

    /// How well `tokens` fit behind `before`, after every step; more is better.
    fn score(&mut self, before: &[u32], tokens: &[u32]) -> Result<Vec<f64>> {
        let mut sums = vec![0.0; self.think.steps];
        self.session.reset();
        self.session.observe(before)?;
        if self.by == By::Likelihood {
            self.session.score(tokens, &self.think, &mut |_, step, loss| {
                if let Some(sum) = sums.get_mut(step) {
                    *sum -= f64::from(loss);
                }
            })?;
            return Ok(sums);
        }
        for &token in tokens {
            let below = self.below(token)?;
            for (step, sum) in sums.iter_mut().enumerate() {
                *sum += below.get(step.min(self.landscapes - 1)).copied().unwrap_or(f64::NAN);
            }
            self.session.observe(&[token])?;
        }
        Ok(sums)
    }

    /// By landscape, how far the energy of `token` lies below 0, or below that of the start.
    fn below(&mut self, token: u32) -> Result<Vec<f64>> {
        let vocab = self.start.len();
        self.session.start(&self.think, &mut self.start)?;
        let (start, certain) = self.states.split_at_mut(vocab);
        let entropy = softmax(&self.start, start);
        certain.fill(0.0);
        let Some(place) = certain.get_mut(token as usize) else { bail!("the token {token} is not in the vocabulary") };
        *place = 1.0;
        // of a certain token the entropy is 0
        let tau = self.session.dynamics_mut().tau;
        let mut potential = self.session.potential(STATES)?;
        let mut energies = [0.0; STATES];
        let of = |landscape: usize| {
            potential.energy(landscape, &self.states, &[true; STATES], &mut energies);
            let [start, certain] = energies.map(f64::from);
            let from = if self.by == By::Drop { start - f64::from(tau) * entropy } else { 0.0 };
            from - certain
        };
        Ok((0..self.landscapes).map(of).collect())
    }
}

/// `softmax` of logits into `out`; the entropy of it in nats.
fn softmax(logits: &[f32], out: &mut [f32]) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|y| f64::from(y - most).exp()).sum();
    let mut entropy = 0.0;
    for (p, y) in out.iter_mut().zip(logits) {
        let share = f64::from(y - most).exp() / sum;
        entropy -= if share > 0.0 { share * share.ln() } else { 0.0 };
        *p = share as f32;
    }
    entropy
}

/// A choice behind its context, with a space between where neither has one.
fn joined(context: &str, choice: &str) -> String {
    let apart = context.is_empty() || context.ends_with(char::is_whitespace) || choice.starts_with(char::is_whitespace);
    format!("{context}{}{choice}", if apart { "" } else { " " })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_stand_behind_their_context_with_one_space() {
        for (context, choice, expected) in
            [("", "a", "a"), ("Soru:", "evet", "Soru: evet"), ("x\n", "y", "x\ny"), ("x", " y", "x y")]
        {
            assert_eq!(joined(context, choice), expected);
        }
    }

    #[test]
    fn the_entropy_of_even_logits_is_that_of_their_number() {
        let mut p = [0.0; 8];
        assert!((softmax(&[0.5; 8], &mut p) - 8f64.ln()).abs() < 1e-12);
        assert_eq!(p, [0.125; 8]);
        assert!(softmax(&[0.0, 90.0], &mut p[..2]) < 1e-30);
    }
}
