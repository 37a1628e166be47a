//! The last resort: what the program does about its own mistakes.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, PoisonError};

use ebt_data::progress::eprint_line;
use ebt_train::session::quoted;

/// Exit status after a panic.
pub const MISTAKE: u8 = 101;

/// What the last panic said, and where.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Runs `work`. A panic that nobody inside catches becomes a sentence that asks for a report, on standard error, and the
/// status 101; one that somebody catches says nothing.
///
/// # Errors
///
/// The status.
pub fn reporting_mistakes<T>(work: impl FnOnce() -> T) -> Result<T, u8> {
    panic::set_hook(Box::new(remember));
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
        let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (what, version) = (last.unwrap_or_else(|| String::from("no reason is known")), env!("CARGO_PKG_VERSION"));
        let command: Vec<String> = std::env::args_os().map(|argument| quoted(argument.as_ref())).collect();
        eprint_line(format_args!(
            "error: the program made a mistake and has to stop: {what}\nPlease report this with what the command read; \
             version {version}: {}",
            command.join(" ")
        ));
        MISTAKE
    })
}

/// Keeps the message of a panic, and not that of one which follows from it.
fn remember(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map_or_else(String::new, |place| format!(" ({place})"));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let follows = message == "a scoped thread panicked" && last.is_some();
    if !follows {
        *last = Some(format!("{message}{place}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_remembered_with_its_place_and_becomes_a_status() {
        let before = panic::take_hook();
        let caught = reporting_mistakes(|| catch_unwind(|| panic!("one that somebody catches")).is_err());
        let mut said = None;
        let panicked = reporting_mistakes(|| {
            let inner: std::thread::Result<()> = std::thread::spawn(|| panic!("the {}", "cause")).join();
            said = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
            assert!(inner.is_err());
            panic!("the last");
        });
        panic::set_hook(before);
        assert_eq!((caught, panicked), (Ok(true), Err::<(), u8>(MISTAKE)));
        let said = said.unwrap();
        assert!(said.starts_with("the cause (") && said.contains("mistake.rs:"), "{said}");
    }
}
