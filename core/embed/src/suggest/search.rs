//! The search: paths are followed best first.

use core::ops::ControlFlow;

use super::found::Found;
use super::paths::{Path, Paths, ROOT};
use super::question::{MOST_BYTES, Question, Suggested, Suggestion};
use super::word::{Ending, Next};
use crate::engine::math::{exp, log_sum_exp};
use crate::engine::slices::put;
use crate::engine::{Error, Session};
use ebt_tokenizer::compact::LONGEST_TOKEN;

/// Most tokens of a path.
const DEPTH: usize = 64;

/// What a byte that a path lacks of the typed ones is expected to cost.
const A_BYTE: f64 = 0.25;

/// Tokens and bytes of one path.
#[derive(Debug)]
struct Line {
    tokens: [u32; DEPTH],
    count: usize,
}

/// Where a path stands.
#[derive(Clone, Copy, Debug)]
enum Place<'q> {
    /// Before these bytes, which were typed.
    Typed(&'q [u8]),
    /// In an ending.
    Ending(Ending),
}

/// A search in progress.
#[derive(Debug)]
pub(super) struct Search<'q, 's, 'm, 'a> {
    session: &'q mut Session<'m, 'a>,
    question: Question<'q>,
    paths: Paths<'s>,
    found: Found<'s>,
    /// Position at which paths begin.
    base: u64,
    /// What the session observed since then.
    observed: Line,
    /// Probability of all paths that begin with what was typed.
    typed: f64,
    done: Suggested,
    /// The ending of the path that is followed, and room for a token behind it.
    bytes: [u8; MOST_BYTES + LONGEST_TOKEN + 1],
}

impl Line {
    const EMPTY: Self = Self { tokens: [0; DEPTH], count: 0 };

    fn tokens(&self) -> &[u32] {
        self.tokens.get(..self.count).unwrap_or_default()
    }

    fn push(&mut self, token: u32) {
        put(&mut self.tokens, self.count, token);
        self.count = self.count.saturating_add(1).min(DEPTH);
    }
}

impl<'q, 's, 'm, 'a> Search<'q, 's, 'm, 'a> {
    pub fn new(session: &'q mut Session<'m, 'a>, question: Question<'q>, paths: Paths<'s>, found: Found<'s>) -> Self {
        let (base, bytes) = (session.position(), [0; MOST_BYTES + LONGEST_TOKEN + 1]);
        let (observed, done) = (Line::EMPTY, Suggested::default());
        Self { session, question, paths, found, base, observed, typed: 0.0, done, bytes }
    }

    /// Follows paths for as long as it is worth it.
    pub fn run(&mut self) -> Result<(), Error> {
        self.typed = if self.question.rest.is_empty() { 1.0 } else { 0.0 };
        self.follow(Path { promise: 1.0, mass: 1.0, token: 0, before: ROOT }, ROOT)?;
        while self.done.evaluations < self.question.options.evaluations
            && let Some(path) = self.paths.first()
        {
            let last = self.found.get(self.question.options.words.saturating_sub(1));
            let least = last.map_or(0.0, |(mass, _)| mass * f64::from(self.question.options.least));
            if path.promise < least {
                break;
            }
            let Some(number) = self.paths.follow() else { break };
            self.follow(path, number)?;
        }
        Ok(())
    }

