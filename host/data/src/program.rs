//! The program that runs: the name it was called by, how its commands are written, and what its build lacks.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

static NAME: OnceLock<String> = OnceLock::new();

/// The name that commands in messages begin with: the one that was set by [`set_name`], else `ebt`.
pub fn name() -> &'static str {
    NAME.get().map_or("ebt", String::as_str)
}

/// Makes the name in messages that of the file which was started, from the first word of its command line; without a
/// path, and without `.exe` where programs have it. The first call counts; a word that is no name changes nothing.
pub fn set_name(first_word: &OsStr) {
    if let Some(name) = name_in(first_word) {
        // a second call is no error, and changes nothing
        let _ = NAME.set(name.to_owned());
    }
}

fn name_in(first_word: &OsStr) -> Option<&str> {
    let file = Path::new(first_word).file_name()?.to_str()?;
    Some(file.strip_suffix(EXE_SUFFIX).filter(|name| !name.is_empty()).unwrap_or(file))
}

/// A text as one argument of a command that people copy into the shell of this system: quoted where it needs to be.
pub fn argument(text: &str) -> String {
    argument_for(cfg!(windows), text)
}

fn argument_for(windows: bool, text: &str) -> String {
    let others = if windows { r"/\:._-+" } else { "/._-+" };
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c)) {
        return text.to_owned();
    }
    if !windows {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    // a backslash is itself there, but not before a quotation mark
    let mut quoted = String::from("\"");
    let mut backslashes = 0;
    for c in text.chars() {
        if c == '"' {
            quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        quoted.push(c);
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted + "\""
}

/// The error of something that needs a feature which is not in this build: `what` needs it, and how to get it.
pub fn lacks(what: &str, feature: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{what} needs the feature `{feature}`, which is not in this build; to get it: \
         cargo install --path host --features {feature}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_file() {
        let of = |word: &str| name_in(OsStr::new(word)).map(ToOwned::to_owned);
        assert_eq!(of("/usr/bin/ebt"), Some("ebt".into()));
        assert_eq!(of("host"), Some("host".into()));
        assert_eq!(of(&format!("./ebt-0.1{EXE_SUFFIX}")), Some("ebt-0.1".into()));
        assert_eq!((of(""), of("/")), (None, None));
    }

    #[test]
    fn arguments_are_quoted_as_the_shell_reads_them() {
        for (text, posix, windows) in [
            ("runs/a-1", "runs/a-1", "runs/a-1"),
            (r"C:\runs\a", r"'C:\runs\a'", r"C:\runs\a"),
            ("", "''", r#""""#),
            ("iki kelime", "'iki kelime'", r#""iki kelime""#),
            ("Ali'nin", r"'Ali'\''nin'", r#""Ali'nin""#),
            (r"C:\bir yer\", r"'C:\bir yer\'", r#""C:\bir yer\\""#),
            (r#"o "dedi" \" son"#, r#"'o "dedi" \" son'"#, r#""o \"dedi\" \\\" son""#),
        ] {
            assert_eq!([argument_for(false, text), argument_for(true, text)], [posix, windows]);
        }
    }
}
