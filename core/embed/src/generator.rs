//! Model, tokenizer and session as one: a text is continued token by token.

use core::ops::ControlFlow;
use ebt_tokenizer::Special;
use ebt_tokenizer::compact::{CompactError, CompactTokenizer, Streaming, Utf8Chunk};

use crate::engine::descent::{Certificate, DescentOptions, Potential as _, StepReport};
use crate::engine::{self, Session};
use crate::error::Error;
use crate::packed::{Isa, Model};
use crate::suggest::{self, Question, SuggestOptions, Suggested, Suggestion};
use crate::token_generator::{Delimiters, Settings, TokenGenerator};

/// Extents; they fix the memory that a generator needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Extents of the model's own work.
    pub session: engine::SessionOptions,
    /// Most bytes of one prompt; longer texts are given in several.
    pub prompt: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { session: engine::SessionOptions::default(), prompt: 1024 }
    }
}

/// A generated token.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Token<'g> {
    /// Id of the token in the model's tokenizer; never one that delimits a text.
    pub id: u32,
    /// Its bytes; they may begin or end inside a character.
    pub bytes: &'g [u8],
    /// The characters it completes: what all tokens of a text complete, joined, is the text.
    pub text: Utf8Chunk<'g>,
    /// Its probability among the tokens that could be drawn.
    pub probability: f32,
    /// How it was found.
    pub certificate: Certificate<'g>,
}

/// A token of a text that was scored.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scored<'m> {
    /// Id of the token in the model's tokenizer.
    pub id: u32,
    /// Where its bytes stand in the text.
    pub at: usize,
    /// Its bytes; they may begin or end inside a character.
    pub bytes: &'m [u8],
    /// Bits that it took: `-log2` of its probability.
    pub bits: f32,
}

/// What a whole text took.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Score {
    /// Tokens of the text.
    pub tokens: usize,
    /// Bytes of the text.
    pub bytes: usize,
    /// Bits of all tokens.
    pub bits: f64,
}

/// Continues a text token by token, in memory that the caller passes.
///
/// `'m` is how long the packed model is borrowed, `'a` the memory.
pub struct Generator<'m, 'a> {
    tokens: TokenGenerator<'m, 'a>,
    tokenizer: CompactTokenizer<'m>,
    stream: Streaming<'m>,
    /// Room for the tokens of one prompt.
    ids: &'a mut [u32],
    /// Most bytes of one prompt.
    prompt: usize,
    /// Candidates computed together, and most steps.
    rows: usize,
    steps: usize,
}

/// Parts of a model that were read and checked.
struct Parts<'m> {
    model: Model<'m>,
    tokenizer: CompactTokenizer<'m>,
    delimiters: Delimiters,
}

fn read(model: &[u8]) -> Result<Parts<'_>, Error> {
    let model = Model::read(model)?;
    let tokenizer = CompactTokenizer::from_bytes(model.tokenizer().ok_or(Error::NoTokenizer)?)?;
    let (tokens, places) = (tokenizer.vocabulary_size(), model.config.vocab);
    if usize::try_from(tokens).map_or(true, |tokens| tokens > places) {
        return Err(Error::Vocabulary { tokenizer: tokens, model: places });
    }
    let begin = tokenizer.special(Special::Begin).ok_or(Error::NoBegin)?;
    let delimiters = Delimiters { begin, end: tokenizer.special(Special::End) };
    Ok(Parts { model, tokenizer, delimiters })
}

/// Bytes of the places for the tokens of a prompt.
fn prompt_bytes(options: &Options) -> Result<usize, Error> {
    let bytes = options.prompt.max(1).checked_mul(size_of::<u32>());
    bytes.ok_or(Error::Engine(engine::Error::Size { what: "a prompt" }))
}

impl<'m, 'a> Generator<'m, 'a> {
    /// Bytes that [`Self::new`] needs, exactly.
    ///
    /// # Errors
    ///
    /// What is wrong with the model or with an option.
    pub fn bytes_needed(model: &[u8], options: &Options) -> Result<usize, Error> {
        let session = Session::bytes_needed(&read(model)?.model.config, &options.session)?;
        let all = session.checked_add(prompt_bytes(options)?);
        all.ok_or(Error::Engine(engine::Error::Size { what: "the session" }))
    }

    /// A generator at the beginning of an empty text. Use and contents of `arena` do not matter; it begins at a multiple
    /// of 4.
    ///
    /// # Errors
    ///
    /// What is wrong with the model, an option or the memory.
    pub fn new(model: &'m [u8], options: &Options, arena: &'a mut [u8]) -> Result<Self, Error> {
        let Parts { model, tokenizer, delimiters } = read(model)?;
        let ids = prompt_bytes(options)?;
        let given = arena.len();
        let Some((ids, arena)) = arena.split_at_mut_checked(ids) else {
            let session = Session::bytes_needed(&model.config, &options.session)?;
            return Err(engine::Error::Arena { needed: session.saturating_add(ids), given }.into());
        };
        let ids = bytemuck::try_cast_slice_mut(ids).map_err(|_| engine::Error::Alignment)?;
        let tokens = TokenGenerator::new(Session::new(model, &options.session, arena)?, delimiters);
        let stream = tokenizer.stream();
        let Options { prompt, session: engine::SessionOptions { rows, steps, .. } } = *options;
        Ok(Self { tokens, tokenizer, stream, ids, prompt, rows, steps })
    }

