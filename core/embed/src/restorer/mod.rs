//! Damaged text in, restored text out, with a joint model of letters.

mod settle;
mod verbatim;

use core::fmt;
use core::ops::ControlFlow;

use ebt_tokenizer::letters::words::Words;
use ebt_tokenizer::letters::{Damage, SYMBOLS, Set, Symbol, numbers, symbol, written};

use crate::engine::arena::Arena;
use crate::engine::descent::{DescentOptions, Prior};
use crate::engine::{Problem, SessionOptions, Solver};
use crate::mark::is_mark;
use crate::packed::{Isa, Model};
use crate::{EngineError, Error};
use verbatim::Verbatim;

/// Words of the set of a position.
const WORDS: usize = SYMBOLS.div_ceil(32);

/// Fewest characters of a window.
const LEAST: usize = 4;

/// What became of a character.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Letter {
    /// Where it starts in the text, in bytes.
    pub at: usize,
    /// What stood there.
    pub was: char,
    /// What belongs there, as the model says.
    pub is: char,
    /// How probable the model holds it; exactly 1 where nothing else may stand there.
    pub probability: f32,
    /// Whether anything else might have stood there.
    pub in_doubt: bool,
}

/// Restores damaged text: every letter that may have been another one is an unknown of a joint model, and a window of text is one
/// problem. Nothing is allocated: everything lives in the memory that [`Restorer::new`] is given.
///
/// What cannot be damaged is left alone to the byte: characters that are no letters, letters followed by combining marks, and what is
/// no prose ([`Restorer::restore`]).
///
/// ```no_run
/// use ebt::{Damage, DescentOptions, Restorer, SessionOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let file = std::fs::read("restore.ebp")?;
/// let options = SessionOptions { rows: 1, steps: 4, ..SessionOptions::default() };
/// let mut memory = vec![0; Restorer::bytes_needed(&file, &options)?];
/// let mut restorer = Restorer::new(&file, &options, &mut memory)?;
/// let (typed, mut scratch) = ("Turkiye'nin baskenti", [0; 128]);
/// let text = restorer.settle(typed, Damage::Ascii, &DescentOptions::default(), &mut scratch, &mut |_, _| ())?;
/// assert_eq!(text, "Türkiye'nin başkenti");
/// # Ok(())
/// # }
/// ```
pub struct Restorer<'m, 'a> {
    solver: Solver<'m, 'a>,
    /// Characters of a window.
    window: usize,
    words: Option<Words<'m>>,
    /// Sets of the characters of a window `(window, WORDS)`.
    sets: &'a mut [u32],
    /// What is held likely of it: a symbol of every character, and its logit.
    tokens: &'a mut [u32],
    logits: &'a mut [f32],
}

impl fmt::Debug for Restorer<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Restorer").field("window", &self.window).finish_non_exhaustive()
    }
}

/// The model in `file`, which must know letters, and its table of words.
fn read(file: &[u8]) -> Result<(Model<'_>, Option<Words<'_>>), Error> {
    let model = Model::read(file)?;
    let config = &model.config;
    let refuse = |requirement| Err(Error::Engine(EngineError::Option { field: "model", requirement }));
    if config.vocab != SYMBOLS || config.joint.grid.is_some() {
        return refuse("this model knows no letters: one is trained by `train --preset restore`");
    }
    if config.context < LEAST {
        return refuse("a model of letters sees at least four of them");
    }
    let words = model.words().map(Words::read).transpose();
    let requirement = "the table of words inside is damaged, or of an earlier version";
    Ok((model, words.or(Err(EngineError::Option { field: "model", requirement }))?))
}

/// Numbers of a window: sets, tokens and logits.
const NUMBERS: usize = WORDS + 2;

fn bytes_of(model: &Model<'_>, options: &SessionOptions) -> Result<usize, Error> {
    let solver = Solver::bytes_needed(&model.config, options)?;
    let numbers = model.config.context.checked_mul(4 * NUMBERS).and_then(|numbers| numbers.checked_add(solver));
    Ok(numbers.ok_or(EngineError::Size { what: "a restorer" })?)
}

