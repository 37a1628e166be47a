//! A session: a model, a cache of what was observed, and the memory to think in.

use super::arena::Arena;
use super::attend::Cached;
use super::cache::{Cache, LastTokens, Visibility};
use super::candidates::{Candidates, Points};
use super::descent::{
    Certificate, Descent, DescentOptions, Drawn, Dynamics, Outcome, Potential, Sampler, Sampling, StepReport, initial,
};
use super::error::Error;
use super::layer::norm;
use super::math;
use super::options::SessionOptions;
use super::pass::Pass;
use super::scratch::{Activations, AttentionScratch, Scratch};
use super::sizes::Sizes;
use super::slices::{copy, front, row_of};
use crate::packed::{ConditionOf, Isa, Model};
use core::ops::ControlFlow;
use ebt_core::config::{Conditioning, Config, ModelKind};

/// Generation with a cache. Nothing is allocated: everything lives in the arena that [`Session::new`] is given.
///
/// A token costs, per landscape, one observed row forward, and per descent step one candidate row forward and backward:
/// constant in the number of tokens before it.
#[derive(Debug)]
pub struct Session<'m, 'a> {
    model: Model<'m>,
    dynamics: Dynamics,
    sizes: Sizes,
    kernel: Isa,
    parts: Parts<'a>,
    outcome: Outcome,
    /// Row of the hidden states that belongs to the last token; none where it was taken back to.
    last_row: Option<usize>,
    /// Position whose hidden state is kept.
    kept: u64,
}

/// Everything that lies in the arena.
#[derive(Debug)]
struct Parts<'a> {
    cache: Cache<'a>,
    tokens: LastTokens<'a>,
    attention: AttentionScratch<'a>,
    observed: Activations<'a>,
    saved: Activations<'a>,
    work: Scratch<'a>,
    points: Points<'a>,
    descent: Descent<'a>,
    sampler: Sampler<'a>,
    /// Normed last hidden states of the baseline `(block, D)` with one that is kept, and logits of its next token `(V)`.
    hidden: &'a mut [f32],
    logits: &'a mut [f32],
}

impl<'a> Parts<'a> {
    fn alloc(arena: &mut Arena<'a>, config: &Config, sizes: &Sizes, options: &SessionOptions) -> Result<Self, Error> {
        let ebt = config.kind == ModelKind::Ebt;
        let rows = if ebt { sizes.rows.saturating_mul(sizes.parts) } else { 0 };
        let (baseline, candidates) = if ebt { (0, sizes.rows) } else { (1, 0) };
        Ok(Self {
            cache: Cache::alloc(arena, sizes)?,
            tokens: LastTokens::alloc(arena, sizes)?,
            attention: AttentionScratch::alloc(arena, sizes)?,
            observed: Activations::alloc(arena, sizes, sizes.block, 1)?,
            saved: Activations::alloc(arena, sizes, rows, sizes.layers)?,
            work: Scratch::alloc(arena, sizes, config.rope_theta)?,
            points: Points {
                mixed: arena.matrix(candidates, sizes.dim)?,
                landscapes: arena.words(candidates)?,
                members: arena.words(candidates)?,
                held: 0,
            },
            descent: Descent::alloc(arena, candidates, sizes.vocab, options)?,
            sampler: Sampler::alloc(arena, sizes.vocab)?,
            hidden: arena.matrix(sizes.block.saturating_add(1).saturating_mul(baseline), sizes.dim)?,
            logits: arena.matrix(baseline, sizes.vocab)?,
        })
    }
}

fn check(config: &Config) -> Result<(), Error> {
    config.check().map_err(Error::Config)?;
    let requirement = "a joint model answers whole problems: open a `Solver` with it instead of a session";
    let causal = config.kind != ModelKind::Joint;
    if causal { Ok(()) } else { Err(Error::Option { field: "model", requirement }) }
}

