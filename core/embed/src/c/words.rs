//! Scores of texts, and ways to finish their words.

use core::ffi::{c_char, c_int, c_void};

use super::handle::{GeneratorHandle, code, given_mut, open, settings_of};
use super::pointer::{self, read, writable, write};
use super::types::CSettings;
use super::{Status, status};
use crate::{Score, Scored, SuggestOptions, Suggested, Suggestion};

/// A token of a text that was scored; its bytes lie in the model.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CScored {
    /// Number of the token.
    pub id: u32,
    /// Bits that it took: minus the binary logarithm of its probability.
    pub bits: f32,
    /// Where its bytes stand in the text.
    pub at: usize,
    /// Its bytes; they may begin or end inside a character, and no 0 ends them.
    pub bytes: *const u8,
    /// How many they are.
    pub length: usize,
}

/// Sees a token that was scored; may be null.
pub type ScoredFunction = Option<unsafe extern "C" fn(user: *mut c_void, scored: *const CScored)>;

/// What a whole text took.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CScore {
    /// Bits of all tokens.
    pub bits: f64,
    /// Tokens of the text.
    pub tokens: usize,
    /// Bytes of the text.
    pub bytes: usize,
}

/// How long and how widely endings are looked for. `ebt_suggest_options_default` fills in the usual values.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSuggestOptions {
    /// Most endings that are given.
    pub words: u32,
    /// Most evaluations of the model.
    pub evaluations: u32,
    /// Paths of tokens, and as many endings, that are held at a time.
    pub paths: u32,
    /// Most bytes of an ending, at most 192.
    pub bytes: u32,
    /// The search ends when no open path promises this multiple of the probability of the last ending asked for; 0: follow all.
    pub least: f32,
}

/// A way to finish a text; valid during the call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSuggestion {
    /// What comes behind the text, in UTF-8; no 0 ends it.
    pub ending: *const c_char,
    /// Its bytes; none where the last word of the text is complete.
    pub length: usize,
    /// The probability that the text goes on so and that its word ends there.
    pub probability: f32,
}

/// Sees a suggestion.
pub type SuggestionFunction = Option<unsafe extern "C" fn(user: *mut c_void, suggestion: *const CSuggestion)>;

/// What a search did.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CSuggested {
    /// Suggestions that were given.
    pub words: usize,
    /// Evaluations of the model.
    pub evaluations: usize,
    /// Tokens that were observed.
    pub observed: usize,
}

/// Fills in the usual options of suggestions.
///
/// # Safety
///
/// `options` is null or points to memory for options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_suggest_options_default(options: *mut CSuggestOptions) -> c_int {
    let SuggestOptions { words, evaluations, paths, bytes, least } = SuggestOptions::default();
    let [words, evaluations, paths, bytes] = [words, evaluations, paths, bytes].map(|x| x as u32);
    let usual = CSuggestOptions { words, evaluations, paths, bytes, least };
    // SAFETY: the caller's promise is that of `write`.
    unsafe { write(options, usual) }.map_or_else(Status::code, |()| 0)
}

/// Options of suggestions, or the usual ones for null.
///
/// # Safety
///
/// As for [`read`].
unsafe fn search_of(options: *const CSuggestOptions) -> Result<SuggestOptions, Status> {
    if options.is_null() {
        return Ok(SuggestOptions::default());
    }
    // SAFETY: the caller's promise.
    let CSuggestOptions { words, evaluations, paths, bytes, least } = *unsafe { read(options) }?;
    let [words, evaluations, paths, bytes] = [words, evaluations, paths, bytes].map(|x| x as usize);
    Ok(SuggestOptions { words, evaluations, paths, bytes, least })
}

/// Writes how many bytes at the front of a text are finished: their tokens are the same whatever follows the text.
///
/// # Safety
///
/// `generator` is open; `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_finished(
    generator: *mut GeneratorHandle,
    text: *const c_char,
    length: usize,
    bytes: *mut usize,
) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let (handle, text) = unsafe { (open(generator)?, pointer::text(text, length)?) };
        // SAFETY: the caller's promise.
        unsafe { write(bytes, handle.tokenizer().finished(text)) }.map(|()| Status::Ok)
    })
}

/// Writes where the unfinished word at the end of a text begins: `length` where it ends in none.
///
/// # Safety
///
/// `text` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_word_start(text: *const c_char, length: usize, bytes: *mut usize) -> c_int {
    code(|| {
        // SAFETY: the caller's promise.
        let text = unsafe { pointer::text(text, length) }?;
        // SAFETY: the caller's promise.
        unsafe { write(bytes, crate::word_start(text)) }.map(|()| Status::Ok)
    })
}

