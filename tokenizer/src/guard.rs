//! Panics of the tokenizer library become errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::TokenizerError;

/// What `work` of the library returns. The library panics on some files that it has read without a word, such as those
/// whose parts contradict each other; what it worked on is not to be used then.
///
/// # Errors
///
/// A panic, with what it said.
pub(crate) fn guarded<T>(action: &'static str, work: impl FnOnce() -> T) -> Result<T, TokenizerError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        let said = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
        let said = said.unwrap_or("no reason is known").replace('\n', " ");
        TokenizerError::library(action, &format_args!("the file contradicts itself or is of an unknown kind ({said})"))
    })
}