    /// The same generator with its products computed by `kernel`; results have the same bits.
    #[must_use]
    pub fn with_isa(self, kernel: Isa) -> Self {
        Self { tokens: self.tokens.with_isa(kernel), ..self }
    }

    /// Back to the beginning of an empty text.
    pub fn reset(&mut self) {
        self.tokens.reset();
        self.stream = self.tokenizer.stream();
    }

    /// Adds `text` to the text so far, whoever wrote that. It is taken as it is; models are trained on text in Unicode
    /// normalization form C with LF at line ends, and predict text that is written so best.
    ///
    /// # Errors
    ///
    /// A text longer than [`Options::prompt`] bytes. The text so far is then unchanged.
    pub fn prompt(&mut self, text: &str) -> Result<(), Error> {
        let count = self.encode(text)?;
        Ok(self.tokens.accept(self.ids.get(..count).unwrap_or_default())?)
    }

    /// The number of tokens of `text`, which are then in `ids`.
    fn encode(&mut self, text: &str) -> Result<usize, Error> {
        if text.len() > self.prompt {
            return Err(Error::Prompt { given: text.len(), most: self.prompt });
        }
        let places = self.tokenizer.places(text);
        let room = self.ids.len();
        if places > room {
            return Err(Error::Prompt { given: places, most: room });
        }
        Ok(self.tokenizer.encode(text, self.ids)?)
    }

    /// Adds tokens to the text so far as they are, for example those of a text that is taken up again.
    ///
    /// # Errors
    ///
    /// An id outside the vocabulary. The text so far is then unchanged.
    pub fn accept(&mut self, ids: &[u32]) -> Result<(), Error> {
        for &id in ids {
            if self.tokenizer.token_bytes(id).is_none() {
                return Err(CompactError::IdOutOfRange { id, vocabulary: self.tokenizer.vocabulary_size() }.into());
            }
        }
        self.tokens.accept(ids)?;
        for &id in ids {
            self.stream.push(id)?;
        }
        Ok(())
    }