impl<'m, 'a> Session<'m, 'a> {
    /// Bytes that the arena of a session needs, exactly: one byte less is refused by [`Session::new`].
    ///
    /// # Errors
    ///
    /// A configuration that cannot be built, that of a joint model ([`super::Solver`] takes it), options out of their range,
    /// and sizes beyond the address space.
    pub fn bytes_needed(config: &Config, options: &SessionOptions) -> Result<usize, Error> {
        check(config)?;
        let mut arena = Arena::measure();
        Parts::alloc(&mut arena, config, &Sizes::of(config, options)?, options)?;
        Ok(arena.used())
    }

    /// A session in `arena`, which must start at a multiple of 4 and hold [`Session::bytes_needed`] bytes.
    ///
    /// # Errors
    ///
    /// As [`Session::bytes_needed`], and an arena that is too small or not aligned.
    pub fn new(model: Model<'m>, options: &SessionOptions, arena: &'a mut [u8]) -> Result<Self, Error> {
        check(&model.config)?;
        let sizes = Sizes::of(&model.config, options)?;
        let parts = Parts::alloc(&mut Arena::over(arena)?, &model.config, &sizes, options)?;
        let dynamics = Dynamics::of(&model, sizes.landscapes, options.steps);
        let (kernel, outcome) = (Isa::detect(), Outcome::default());
        Ok(Self { model, dynamics, sizes, kernel, parts, outcome, last_row: None, kept: 0 })
    }

    /// The same session with its products computed by `kernel`; results have the same bits.
    #[must_use]
    pub fn with_isa(self, kernel: Isa) -> Self {
        Self { kernel, ..self }
    }