    /// Evaluates the model after a path, and adds what comes of it.
    fn follow(&mut self, path: Path, number: u32) -> Result<(), Error> {
        let mut line = Line::EMPTY;
        self.paths.backwards(number).for_each(|token| line.push(token));
        line.tokens.get_mut(..line.count).unwrap_or_default().reverse();
        let Some(place) = self.read(&line) else { return Ok(()) };
        let goes_on = line.count < DEPTH.min(self.question.room);
        self.observe(line)?;
        self.session.think(self.question.think, &mut |_| ControlFlow::Continue(()))?;
        self.done.evaluations = self.done.evaluations.saturating_add(1);
        let lse = log_sum_exp(self.session.logits());
        if !lse.is_finite() {
            let id = self.session.logits().iter().position(|logit| !logit.is_finite()).unwrap_or(0);
            return Err(Error::Logit { id: id as u32 });
        }
        // by far the most tokens that end a word end it right here
        let mut here = 0.0;
        let tokenizer = self.question.tokenizer;
        for (token, &logit) in (0..tokenizer.vocabulary_size()).zip(self.session.logits()) {
            let bytes = tokenizer.token_bytes(token).unwrap_or_default();
            let next = match place {
                Place::Ending(ending) if bytes.is_empty() => {
                    let ends = self.question.delimiters.ends(token);
                    ending.end().filter(|_| ends).map_or(Next::Never, Next::Ended)
                }
                Place::Ending(ending) => ending.push(bytes),
                Place::Typed(wanted) => match bytes.strip_prefix(wanted) {
                    Some(more) => Ending::after(self.question.text).push(more),
                    None if bytes.is_empty() || !wanted.starts_with(bytes) => continue,
                    None => {
                        let mass = path.mass * f64::from(exp(logit - lse));
                        let left = bytes.len()..wanted.len();
                        let promise = left.fold(mass, |promise, _| promise * A_BYTE);
                        if goes_on {
                            self.paths.add(Path { promise, mass, token, before: number });
                        }
                        continue;
                    }
                },
            };
            let mass = path.mass * f64::from(exp(logit - lse));
            let more = match place {
                Place::Typed(wanted) => {
                    self.typed += mass;
                    bytes.get(wanted.len()..).unwrap_or_default()
                }
                Place::Ending(_) => bytes,
            };
            match next {
                Next::Open(ending) if goes_on && ending.bytes() <= self.question.options.bytes => {
                    self.paths.add(Path { promise: mass, mass, token, before: number });
                }
                Next::Ended(length) if length <= place.whole() => here += mass,
                Next::Ended(length) if length <= self.question.options.bytes => {
                    let ending = place.write(&mut self.bytes, more, length);
                    self.found.add(ending, mass);
                }
                Next::Open(_) | Next::Ended(_) | Next::Never => {}
            }
        }
        if here > 0.0 {
            self.found.add(self.bytes.get(..place.whole()).unwrap_or_default(), here);
        }
        Ok(())
    }

    /// Where a path stands; its ending lies in `bytes`.
    fn read(&mut self, line: &Line) -> Option<Place<'q>> {
        let (mut wanted, mut ending) = (self.question.rest, Ending::after(self.question.text));
        for &token in line.tokens() {
            let bytes = self.question.tokenizer.token_bytes(token)?;
            let (typed, more) = bytes.split_at(wanted.len().min(bytes.len()));
            wanted = wanted.get(typed.len()..)?;
            let place = Place::Ending(ending);
            place.write(&mut self.bytes, more, usize::MAX);
            let Next::Open(next) = ending.push(more) else { return None };
            ending = next;
        }
        Some(if wanted.is_empty() { Place::Ending(ending) } else { Place::Typed(wanted) })
    }

    /// Brings the session to the end of a path.
    fn observe(&mut self, line: Line) -> Result<(), Error> {
        let pairs = self.observed.tokens().iter().zip(line.tokens());
        let shared = pairs.take_while(|(a, b)| a == b).count();
        self.session.back_to(self.base.saturating_add(shared as u64))?;
        let rest = line.tokens().get(shared..).unwrap_or_default();
        self.session.observe(rest)?;
        self.done.observed = self.done.observed.saturating_add(rest.len());
        self.observed = line;
        Ok(())
    }

    /// Gives the likeliest endings.
    pub fn tell(mut self, each: &mut dyn FnMut(Suggestion<'_>)) -> Suggested {
        for (mass, bytes) in (0..self.question.options.words).map_while(|i| self.found.get(i)) {
            let Ok(ending) = core::str::from_utf8(bytes) else { continue };
            each(Suggestion { ending, probability: (mass / self.typed).min(1.0) as f32 });
            self.done.words = self.done.words.saturating_add(1);
        }
        self.done
    }
}

impl Place<'_> {
    /// Bytes of the whole characters of the ending.
    fn whole(&self) -> usize {
        match self {
            Self::Typed(_) => 0,
            Self::Ending(ending) => ending.whole(),
        }
    }

    /// Writes `more` behind the ending in `bytes`; the first `length` bytes of both.
    fn write<'b>(&self, bytes: &'b mut [u8], more: &[u8], length: usize) -> &'b [u8] {
        let start = match self {
            Self::Typed(_) => 0,
            Self::Ending(ending) => ending.bytes(),
        };
        bytes.iter_mut().skip(start).zip(more).for_each(|(to, &byte)| *to = byte);
        bytes.get(..length).unwrap_or_default()
    }
}
