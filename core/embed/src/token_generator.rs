//! A text continued token by token, as ids: the one rule by which every program draws.

use core::ops::ControlFlow;
use ebt_core::random::{Purpose, Stream};

use crate::engine::descent::{Certificate, DescentOptions, Drawn, Sampling, StepReport};
use crate::engine::slices::put;
use crate::engine::{Error, Session};
use crate::packed::Isa;

/// How tokens are thought of and drawn. The seed of both is `think.seed`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// How the distribution of a token is descended to; its `seed` is also that of the draw.
    pub think: DescentOptions,
    /// How a token is drawn from the logits that the descent ends with.
    pub sampling: Sampling,
}

/// Ids that delimit a text. Training text is a sequence of documents, each after a begin token, so both end a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// The token that stands before every text.
    pub begin: u32,
    /// The token after a text, if the vocabulary has one.
    pub end: Option<u32>,
}

impl Delimiters {
    /// Whether a text ends before `id`.
    pub fn ends(&self, id: u32) -> bool {
        id == self.begin || self.end == Some(id)
    }
}

/// Continues a text in tokens: what [`crate::Generator`] is made of, for programs with a tokenizer of their own.
///
/// The token at position `t` of a text is drawn at the uniform number `t` of the stream
/// ([`Purpose::Sampling`], `think.seed`) of counter-based random numbers. So a draw is a function of the text before it and
/// of the settings alone: not of how the text was given, nor of what was generated and taken back.
#[derive(Debug)]
pub struct TokenGenerator<'m, 'a> {
    session: Session<'m, 'a>,
    delimiters: Delimiters,
    /// A token that belongs to the text, but was not observed yet.
    pending: Option<u32>,
    ended: bool,
}

impl<'m, 'a> TokenGenerator<'m, 'a> {
    /// A generator at the beginning of an empty text.
    pub fn new(mut session: Session<'m, 'a>, delimiters: Delimiters) -> Self {
        session.reset();
        Self { session, delimiters, pending: None, ended: false }
    }

    /// The same generator with its products computed by `kernel`; results have the same bits.
    #[must_use]
    pub fn with_isa(self, kernel: Isa) -> Self {
        Self { session: self.session.with_isa(kernel), ..self }
    }

    /// Back to the beginning of an empty text.
    pub fn reset(&mut self) {
        self.session.reset();
        (self.pending, self.ended) = (None, false);
    }

    /// Adds tokens to the text so far, whoever wrote that.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary. The text so far is then unchanged.
    pub fn accept(&mut self, ids: &[u32]) -> Result<(), Error> {
        self.catch_up()?;
        self.session.observe(ids)?;
        self.ended = false;
        Ok(())
    }

    /// Thinks of the next token and draws it; none when the model ended the text, and from then on until more text is
    /// accepted. `spells` says which ids are text; no other is drawn but the delimiters. `on_step` sees every step of the
    /// descent and may cancel it.
    ///
    /// # Errors
    ///
    /// A setting out of its range, a cancelled descent, numbers that are not finite. The text so far is then unchanged
    /// and the call may be repeated.
    pub fn next(
        &mut self,
        settings: &Settings,
        spells: impl Fn(u32) -> bool,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Drawn>, Error> {
        if self.ended {
            return Ok(None);
        }
        self.catch_up()?;
        self.session.think(&settings.think, on_step)?;
        let uniform = Stream::new(settings.think.seed, 0, Purpose::Sampling).uniform(self.session.position());
        let delimiters = self.delimiters;
        let drawn = self.session.sample(&settings.sampling, uniform, |id| !(spells(id) || delimiters.ends(id)))?;
        self.ended = delimiters.ends(drawn.id);
        self.pending = Some(drawn.id).filter(|_| !self.ended);
        Ok(self.pending.map(|_| drawn))
    }

    /// Adds tokens to the text so far, and says how well each was predicted: `each(index, nats)`, its cross entropy after the last step
    /// of its descent, in order.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary: the text so far is then unchanged. Settings out of their range and numbers that are not finite:
    /// what was scored before belongs to the text.
    pub fn score(
        &mut self,
        ids: &[u32],
        think: &DescentOptions,
        each: &mut dyn FnMut(usize, f32),
    ) -> Result<(), Error> {
        const TOGETHER: usize = 64;
        self.session.check(ids)?;
        self.catch_up()?;
        for (number, block) in ids.chunks(TOGETHER).enumerate() {
            let mut losses = [f32::NAN; TOGETHER];
            self.session.score(block, think, &mut |index, _, loss| put(&mut losses, index, loss))?;
            self.ended = false;
            let first = number.saturating_mul(TOGETHER);
            (first..).zip(losses.iter().take(block.len())).for_each(|(index, &loss)| each(index, loss));
        }
        Ok(())
    }

    /// Lets `look` do with the session what it likes, and brings it back to this place as it was. `look` gets the tokens that it may
    /// observe.
    ///
    /// # Errors
    ///
    /// Those of `look`.
    pub(crate) fn aside<R>(
        &mut self,
        look: impl FnOnce(&mut Session<'m, 'a>, usize) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let (place, pending, spare) = (self.session.keep(), self.pending, self.session.spare());
        self.catch_up()?;
        let used = self.session.position().saturating_sub(place);
        let looked = look(&mut self.session, usize::try_from(spare.saturating_sub(used)).unwrap_or(usize::MAX));
        self.session.back_to(place)?;
        self.pending = pending;
        looked
    }

    /// How the last token was found; none before the first and after an error.
    pub fn certificate(&self) -> Option<Certificate<'_>> {
        self.session.certificate()
    }

    /// The ids that delimit the text.
    pub fn delimiters(&self) -> Delimiters {
        self.delimiters
    }

    /// Tokens of the text so far, the one that begins it included.
    pub fn position(&self) -> u64 {
        self.session.position().saturating_add(u64::from(self.pending.is_some()))
    }

    /// The session, for energies of distributions of the token after the text as the last [`Self::next`] found it.
    pub fn session_mut(&mut self) -> &mut Session<'m, 'a> {
        &mut self.session
    }

    /// The session that observes the text; the token drawn last is observed by the call that needs it.
    pub fn session(&self) -> &Session<'m, 'a> {
        &self.session
    }

    /// Observes what belongs to the text and was not observed: its beginning, the token drawn last.
    fn catch_up(&mut self) -> Result<(), Error> {
        if self.session.position() == 0 {
            self.session.observe(&[self.delimiters.begin])?;
        }
        if let Some(id) = self.pending {
            self.session.observe(&[id])?;
            self.pending = None;
        }
        Ok(())
    }
}