    /// The packed model that the session runs, with bytes that are borrowed for `'m`.
    pub fn model(&self) -> &Model<'m> {
        &self.model
    }

    /// What the model says about its own descent. It may be changed: the update rule, the start.
    pub fn dynamics_mut(&mut self) -> &mut Dynamics {
        &mut self.dynamics
    }

    /// Forgets all tokens.
    pub fn reset(&mut self) {
        self.parts.cache.clear();
        (self.last_row, self.kept) = (None, 0);
    }

    /// Remembers this place, so that [`Session::back_to`] leads to it as it is; the last one that was remembered counts. Returns
    /// its position.
    pub fn keep(&mut self) -> u64 {
        self.kept = self.position();
        let (block, dim) = (self.sizes.block, self.sizes.dim);
        if let (Some(row), Some((rows, kept))) =
            (self.last_row, self.parts.hidden.split_at_mut_checked(block.saturating_mul(dim)))
            && row < block
        {
            copy(kept, row_of(rows, row, dim));
        }
        self.last_row = self.last_row.map(|_| block);
        self.kept
    }

    /// Takes back the tokens from `position` on: what is computed from there is the same, to the bit, as if they had never been
    /// observed. As many tokens can be taken back as [`Session::spare`] said at that position.
    ///
    /// The baseline transformer thinks at a position that was gone back to only if it was kept, or once a token is observed.
    ///
    /// # Errors
    ///
    /// A position that is not there yet, or before which tokens are lost; nothing is taken back then.
    pub fn back_to(&mut self, position: u64) -> Result<(), Error> {
        let moves = position != self.position();
        if !self.parts.cache.go_back(position) {
            let requirement = "must be one that was observed, no more tokens back than may be taken back";
            return Err(Error::Option { field: "position", requirement });
        }
        if moves {
            self.last_row = Some(self.sizes.block).filter(|_| position == self.kept);
        }
        Ok(())
    }

    /// Tokens that may be observed from here on and all taken back: at least as many as a block.
    pub fn spare(&self) -> u64 {
        self.parts.cache.spare()
    }

    /// Observed tokens so far: the position of the next one.
    pub fn position(&self) -> u64 {
        self.parts.cache.written()
    }

    /// Evaluations that the last [`Session::think`] or block of [`Session::score`] took.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Reads tokens, in blocks of [`SessionOptions::block`].
    ///
    /// # Errors
    ///
    /// A token outside the vocabulary: then none is read.
    pub fn observe(&mut self, tokens: &[u32]) -> Result<(), Error> {
        self.check(tokens)?;
        for block in tokens.chunks(self.sizes.block.max(1)) {
            self.observe_block(block);
        }
        Ok(())
    }

    pub(crate) fn check(&self, tokens: &[u32]) -> Result<(), Error> {
        let vocabulary = self.sizes.vocab;
        let wrong = tokens.iter().find(|&&id| id as usize >= vocabulary);
        wrong.map_or(Ok(()), |&id| Err(Error::Token { id, vocabulary }))
    }

    fn observe_block(&mut self, tokens: &[u32]) {
        let Parts { cache, tokens: read, attention, observed, work, hidden, .. } = &mut self.parts;
        let first = cache.written();
        tokens.iter().zip(first..).for_each(|(&token, position)| read.store(position, token));
        self.last_row = tokens.len().checked_sub(1);
        cache.extend(tokens.len());
        let ebt = self.model.config.kind == ModelKind::Ebt;
        let embedding = self.model.embedding();
        for stream in 0..self.sizes.streams {
            for (&token, h) in tokens.iter().zip(work.h.chunks_exact_mut(self.sizes.dim.max(1))) {
                embedding.row_into(token as usize, h);
            }
            let pass = Pass { model: &self.model, sizes: &self.sizes, kernel: self.kernel, n: tokens.len() };
            let visible = Visibility { first, every: 1, members: &[], predicted: false };
            let mut cached = Cached { cache: &mut *cache, scratch: &mut *attention, visible, stream };
            pass.prepare(&cached, work);
            let of = match (ebt, self.model.config.condition) {
                (true, Conditioning::All) => ConditionOf::Landscape(stream),
                _ => ConditionOf::Plain,
            };
            for layer in 0..self.sizes.layers {
                let Some(condition) = self.model.block_condition(of, layer) else { return };
                if ebt && layer.saturating_add(1) == self.sizes.layers {
                    pass.last_block(layer, &condition, &mut cached, work);
                } else {
                    pass.block::<f32>(layer, &condition, &mut cached, &mut observed.layer(0), work);
                }
            }
            if let (false, Some(head)) = (ebt, self.model.head_condition(of)) {
                let (n, width, eps) = (tokens.len(), self.sizes.dim, self.model.config.eps as f32);
                let h = front(work.h, n.saturating_mul(width));
                norm::forward::<f32>(norm::Spec { n, width, eps }, h, (head.w, head.b), hidden, work.inverse);
            }
        }
    }

    fn require_tokens(&self) -> Result<(), Error> {
        let requirement = "observe at least one token first: training text begins with a begin token";
        let lost = self.last_row.is_none() && self.model.config.kind == ModelKind::Transformer;
        if self.position() == 0 || lost { Err(Error::Option { field: "tokens", requirement }) } else { Ok(()) }
    }

    /// Descends on the energy of the next token's distribution; `on_step` sees every step and may cancel. Then
    /// [`Session::logits`] are those of the next token.
    ///
    /// The baseline, which has no energy, computes its logits; its certificate has no steps.
    ///
    /// # Errors
    ///
    /// No token observed yet, settings out of their range or beyond the options, a value that is not finite, and
    /// [`Error::Cancelled`]. The session stays as it was: the next call starts afresh.
    pub fn think(
        &mut self,
        think: &DescentOptions,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Certificate<'_>, Error> {
        self.require_tokens()?;
        match self.model.config.kind {
            ModelKind::Transformer => self.baseline(),
            ModelKind::Ebt | ModelKind::Joint => {
                self.descend(self.position().saturating_sub(1) as usize, 1, think, on_step)?
            }
        }
        self.certificate().ok_or(Error::Shape { what: "results", expected: 1, given: 0 })
    }

    /// Descends for `count` tokens, which follow those at `position`, `position + 1`, ...
    fn descend(
        &mut self,
        position: usize,
        count: usize,
        think: &DescentOptions,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Parts { cache, tokens, attention, saved, work, points, descent, .. } = &mut self.parts;
        points.held = 0;
        let every = think.candidates;
        let mut candidates = Candidates {
            model: &self.model,
            sizes: &self.sizes,
            kernel: self.kernel,
            cache,
            tokens,
            attention,
            saved,
            work,
            points,
            first: (position as u64).saturating_add(1),
            every,
            n: count.saturating_mul(every),
        };
        let positions = position..position.saturating_add(count);
        self.outcome = descent.run(&mut candidates, think, &self.dynamics, positions, on_step)?;
        Ok(())
    }

    /// The energy of `rows` candidate distributions of the next token, to be evaluated, differentiated and probed at will.
    ///
    /// # Errors
    ///
    /// No token observed yet, the baseline (which has no energy), and more rows than the options have.
    pub fn potential(&mut self, rows: usize) -> Result<impl Potential + use<'_, 'm, 'a>, Error> {
        self.require_tokens()?;
        if self.model.config.kind == ModelKind::Transformer {
            return Err(Error::Option { field: "model", requirement: "the baseline transformer has no energy" });
        }
        if rows == 0 || rows > self.sizes.rows {
            return Err(Error::Option { field: "rows", requirement: "must lie between 1 and the session's rows" });
        }
        let first = self.position();
        let Parts { cache, tokens, attention, saved, work, points, .. } = &mut self.parts;
        points.held = 0;
        let (model, sizes, kernel) = (&self.model, &self.sizes, self.kernel);
        let (every, n) = (rows, rows);
        Ok(Candidates { model, sizes, kernel, cache, tokens, attention, saved, work, points, first, every, n })
    }

    /// Writes the state `Y0 (V)` that [`Session::think`] begins with for the next token, that of its first candidate.
    ///
    /// # Errors
    ///
    /// No token observed yet, and room for another number of logits.
    pub fn start(&self, think: &DescentOptions, logits: &mut [f32]) -> Result<(), Error> {
        self.require_tokens()?;
        if logits.len() != self.sizes.vocab {
            return Err(Error::Shape { what: "logits of a start", expected: self.sizes.vocab, given: logits.len() });
        }
        initial(&self.dynamics, think, self.position().saturating_sub(1) as usize, 0, logits);
        Ok(())
    }

    fn baseline(&mut self) {
        let Parts { hidden, logits, .. } = &mut self.parts;
        let last = self.last_row.map(|row| row_of(hidden, row, self.sizes.dim)).unwrap_or_default();
        self.model.vocabulary().product(self.kernel, last, logits);
    }

    /// Certificate of the last [`Session::think`]; none before it and after one that failed.
    pub fn certificate(&self) -> Option<Certificate<'_>> {
        match self.model.config.kind {
            ModelKind::Ebt | ModelKind::Joint => self.parts.descent.certificate(0),
            ModelKind::Transformer => Some(Certificate::without_descent(self.position().checked_sub(1)? as usize)),
        }
    }

    /// Logits `(V)` of the next token after the last [`Session::think`]; empty before it.
    pub fn logits(&self) -> &[f32] {
        match self.model.config.kind {
            ModelKind::Ebt | ModelKind::Joint => self.parts.descent.logits(0),
            ModelKind::Transformer => self.parts.logits,
        }
    }

    /// `softmax` of the logits `(V)`; empty in the baseline.
    pub fn probabilities(&self) -> &[f32] {
        self.parts.descent.probabilities(0)
    }

    /// Draws the next token from the logits at `uniform` (in `[0, 1)`); `banned` says which tokens must not come.
    ///
    /// # Errors
    ///
    /// Settings out of their range, logits that are not numbers, and no token left.
    pub fn sample(
        &mut self,
        sampling: &Sampling,
        uniform: f64,
        banned: impl FnMut(u32) -> bool,
    ) -> Result<Drawn, Error> {
        let Parts { descent, sampler, logits, .. } = &mut self.parts;
        let logits = match self.model.config.kind {
            ModelKind::Ebt | ModelKind::Joint => descent.logits(0),
            ModelKind::Transformer => logits,
        };
        sampler.draw(logits, sampling, uniform, banned)
    }

    /// Reads `tokens` and says how well each was predicted from those before it: `each(index, step, loss)`, the cross
    /// entropy in nats after every step of its descent. With several candidates only that of the one kept, at its last step.
    ///
    /// At least one token must have been observed before. As many tokens as the options have `rows` (over the
    /// candidates) and a `block` are computed together.
    ///
    /// # Errors
    ///
    /// As [`Session::observe`] and [`Session::think`]; the tokens that were computed together are then not read.
    pub fn score(
        &mut self,
        tokens: &[u32],
        think: &DescentOptions,
        each: &mut dyn FnMut(usize, usize, f32),
    ) -> Result<(), Error> {
        self.check(tokens)?;
        self.require_tokens()?;
        let ebt = self.model.config.kind == ModelKind::Ebt;
        let room = if ebt { self.sizes.rows.checked_div(think.candidates).unwrap_or(0) } else { self.sizes.block };
        let together = room.min(self.sizes.block).max(1);
        for (number, block) in tokens.chunks(together).enumerate() {
            let from = number.saturating_mul(together);
            let last = self.position().saturating_sub(1) as usize;
            if ebt {
                self.observe_block(block);
                let alone = think.candidates == 1;
                let done = self.descend(last, block.len(), think, &mut |report| {
                    if let (true, Some(&token)) = (alone, block.get(report.index)) {
                        let logit = report.logits.get(token as usize).copied().unwrap_or(f32::NAN);
                        each(from.saturating_add(report.index), report.step, report.log_sum_exp - logit);
                    }
                    ControlFlow::Continue(())
                });
                if done.is_err() {
                    self.back_to((last as u64).saturating_add(1))?;
                    return done;
                }
                for (index, &token) in block.iter().enumerate().filter(|_| !alone) {
                    let logit = self.parts.descent.logits(index).get(token as usize).copied().unwrap_or(f32::NAN);
                    let lse = self.parts.descent.log_sum_exp(index).unwrap_or(f32::NAN);
                    let steps = self.parts.descent.certificate(index).map_or(0, |c| c.steps);
                    each(from.saturating_add(index), steps.saturating_sub(1), lse - logit);
                }
            } else {
                self.score_baseline(from, block, each);
            }
        }
        Ok(())
    }

    /// The baseline's losses of a block: the first token is predicted by the last row of the block before.
    fn score_baseline(&mut self, from: usize, block: &[u32], each: &mut dyn FnMut(usize, usize, f32)) {
        let mut loss =
            |parts: &mut Parts<'_>, model: &Model<'_>, (kernel, dim): (Isa, usize), row: usize, at: usize| {
                let Some(&token) = block.get(at) else { return };
                let hidden = parts.hidden.chunks_exact(dim.max(1)).nth(row).unwrap_or(&[]);
                model.vocabulary().product(kernel, hidden, parts.logits);
                let logit = parts.logits.get(token as usize).copied().unwrap_or(f32::NAN);
                each(from.saturating_add(at), 0, math::log_sum_exp(parts.logits) - logit);
            };
        let with = (self.kernel, self.sizes.dim);
        loss(&mut self.parts, &self.model, with, self.last_row.unwrap_or(0), 0);
        self.observe_block(block);
        for row in 0..block.len().saturating_sub(1) {
            loss(&mut self.parts, &self.model, with, row, row.saturating_add(1));
        }
    }
}