impl<'m, 'a> Restorer<'m, 'a> {
    /// Bytes of memory that a restorer with this packed model needs. Of the options `block` does not count, and `rows` is the most
    /// candidates of a window.
    ///
    /// # Errors
    ///
    /// Bytes that are no packed model, a model that knows no letters, options out of their range.
    pub fn bytes_needed(file: &[u8], options: &SessionOptions) -> Result<usize, Error> {
        bytes_of(&read(file)?.0, options)
    }

    /// A restorer in `memory`, which must start at a multiple of 4 and hold [`Restorer::bytes_needed`] bytes.
    ///
    /// # Errors
    ///
    /// As [`Restorer::bytes_needed`], and memory that is too small or not aligned.
    pub fn new(file: &'m [u8], options: &SessionOptions, memory: &'a mut [u8]) -> Result<Self, Error> {
        let (model, words) = read(file)?;
        let (needed, given) = (bytes_of(&model, options)?, memory.len());
        let window = model.config.context;
        let Some((own, rest)) = memory.split_at_mut_checked(4 * NUMBERS * window).filter(|_| given >= needed) else {
            return Err(Error::Engine(EngineError::Arena { needed, given }));
        };
        let mut own = Arena::over(own)?;
        let (sets, tokens, logits) = (own.words(WORDS * window)?, own.words(window)?, own.floats(window)?);
        Ok(Self { solver: Solver::new(model, options, rest)?, window, words, sets, tokens, logits })
    }

    /// The same restorer with its products computed by `kernel`; results have the same bits.
    #[must_use]
    pub fn with_isa(self, kernel: Isa) -> Self {
        Self { solver: self.solver.with_isa(kernel), ..self }
    }

