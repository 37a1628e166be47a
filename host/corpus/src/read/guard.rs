//! Panics of decoders, which damaged data may cause, as errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use anyhow::{Result, bail};
use ebt_data::allocator::reading;

thread_local! {
    /// Whether this thread is inside a decoder whose panics are errors.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Reads from a decoder. After an error it is of no further use.
///
/// # Errors
///
/// What `read` returns, and its panic; the message names `path` then. Nothing is printed. More memory wanted than there is
/// ends the program with a sentence ([`reading`]).
pub fn guarded<T>(path: &str, read: impl FnOnce() -> Result<T>) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !INSIDE.get() {
                before(panic);
            }
        }));
    });
    INSIDE.set(true);
    let result = reading(path, || catch_unwind(AssertUnwindSafe(read)));
    INSIDE.set(false);
    match result {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
            bail!("{path} is damaged: its decoder gave up ({text})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        let panics = |n: usize| guarded("a.arrow", || Ok([1, 2][..n].len()));
        assert_eq!(panics(1).unwrap(), 1);
        let message = panics(3).unwrap_err().to_string();
        assert!(message.contains("a.arrow is damaged") && message.contains("out of range"), "{message}");
        assert!(!INSIDE.get());
    }
}
