//! Evaluation with a cache: packed models, and models with several candidates a token.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow};
use ebt::engine::descent::{DescentOptions, Selection, StepSize, Tolerance};
use ebt::engine::{Session, SessionOptions};
use ebt::packed::{Isa, Model, Storage};
use ebt_core::config::ModelKind;
use ebt_core::random::{Purpose, Stream};
use ebt_data::progress::Counter;
use ebt_data::{Tokens, memory};
use ebt_model::check_vocabulary;
use ebt_tokenizer::Tokenizer;
use ebt_train::evaluate::{EvaluateOptions, Evaluation, Losses, no_losses};
use ebt_train::windows::{Window, chosen_windows};
use rayon::prelude::*;

use crate::inference::{SessionMemory, extents};

/// What evaluation with a cache can do besides [`EvaluateOptions`], whose `batch` is the number of positions that are
/// computed together here (the result depends on it only by rounding).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CachedEvaluation {
    /// Starts of every token; one is kept.
    pub candidates: usize,
    /// Which of the candidates is kept: the one of least final energy, or of the largest drop.
    pub choose: Selection,
    /// How far a step goes.
    pub step_size: StepSize,
    /// When a token stops early.
    pub tolerance: Tolerance,
    /// How observed keys and values are kept.
    pub cache: Storage,
    /// Instructions; the result does not depend on them.
    pub kernel: Isa,
    /// Sessions at work, on the threads of the current rayon pool; the result does not depend on their number.
    pub threads: usize,
}

/// As [`ebt_train::evaluate::evaluate_tokens`], by sessions that read window by window.
///
/// Initial states are keyed by the window and the place in it, so with noise starts results differ from those of
/// [`ebt_train::evaluate::evaluate_tokens`] as those of another seed do. With several candidates the descent is run anew for every
/// number of steps, because which candidate is kept depends on where it ends.
///
/// # Errors
///
/// No text, a tokenizer that does not fit the model, a damaged shard, settings out of their range, more memory than there
/// is, and values that are not finite.
pub fn evaluate_cached(
    model: &Model<'_>,
    tokenizer: &Tokenizer,
    text: &Tokens,
    options: &EvaluateOptions,
    with: &CachedEvaluation,
) -> Result<Evaluation> {
    let started = Instant::now();
    check_vocabulary(&model.config, tokenizer)?;
    let descends = model.config.kind == ModelKind::Ebt;
    let usual = if descends { model.descent.steps } else { 1 };
    let steps = if descends { usual.max(options.steps) } else { 1 };
    let windows = chosen_windows(text, tokenizer, model.config.context, options.limits)?;
    let block = options.batch.max(1);
    let CachedEvaluation { candidates, choose, step_size, tolerance, cache, .. } = *with;
    let think = DescentOptions { steps, candidates, choose, step_size, tolerance, ..DescentOptions::default() };
    let extents = SessionOptions { block, rows: block.max(candidates), cache, ..extents(&think, usual) };
    let progress = Counter::new(options.progress, windows.iter().map(|w| w.length).sum());
    let work = WindowedEvaluation { model, text, windows: &windows, seed: options.seed, think, extents, with };
    let wanted = Session::bytes_needed(&model.config, &work.extents)?.saturating_mul(work.sessions());
    let remedy = "a smaller --batch, and fewer --candidates or --threads, take less";
    memory::check("this evaluation", wanted as u64, remedy)?;
    let results = work.all(&progress)?;
    let mut losses = no_losses(text, steps);
    for (window, nats) in windows.iter().zip(results) {
        let Window { length, bytes, .. } = *window;
        losses[window.source].add(&Losses { source: String::new(), tokens: length, bytes, nats });
    }
    Ok(Evaluation::of(losses, steps, usual, started))
}

/// Everything that a thread needs.
struct WindowedEvaluation<'w, 'm> {
    model: &'w Model<'m>,
    text: &'w Tokens,
    windows: &'w [Window],
    seed: u64,
    think: DescentOptions,
    extents: SessionOptions,
    with: &'w CachedEvaluation,
}

impl WindowedEvaluation<'_, '_> {
    /// Sessions at work.
    fn sessions(&self) -> usize {
        self.with.threads.min(self.windows.len()).max(1)
    }

    /// Summed losses of every window after every step, in the order of the windows.
    fn all(&self, progress: &Counter) -> Result<Vec<Vec<f64>>> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![Vec::new(); self.windows.len()]);
        let take = || -> Result<()> {
            let mut memory = SessionMemory::of(&self.model.config, &self.extents)?;
            let mut session = memory.session(self.model.clone(), &self.extents, self.with.kernel)?;
            let mut ids = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(window) = self.windows.get(number) else { return Ok(()) };
                ids.clear();
                self.text.gather(window.start - 1..window.targets().end, &mut ids)?;
                let nats = self.window(&mut session, number, &ids)?;
                results.lock().map_err(|_| anyhow!("a thread of the evaluation failed"))?[number] = nats;
                progress.advance(window.length);
            }
        };
        let sessions = self.sessions();
        (0..sessions).into_par_iter().with_max_len(1).try_for_each(|_| take())?;
        results.into_inner().map_err(|_| anyhow!("a thread of the evaluation failed"))
    }

    /// Summed losses of a window that stands after `ids[0]`.
    fn window(&self, session: &mut Session<'_, '_>, number: usize, ids: &[u32]) -> Result<Vec<f64>> {
        let Some((first, targets)) = ids.split_first() else { return Ok(vec![0.0; self.think.steps]) };
        let [low, high, ..] = Stream::new(self.seed, 0, Purpose::InitialState).detail(u16::MAX).block(number as u64);
        let think = DescentOptions { seed: u64::from(low) | u64::from(high) << 32, ..self.think };
        let mut nats = vec![0.0; self.think.steps];
        let mut score = |think: &DescentOptions, each: &mut dyn FnMut(usize, usize, f64)| -> Result<()> {
            session.reset();
            session.observe(&[*first])?;
            Ok(session.score(targets, think, &mut |index, step, loss| each(index, step, f64::from(loss)))?)
        };
        if think.candidates > 1 && self.model.config.kind == ModelKind::Ebt {
            for (steps, sum) in (1..).zip(&mut nats) {
                score(&DescentOptions { steps, ..think }, &mut |_, _, loss| *sum += loss)?;
            }
            return Ok(nats);
        }
        // a descent that ends before the last step keeps its loss
        let mut last = vec![(0, 0.0); targets.len()];
        score(&think, &mut |index, step, loss| {
            if let (Some(sum), Some(last)) = (nats.get_mut(step), last.get_mut(index)) {
                *sum += loss;
                *last = (step + 1, loss);
            }
        })?;
        for (steps, loss) in last {
            nats.iter_mut().skip(steps).for_each(|sum| *sum += loss);
        }
        Ok(nats)
    }
}
