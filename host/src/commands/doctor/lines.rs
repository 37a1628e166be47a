//! Problems in lines of text.

use std::io::{self, Write};

/// A title, and under it what there is a problem with, why, and what to do about it.
pub fn lines<'a>(
    out: &mut impl Write,
    title: &str,
    entries: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) -> io::Result<()> {
    for (at, (what, why, how_to_get_it)) in entries.enumerate() {
        if at == 0 {
            writeln!(out, "\n{title}")?;
        }
        writeln!(out, "  {what}: {why}")?;
        for line in wrap(how_to_get_it, 100) {
            writeln!(out, "      {line}")?;
        }
    }
    Ok(())
}

/// Lines of at most `width` characters, broken at spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