/// Adds `length` bytes of UTF-8 to the text so far, of any length, and says what they took: bits of every token, and of all in `score`.
/// Of the settings, those of the draw do not count; null settings are the usual ones. `on_scored` may be null. While it runs the
/// generator is in use, as in `ebt_next`.
///
/// # Safety
///
/// `generator` is open; `text` points to `length` bytes, `score` to a score; `on_scored` may be called with `user` and returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_score(
    generator: *mut GeneratorHandle,
    settings: *const CSettings,
    text: *const c_char,
    length: usize,
    on_scored: ScoredFunction,
    user: *mut c_void,
    score: *mut CScore,
) -> c_int {
    code(|| {
        writable(score)?;
        // SAFETY: the caller's promise.
        let (handle, text, settings) =
            unsafe { (open(generator)?, pointer::text(text, length)?, settings_of(settings)?) };
        let mut tell = |Scored { id, at, bytes, bits }: Scored<'_>| {
            if let Some(on_scored) = on_scored {
                let scored = CScored { id, bits, at, bytes: bytes.as_ptr(), length: bytes.len() };
                // SAFETY: the caller's promise; the token lives during the call.
                unsafe { on_scored(user, &scored) };
            }
        };
        let done = handle.generator()?.score(text, &settings.think, &mut tell).map_err(status::of_use)?;
        let Score { tokens, bytes, bits } = done;
        // SAFETY: the caller's promise.
        unsafe { write(score, CScore { bits, tokens, bytes }) }.map(|()| Status::Ok)
    })
}

/// Writes how much memory a search takes. Null options are the usual ones.
///
/// # Safety
///
/// `options` is null or points to options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_suggest_bytes_needed(options: *const CSuggestOptions, bytes: *mut usize) -> c_int {
    code(|| {
        writable(bytes)?;
        // SAFETY: the caller's promise.
        let options = unsafe { search_of(options)? };
        let needed = options.bytes_needed().map_err(|error| status::of_open(error.into()))?;
        // SAFETY: the caller's promise.
        unsafe { write(bytes, needed) }.map(|()| Status::Ok)
    })
}

/// The likeliest ways to go on, after the text so far and `length` bytes of UTF-8, to the end of the word that these end in, or by a
/// whole word where they end in none, the likeliest first. The text so far stays as it is. What is finished of a long text
/// (`ebt_finished`) is prompted before. `memory` begins at a multiple of 4 and holds what `ebt_suggest_bytes_needed` says; null
/// settings and options are the usual ones. While `on_suggestion` runs the generator is in use, as in `ebt_next`.
///
/// # Safety
///
/// `generator` is open; `text` points to `length` bytes and `memory` to `memory_length`, used by nobody else meanwhile; `done` points
/// to memory for what was done; `on_suggestion` may be called with `user` and returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ebt_suggest(
    generator: *mut GeneratorHandle,
    settings: *const CSettings,
    options: *const CSuggestOptions,
    text: *const c_char,
    length: usize,
    memory: *mut c_void,
    memory_length: usize,
    on_suggestion: SuggestionFunction,
    user: *mut c_void,
    done: *mut CSuggested,
) -> c_int {
    code(|| {
        writable(done)?;
        let on_suggestion = on_suggestion.ok_or(Status::Null)?;
        // SAFETY: the caller's promise.
        let (handle, text, settings) =
            unsafe { (open(generator)?, pointer::text(text, length)?, settings_of(settings)?) };
        // before the memory, which a callback might name again
        let mut generator = handle.generator()?;
        // SAFETY: the caller's promise; whatever the memory holds are bytes.
        let (options, memory) = unsafe { (search_of(options)?, given_mut(memory.cast(), memory_length)?) };
        let mut tell = |suggestion: Suggestion<'_>| {
            let Suggestion { ending, probability } = suggestion;
            let suggestion = CSuggestion { ending: ending.as_ptr().cast(), length: ending.len(), probability };
            // SAFETY: the caller's promise; the suggestion lives during the call.
            unsafe { on_suggestion(user, &suggestion) };
        };
        let found = generator.suggest(text, &settings.think, &options, memory, &mut tell).map_err(status::of_use)?;
        let Suggested { words, evaluations, observed } = found;
        // SAFETY: the caller's promise.
        unsafe { write(done, CSuggested { words, evaluations, observed }) }.map(|()| Status::Ok)
    })
}
