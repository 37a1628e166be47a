//! The likeliest ways to finish a word, summed over all ways to cut it into tokens.
//!
//! A text is cut at its last safe border, and the bytes `r` since then may be the beginning of many sequences of tokens. With
//! `P(t_1 .. t_n)` the model's probability of tokens after the border, an ending `w` has the probability
//!
//! ```text
//! P(w | r) = sum of P(t_1 .. t_n) over the paths that spell r w and then what ends a word  /  the same over all that begin with r
//! ```
//!
//! where of every path only as many tokens count as are needed to say so. Paths are followed best first: one evaluation of the model
//! gives the probabilities of all tokens after a path. What a path promises is its probability, and a quarter of that for every byte
//! of `r` that it lacks. The followed paths are a tree; the session goes back to where two of them part.

mod found;
mod mass;
mod paths;
mod question;
mod search;
mod word;

use crate::engine::arena::Arena;
use crate::engine::{Error, Session};
pub(crate) use question::{MOST_TYPED, Question};
pub use question::{SuggestOptions, Suggested, Suggestion};
use search::Search;
pub use word::word_start;

/// Gives the likeliest endings in their order; the session is then somewhere else.
pub(crate) fn suggest(
    session: &mut Session<'_, '_>,
    question: Question<'_>,
    memory: &mut [u8],
    each: &mut dyn FnMut(Suggestion<'_>),
) -> Result<Suggested, Error> {
    let (needed, given) = (question.options.bytes_needed()?, memory.len());
    let memory = memory.get_mut(..needed).ok_or(Error::Arena { needed, given })?;
    let (paths, found) = question.options.parts(&mut Arena::over(memory)?)?;
    let mut search = Search::new(session, question, paths, found);
    search.run()?;
    Ok(search.tell(each))
}