    /// Adds `text`, of any length, to the text so far as [`Self::prompt`] does, and gives every token with the bits that it took to
    /// predict it from what stands before it: `-log2` of its probability among all tokens. Where the text goes on in another call, its
    /// tokens are those of one call if it is cut where [`CompactTokenizer::finished`] says.
    ///
    /// # Errors
    ///
    /// A line (a word, where the tokenizer cuts text into words) longer than [`Options::prompt`] bytes, settings out of their range or beyond the options, numbers that are not finite;
    /// what was scored before belongs to the text.
    pub fn score(
        &mut self,
        text: &str,
        think: &DescentOptions,
        each: &mut dyn FnMut(Scored<'m>),
    ) -> Result<Score, Error> {
        let (mut rest, mut sum) = (text, Score::default());
        while !rest.is_empty() {
            let piece = if rest.len() <= self.prompt {
                rest
            } else {
                let most = (0..=self.prompt).rev().find_map(|end| rest.get(..end)).unwrap_or_default();
                rest.get(..self.tokenizer.finished(most)).unwrap_or_default()
            };
            if piece.is_empty() {
                return Err(Error::Prompt { given: rest.len(), most: self.prompt });
            }
            let count = self.encode(piece)?;
            let (tokenizer, ids) = (&self.tokenizer, self.ids.get(..count).unwrap_or_default());
            self.tokens.score(ids, think, &mut |index, nats| {
                let id = ids.get(index).copied().unwrap_or(0);
                let (at, bytes) = (sum.bytes, tokenizer.token_bytes(id).unwrap_or_default());
                let bits = nats * core::f32::consts::LOG2_E;
                sum.tokens = sum.tokens.saturating_add(1);
                sum.bytes = sum.bytes.saturating_add(bytes.len());
                sum.bits += f64::from(bits);
                each(Scored { id, at, bytes, bits });
            })?;
            rest = rest.get(piece.len()..).unwrap_or_default();
        }
        Ok(sum)
    }

    /// The likeliest ways to go on to the end of the word that `text` ends in, or by a whole word where it ends in none, summed over all
    /// ways to cut the word into tokens. `text` comes after the text so far, which stays as it is, to the bit, as does what is generated
    /// after it. `memory` begins at a multiple of 4 and holds [`SuggestOptions::bytes_needed`]. The likeliest ending is given first.
    ///
    /// The tokens of `text` are taken back afterwards, so there must not be many: what is finished of a long text is prompted before,
    /// [`CompactTokenizer::finished`] says how much of it that is. A block of the session ([`engine::SessionOptions::block`]) can always
    /// be taken back; no path is longer than what is left of it.
    ///
    /// # Errors
    ///
    /// A text with too many tokens or bytes, memory that is too small or not aligned, options out of their range, and those of
    /// [`Self::next`]. The text so far is unchanged then as well.
    pub fn suggest(
        &mut self,
        text: &str,
        think: &DescentOptions,
        options: &SuggestOptions,
        memory: &mut [u8],
        each: &mut dyn FnMut(Suggestion<'_>),
    ) -> Result<Suggested, Error> {
        options.validate()?;
        let (finished, rest) = text.split_at_checked(self.tokenizer.finished(text)).unwrap_or((text, ""));
        let mut count = self.encode(finished)?;
        let mut rest = rest.as_bytes();
        if rest.len() > suggest::MOST_TYPED {
            // the front of a long word as the tokenizer cuts it
            let all = self.encode(text)?;
            for &id in self.ids.get(count..all).unwrap_or_default() {
                let bytes = self.tokenizer.token_bytes(id).unwrap_or_default();
                rest = rest.get(bytes.len()..).unwrap_or_default();
                count = count.saturating_add(1);
                if rest.len() <= suggest::MOST_TYPED {
                    break;
                }
            }
        }
        let ids = self.ids.get(..count).unwrap_or_default();
        let (tokenizer, delimiters) = (&self.tokenizer, self.tokens.delimiters());
        let suggested = self.tokens.aside(|session, room| {
            let Some(room) = room.checked_sub(ids.len()) else {
                let requirement = "has more tokens than can be taken back: prompt what is finished of it before";
                return Err(engine::Error::Option { field: "text", requirement });
            };
            session.observe(ids)?;
            let question = Question { text, rest, tokenizer, delimiters, think, options, room };
            suggest::suggest(session, question, memory, each)
        })?;
        Ok(Suggested { observed: suggested.observed.saturating_add(count), ..suggested })
    }

    /// Thinks of the next token and draws it; none when the model ended the text, and from then on until more text is
    /// prompted. `on_step` sees every step of the descent and may cancel it. The draw is a function of the text so far and of
    /// the settings alone ([`TokenGenerator`]).
    ///
    /// # Errors
    ///
    /// A setting out of its range, a cancelled descent, numbers that are not finite. The text so far is then unchanged
    /// and the call may be repeated.
    pub fn next(
        &mut self,
        settings: &Settings,
        on_step: &mut dyn FnMut(&StepReport<'_>) -> ControlFlow<()>,
    ) -> Result<Option<Token<'_>>, Error> {
        let tokenizer = self.tokenizer;
        let spells = |id| tokenizer.token_bytes(id).is_some_and(|bytes| !bytes.is_empty());
        let Some(drawn) = self.tokens.next(settings, spells, on_step)? else { return Ok(None) };
        let text = self.stream.push(drawn.id)?;
        let bytes = tokenizer.token_bytes(drawn.id).unwrap_or_default();
        let certificate = self.tokens.certificate().ok_or(engine::Error::NoToken)?;
        Ok(Some(Token { id: drawn.id, bytes, text, probability: drawn.probability, certificate }))
    }

    /// Energies on one landscape of distributions of the token after the text as the last [`Self::next`] found it: the
    /// landscape that its descent moved on. `probabilities (n, V)`, `energies (n)`.
    ///
    /// # Errors
    ///
    /// Arrays that do not fit together, a landscape that the model does not have.
    pub fn energies(&mut self, landscape: usize, probabilities: &[f32], energies: &mut [f32]) -> Result<(), Error> {
        let (vocabulary, landscapes) = (self.vocabulary(), self.tokens.session().model().config.landscapes);
        if landscape >= landscapes.min(self.steps) {
            let requirement = "must be one that a descent of this session reaches";
            return Err(engine::Error::Option { field: "landscape", requirement }.into());
        }
        if energies.len().checked_mul(vocabulary) != Some(probabilities.len()) {
            let expected = energies.len().saturating_mul(vocabulary);
            return Err(engine::Error::Shape { what: "probabilities", expected, given: probabilities.len() }.into());
        }
        const TOGETHER: usize = 16;
        let rows = self.rows.clamp(1, TOGETHER);
        let (mut points, mut left) = (probabilities, energies);
        while !left.is_empty() {
            let n = left.len().min(rows);
            let Some((p, rest)) = points.split_at_checked(n.saturating_mul(vocabulary)) else { break };
            let Some((e, after)) = left.split_at_mut_checked(n) else { break };
            let active = [true; TOGETHER];
            self.tokens.session_mut().potential(n)?.energy(landscape, p, active.get(..n).unwrap_or_default(), e);
            (points, left) = (rest, after);
        }
        Ok(())
    }

    /// Extent `V` of distributions and logits.
    pub fn vocabulary(&self) -> usize {
        self.tokens.session().model().config.vocab
    }

    /// What is left of the text when no token follows: U+FFFD if it ended inside a character, nothing otherwise.
    pub fn finish(&self) -> &'static str {
        self.stream.clone().finish()
    }

    /// Tokens of the text so far, the one that begins it included.
    pub fn position(&self) -> u64 {
        self.tokens.position()
    }

    /// The tokenizer of the model.
    pub fn tokenizer(&self) -> &CompactTokenizer<'m> {
        &self.tokenizer
    }
}