    /// Restores `text`, a line or more of it, and gives every character in its order to `put`: those of windows that overlap by a
    /// third, of which each gives its middle, so that every letter is judged with a sixth of a window on either side.
    ///
    /// Addresses, paths, names of files, code and mixtures of letters and digits are left as they are: runs without white space that
    /// hold one of `@ \ _ = < > { } | ~ ^ #` (of a gap, which stands for a lost letter, not the `_`), `://` or a digit beside a letter, that
    /// begin with `www.` or end like a name in the net; and names with a capital after a small letter, up to an apostrophe.
    ///
    /// What is restored once may change when it is restored again, because more letters are then known ([`Restorer::settle`]).
    ///
    /// # Errors
    ///
    /// Settings out of their range or beyond the options, and a value that is not finite; what was given before is right.
    pub fn restore(
        &mut self,
        text: &str,
        damage: Damage,
        think: &DescentOptions,
        put: &mut dyn FnMut(Letter),
    ) -> Result<(), Error> {
        let margin = (self.window / 6).max(1);
        let stride = self.window.saturating_sub(margin.saturating_mul(2));
        let (mut start, mut first) = (0, true);
        while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
            let mut verbatim = Verbatim::at(text, start, damage);
            let (mut cells, mut next) = (0, text.len());
            for ((offset, c), set) in rest.char_indices().zip(self.sets.chunks_exact_mut(WORDS)) {
                if cells == stride {
                    next = start + offset;
                }
                let marked =
                    rest.get(offset + c.len_utf8()..).and_then(|rest| rest.chars().next()).is_some_and(is_mark);
                let alone = marked || verbatim.covers(start + offset, c);
                let of = if alone { Set::of(symbol(c)) } else { damage.set(c) };
                set.iter_mut().zip(of.words()).for_each(|(to, word)| *to = word);
                cells += 1;
            }
            let last = rest.chars().nth(self.window).is_none();
            self.expect(rest, cells, (start == 0, last), damage);
            let counted = if first { 0 } else { margin }..if last { cells } else { stride.saturating_add(margin) };
            self.window(rest, start, (cells, counted), think, put)?;
            if last {
                break;
            }
            (start, first) = (next, false);
        }
        Ok(())
    }

    /// Says what is held likely: what stands there, or the words that stand whole in a window of `cells` characters, whose sets are
    /// there, as they are mostly written, and suffixes as the number before them wants them; `ends` says whether the text begins and ends with it.
    fn expect(&mut self, rest: &str, cells: usize, (begins, ends): (bool, bool), damage: Damage) {
        let standing = damage.prior().unwrap_or(0.0);
        self.logits.iter_mut().for_each(|logit| *logit = standing);
        let symbols = rest.chars().take(cells).map(symbol);
        self.tokens.iter_mut().zip(symbols).for_each(|(token, symbol)| *token = symbol.index() as u32);
        let Some(words) = self.words.filter(|_| damage.keeps_words()) else { return };
        let Self { sets, tokens, logits, .. } = self;
        let letters = || rest.chars().take(cells).map(symbol);
        let mut first = 0usize;
        while first < cells {
            let length = letters().skip(first).take_while(|symbol| symbol.letter().is_some()).count();
            let end = first.saturating_add(length);
            if length > 0 && (first > 0 || begins) && (end < cells || ends) {
                let sets = sets.as_chunks::<WORDS>().0.iter().map(|words| Set::of_words(*words));
                let word = letters().zip(sets).skip(first).take(length);
                let mut tell = |i, symbol: Symbol, logit| {
                    let at = first.saturating_add(i);
                    tokens.get_mut(at).into_iter().for_each(|token| *token = symbol.index() as u32);
                    logits.get_mut(at).into_iter().for_each(|to| *to = logit);
                };
                let start = rest.char_indices().nth(first).map_or(0, |(at, _)| at);
                let before = rest.get(..start).unwrap_or_default().chars().rev().map(symbol);
                if !numbers::prior(before, word.clone(), &mut tell) {
                    words.prior(word, damage, tell);
                }
            }
            first = end.saturating_add(1);
        }
    }

    /// Gives the counted characters of a window, whose sets are there, to `put`.
    fn window(
        &mut self,
        rest: &str,
        start: usize,
        (cells, counted): (usize, core::ops::Range<usize>),
        think: &DescentOptions,
        put: &mut dyn FnMut(Letter),
    ) -> Result<(), Error> {
        let sets = self.sets.get(..WORDS * cells).unwrap_or_default();
        let many = |set: &[u32]| set.iter().map(|word| word.count_ones()).sum::<u32>() > 1;
        let characters = || rest.char_indices().zip(sets.chunks_exact(WORDS)).enumerate();
        let of = |(i, _): &(usize, _)| counted.contains(i);
        let certain = |at, c| Letter { at, was: c, is: c, probability: 1.0, in_doubt: false };
        if !characters().filter(of).any(|(_, (_, set))| many(set)) {
            characters().filter(of).for_each(|(_, ((offset, c), _))| put(certain(start + offset, c)));
            return Ok(());
        }
        let prior = Prior {
            tokens: self.tokens.get(..cells).unwrap_or_default(),
            logits: self.logits.get(..cells).unwrap_or_default(),
        };
        let problem = Problem { cells, allowed: sets, prior };
        let solution = self.solver.solve(problem, think, &mut |_| ControlFlow::Continue(()))?;
        for ((i, ((offset, c), set)), token) in characters().zip(solution.answer()).filter(|(at, _)| of(at)) {
            let at = start + offset;
            if !many(set) {
                put(certain(at, c));
                continue;
            }
            let is = Symbol::of_index(token as usize).map_or(c, |symbol| written(symbol, c));
            let probability = solution.probabilities(i).get(token as usize).copied().unwrap_or(0.0);
            put(Letter { at, was: c, is, probability, in_doubt: true });
        }
        Ok(())
    }
}
